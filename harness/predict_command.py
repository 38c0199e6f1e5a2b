"""``python -m harness predict MODEL``: how long will a start take, phase by phase, and how sure is that?"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

from harness.analyse.forecast import Forecast, Loading, Prediction, Seconds, calibrated, train
from harness.analyse.forecast_document import SCHEMA_VERSION, from_document, to_document, training_sha256
from harness.analyse.forecast_evaluate import LEAST_MODELS, Sweep, sweep
from harness.analyse.forecast_loading import UnknownLevelError, loading_as, loading_at
from harness.analyse.forecast_starts import Cache, Start
from harness.analyse.model_facts import ModelFacts, facts_of
from harness.door import json_errors
from harness.engine.parameter_count import parameter_count
from harness.engine.twin_shape import BYTES_PER_PARAMETER, narrow
from harness.errors import HarnessError
from harness.predict_nodes import PAPER, Node, find_node
from harness.record.atomic import write_json
from harness.record.bounded import UnreadableError, parse_json, read_bounded
from harness.show.predict_print import print_prediction
from harness.spec.models import Model, find_model
from harness.spec.state import storage_level, storage_name
from harness.workspace import Workspace

_MAX_BYTES = 4 << 20


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
        HarnessError: unknown model, node or storage level, or no start to learn from.
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
    loading = _loading(level, asked.load_format, one, node)
    unmeasured = asked.load_format if asked.load_format and loading is None else ""
    prediction = forecast.predict(facts, loading, unmeasured)
    return Answer(asked, node, forecast, prediction, tuple(notes))


def twin_facts(model: Model) -> ModelFacts:
    """Facts of the model's structural twin as download_models.py makes it; its tokenizer's size is not known before."""
    config = model.config.as_dict()
    keys = narrow(config, model.checkpoint.tensor_bytes)
    size = BYTES_PER_PARAMETER * parameter_count({**config, **keys})
    return replace(facts_of(model), checkpoint_bytes=size, tokenizer_bytes=None, quantised=False)


def trained(node: Node, cache: Cache, workspace: Workspace) -> tuple[Forecast, list[str]]:
    """The node's forecast: the stored one if it was trained on the present starts, else a new one, which is stored.

    Raises:
        HarnessError: the node has no start of this kind that can be used.
    """
    path = workspace.root / "predictors" / f"{node.name.replace(':', '-')}.json"
    digest = training_sha256(node.starts)
    stored, notes = _read(path, digest)
    if cache in stored:
        return stored[cache], notes
    found = {each: sweep(node.name, node.starts, each) for each in get_args(Cache)}
    forecasts = {each: forecast for each, one in found.items() if (forecast := train(one.found, each))}
    if cache not in forecasts:
        raise HarnessError(f"node {node.name}: {_nothing(node.starts, cache, sorted(forecasts))}")
    path.parent.mkdir(exist_ok=True)
    document = {
        "schema_version": SCHEMA_VERSION,
        "node": node.name,
        "training": {"sha256": digest, "starts": len(node.starts), "whose": node.words},
        "forecasts": {each: to_document(forecast) for each, forecast in forecasts.items()},
    }
    write_json(path, document)
    return forecasts[cache], notes


def _read(path: Path, digest: str) -> tuple[dict[Cache, Forecast], list[str]]:
    """The stored forecasts if they are of this training data; with a note where the file is damaged."""
    if not path.is_file():
        return {}, []
    try:
        document = parse_json(read_bounded(path, _MAX_BYTES))
        if document["schema_version"] != SCHEMA_VERSION or document["training"]["sha256"] != digest:
            return {}, []
        forecasts = [from_document(each) for each in document["forecasts"].values()]
    except (UnreadableError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        return {}, [f"{path.name} was damaged ({error}) and is written anew"]
    return {forecast.cache: forecast for forecast in forecasts}, []


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
        raise HarnessError(f"node {node.name}: {_nothing(node.starts, asked.cache, [])} to calibrate with")
    return calibrated(forecast, target.found.used, target.found.main), target


def _nothing(starts: tuple[Start, ...], cache: Cache, others: list[Cache]) -> str:
    there = f"it has {' and '.join(others)} (--cache)" if others else f"{len(starts)} starts of it are stored"
    return f"no start that found its compile caches {cache} can be used; {there}; measure one: bash run_figure.sh 2"


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
        "outside": list(prediction.outside),
        "trained_on": list(answer.forecast.models),
        "trained_state": asdict(answer.forecast.state),
        "notes": list(answer.notes),
    }


def _seconds(value: Seconds) -> dict[str, float | None]:
    return {"seconds": value.seconds, "low": value.low, "high": value.high}
