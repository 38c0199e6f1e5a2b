"""``python3 harness predict MODEL``: how long will a start take, phase by phase, and how sure is that?"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console

from harness.analyse.forecast import Forecast, Prediction, calibrated, train
from harness.analyse.forecast_evaluate import LEAST_MODELS, Sweep, sweep
from harness.analyse.forecast_loading import UnknownLevelError, loading_as, loading_at
from harness.analyse.forecast_seconds import Loading, Seconds
from harness.analyse.forecast_starts import Cache, usual_format
from harness.analyse.model_facts import facts_of
from harness.commands.predict.nodes import PAPER, Node, find_node
from harness.commands.predict.stored import nothing_found, trained
from harness.door import json_errors
from harness.engine.twin_facts import twin_facts
from harness.errors import HarnessError
from harness.record.plain import printable
from harness.show.predict_print import print_prediction
from harness.spec.load_formats import LOAD_FORMATS
from harness.spec.models import find_model
from harness.spec.state import storage_level, storage_name
from harness.workspace import Workspace


@dataclass(frozen=True)
class Asked:
    """One call. ``node`` None: this machine; ``shape``: another node whose forecast is carried to it."""

    model: str
    node: str | None = None
    storage: str | None = None
    cache: Cache = "warm"
    shape: str | None = None
    load_format: str | None = None
    twin: bool = False


@dataclass(frozen=True)
class Answer:
    """What is printed."""

    asked: Asked
    node: Node
    forecast: Forecast
    prediction: Prediction
    notes: tuple[str, ...]


def run_predict(asked: Asked, as_json: bool, workspace: Workspace) -> int:
    """Predict and print; returns the exit code.

    Raises:
        HarnessError: unknown model, node, storage level or load format, or no start to learn from.
    """
    with json_errors(as_json):
        answer = predict(asked, workspace)
    print_prediction(answer, Console(stderr=as_json, highlight=False, soft_wrap=True))
    if as_json:
        print(json.dumps(_document(answer), allow_nan=False))
    return 0


def predict(asked: Asked, workspace: Workspace) -> Answer:
    """The forecast of one start. Raises as ``run_predict``."""
    model = find_model(asked.model)
    facts = twin_facts(model) if asked.twin else facts_of(model)
    level = None if asked.storage is None else storage_name(storage_level(asked.storage))
    node = find_node(asked.node, workspace)
    load_format = _format(asked, node)
    notes = list(node.notes)
    if asked.shape is not None:
        forecast, one = _carried(asked, find_node(asked.shape, workspace), node)
    else:
        forecast, stored = trained(node, asked.cache, workspace)
        one = sweep(node.name, node.starts, asked.cache)
        notes += stored
    if {start.twin for start in one.found.used} == {True} and not asked.twin:
        notes.append("trained on structural twins (random weights, narrow); --twin predicts the twin's start")
    notes += [
        f"not used: {flag.model}{'' if flag.whole else ' (some starts)'}: {flag.reason}" for flag in one.found.flags
    ]
    loading = _loading(level, load_format, one, node)
    unmeasured = load_format if load_format and loading is None else ""
    prediction = forecast.predict(facts, loading, unmeasured)
    return Answer(asked, node, forecast, prediction, tuple(notes))


def _carried(asked: Asked, shape: Node, node: Node) -> tuple[Forecast, Sweep]:
    origin = sweep(shape.name, shape.starts, asked.cache)
    forecast = train(origin.found, asked.cache)
    if forecast is None or len(origin.models) < LEAST_MODELS:
        raise HarnessError(
            f"node {shape.name}: needs {LEAST_MODELS} models to carry its forecast elsewhere, "
            f"has {len(origin.models)} whose starts found their compile caches {asked.cache}"
        )
    target = sweep(node.name, node.starts, asked.cache)
    if target.found.main is None:
        raise HarnessError(f"node {node.name}: {nothing_found(node.starts, asked.cache, [])} to calibrate with")
    return calibrated(forecast, target.found.used, target.found.main), target


def _format(asked: Asked, node: Node) -> str | None:
    """The asked load format as starts are compared by it.

    Raises:
        HarnessError: neither an engine nor a start of the node knows the name.
    """
    if asked.load_format is None:
        return None
    known = sorted(LOAD_FORMATS | {start.load_format for start in node.starts})
    if asked.load_format not in known:
        name = printable(asked.load_format, 60)
        raise HarnessError(f"--load-format '{name}': no engine knows it; known: {printable(', '.join(known))}")
    return usual_format(asked.load_format)


def _loading(level: str | None, load_format: str | None, one: Sweep, node: Node) -> Loading | None:
    """How loading differs from the training starts': in format, or in level. (Both at once nobody has measured.)"""
    if level is not None and load_format is not None:
        raise HarnessError("give --storage or --load-format, not both: the other stays as in most starts of the node")
    if load_format is not None:
        return loading_as(load_format, one.found, node.starts)
    try:
        return None if level is None else loading_at(level, one.found, node.starts)
    except UnknownLevelError as error:
        wanted = "" if node.name.startswith(PAPER) else f"; measure one: bash run_figure.sh 2 --storage {level}"
        raise HarnessError(f"--storage {level}: node {node.name}: {error}{wanted}") from None


def _document(answer: Answer) -> dict[str, Any]:
    prediction = answer.prediction
    return {
        "model": answer.asked.model,
        "twin": answer.asked.twin,
        "node": answer.node.name,
        "whose": answer.node.words,
        "shape_of": answer.asked.shape,
        "cache": answer.asked.cache,
        "storage": answer.asked.storage,
        "load_format": answer.asked.load_format,
        "total": _seconds(prediction.total),
        "phases": {name: _seconds(each) for name, each in prediction.phases.items()},
        "load_source": prediction.load_source,
        "no_interval": prediction.no_interval,
        "outside": list(prediction.outside),
        "trained_on": list(answer.forecast.models),
        "trained_state": asdict(answer.forecast.state),
        "notes": list(answer.notes),
    }


def _seconds(value: Seconds) -> dict[str, float | None]:
    return {"seconds": value.seconds, "low": value.low, "high": value.high}
