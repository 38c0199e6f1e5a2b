"""Train a model of a sequence, and ask stored ones: torch runs in an engine's environment, files go to and fro."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.analyse.sequence_baselines import nearest
from harness.analyse.sequence_scores import residual_quantiles
from harness.analyse.sequences import Settings, Split, Values, as_values, modelled, split
from harness.engine.environment import Engine, engine_of
from harness.engine.model_files import file_sha256
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError
from harness.measure.replay import engine_record, installed
from harness.measure.sequence_folder import (
    MODEL_FILE,
    MODELS,
    SCHEMA_VERSION,
    WEIGHTS,
    SequenceModel,
    read_model,
    sha256_of,
)
from harness.new_folder import new_folder
from harness.record.atomic import write_json
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.workspace import Workspace

TRAIN, PREDICT = (f"experiments.kv_headroom.worker_sequence_{each}" for each in ("train", "predict"))
MAX_EPOCHS = 10_000
MAX_SEED = 2**31 - 1
TIME_LIMIT_S = 24 * 3600.0


@dataclass(frozen=True)
class Training:
    """How a model is trained."""

    model: str = "mlp"
    epochs: int = 100  # at most; ends when the validation part no longer becomes better
    seed: int = 0


@dataclass(frozen=True)
class Predictions:
    """One for each value, and the 0, 1, … 100 % quantiles of true - predicted value on the model's validation part."""

    values: list[int]
    residual_quantiles: list[int]


def sequence_engine(pin: str | None, workspace: Workspace) -> Engine:
    """The engine whose torch is used: the CPU pin's if none is named. Raises HarnessError if it is not installed."""
    return installed(engine_of(load_pin(pin or DEFAULT_CPU_PIN), workspace))


def train_sequence(
    values: Sequence[int] | Values, settings: Settings, training: Training, out: Path, engine: Engine, column: str = ""
) -> SequenceModel:
    """Train on the first 85 % of ``values`` (``make_settings`` has checked them), into the new folder ``out``.

    Raises:
        HarnessError: impossible parameters, ``out`` exists, or the worker failed (its last line is quoted).
    """
    _check(training)
    values = as_values(values)
    sequence, parts = modelled(values, settings), split(len(values), settings.window)
    with new_folder(out) as making, _request() as files:
        np.save(files / "values.npy", sequence)
        asked = {
            "values": str(files / "values.npy"),
            "model": training.model,
            "classes": settings.mod if settings.task == "classification" else None,
            "split": parts.as_json(),
            "epochs": training.epochs,
            "seed": training.seed,
            "out": str(making),
        }
        result = files / "result.json"
        _run(engine, TRAIN, asked, result, f"training the {training.model.upper()}")
        record = json.loads(result.read_text(encoding="utf-8"))
        predicted = np.load(making / "predictions.npy", allow_pickle=False)
        (making / "predictions.npy").unlink()
        document = _document(values, sequence, predicted, settings, parts)
        document["data"]["column"] = column
        document |= {"model": training.model, "seed": training.seed, "epochs": training.epochs} | record
        document |= {"weights_sha256": file_sha256(making / WEIGHTS), "engine": engine_record(engine)}
        write_json(making / MODEL_FILE, document)
    return read_model(out)


def predict_lengths(values: Sequence[int] | Values, model_dir: Path, engine: Engine) -> Predictions:
    """A length (≥ 1) for each of ``values`` from those before it; the first W get the mean of the training part.

    Raises:
        HarnessError: no model that predicts values themselves is there, or the worker failed.
    """
    model = read_model(model_dir)
    if model.settings.task != "regression" or model.settings.mod is not None:
        what = f"{model_dir} predicts a {model.settings.text()}, not lengths"
        raise HarnessError(f"{what}; train it with --task regression and without --mod")
    values = as_values(values)
    unknown = [model.document["training_mean"]] * min(len(values), model.settings.window)
    (known,) = predict_sequence(values, [model], engine)
    return Predictions([max(1, each) for each in unknown + known.tolist()], model.document["residual_quantiles"])


def predict_sequence(values: Values, models: Sequence[SequenceModel], engine: Engine) -> list[Values]:
    """What models of the same settings predict for each value that has W before it, shape (n - W,) each."""
    settings = models[0].settings
    if len(values) <= settings.window:
        return [np.empty(0, dtype=np.int64) for _ in models]
    with _request() as files:
        np.save(files / "values.npy", modelled(values, settings))
        folders = [str(each.folder.resolve()) for each in models]
        asked = {"values": str(files / "values.npy"), "window": settings.window, "models": folders}
        _run(engine, PREDICT, asked, files / "result.npy", "predicting a sequence")
        return list(np.load(files / "result.npy", allow_pickle=False))


def _check(training: Training) -> None:
    if training.model not in MODELS:
        raise HarnessError(f"--model {training.model}: no such model; name one of {', '.join(MODELS)}")
    if not 1 <= training.epochs <= MAX_EPOCHS:
        raise HarnessError(f"--epochs {training.epochs}: it must be 1 to {MAX_EPOCHS}")
    if not 0 <= training.seed <= MAX_SEED:
        raise HarnessError(f"--seed {training.seed}: it must be 0 to {MAX_SEED}")


def _document(values: Values, sequence: Values, predicted: Values, settings: Settings, parts: Split) -> dict[str, Any]:
    """What model.json says of data, task and success."""
    metrics = {}
    for name, part in (("validation", parts.validation), ("test", parts.test)):
        found = predicted[part.start - parts.first : part.stop - parts.first]
        metrics[name] = _metrics(sequence[part], found, settings)
    validated = predicted[parts.train_end - parts.first : parts.validation_end - parts.first]
    return {
        "schema_version": SCHEMA_VERSION,
        **settings.as_json(),
        "data": {"values": len(values), "values_sha256": sha256_of(values)},
        "split": parts.as_json(),
        "training_mean": nearest(sequence[: parts.train_end].mean()),
        "residual_quantiles": (
            residual_quantiles(sequence[parts.validation], validated) if settings.task == "regression" else None
        ),
        "metrics": metrics,
    }


def _metrics(truth: Values, found: Values, settings: Settings) -> dict[str, float]:
    if settings.task == "classification":
        return {"accuracy": float((truth == found).mean())}
    return {"mae": float(np.abs(truth - found).mean())}


@contextmanager
def _request() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sequence-") as folder:
        yield Path(folder)


def _run(engine: Engine, worker: str, asked: dict[str, Any], result: Path, what: str) -> None:
    request = result.with_name("request.json")
    request.write_text(json.dumps(asked), encoding="utf-8")
    environment = dict(engine.pin.environment) | {"PYTHONDONTWRITEBYTECODE": "1"}
    run_worker(engine.python, worker, (request, result), environment, what, TIME_LIMIT_S)
