"""``python3 harness sequence``: a column of a trace, models that predict it, and whether they beat simple rules."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.analyse.sequence_baselines import baselines
from harness.analyse.sequence_scores import evaluate
from harness.analyse.sequences import make_settings, modelled, split
from harness.commands.sequence.data import (
    CODES,
    COLUMNS,
    OPERATIONS,
    event_values,
    read_series,
    trace_values,
    write_series,
)
from harness.door import json_errors
from harness.errors import HarnessError
from harness.measure.sequence_folder import SequenceModel, read_model, sha256_of
from harness.measure.sequence_models import Training, predict_sequence, sequence_engine, train_sequence
from harness.record.plain import printable
from harness.show.sequence_print import evaluation_lines, evaluation_table
from harness.workspace import Workspace


def run_extract(trace: Path | None, events: Path | None, column: str, out: Path) -> None:
    """Write one column of a trace or of an event log as CSV.

    Raises:
        HarnessError: not exactly one source, no such column, a source that cannot be read, or ``out`` exists.
    """
    if column not in COLUMNS:
        raise HarnessError(f"--column {column}: no such column; name one of {', '.join(COLUMNS)}")
    if (trace is None) == (events is None):
        raise HarnessError("name either --trace FILE or --events FILE.jsonl.gz")
    if trace is not None:
        written = write_series(trace_values(trace, column), column, out, trace)
    elif events is not None:
        written = write_series(event_values(events, column), column, out, events)
    task = f"classification --mod {len(CODES)}" if column == OPERATIONS else "regression"
    following = f"next: python3 harness sequence train --task {task} --window-size 16 --data {out} --out DIR"
    Console(highlight=False, markup=False).print(
        printable(f"{written:,} values of {column}; {following}"), soft_wrap=True
    )


def run_train(
    data: Path,
    asked: tuple[str, int, int | None],
    training: Training,
    out: Path,
    engine: str | None,
    as_json: bool,
    workspace: Workspace,
) -> None:
    """Train one model into the new folder ``out``. ``asked``: task, window size, mod.

    Raises:
        HarnessError: before anything is trained: data, settings, folder or engine cannot be; or the training failed.
    """
    with json_errors(as_json):
        series = read_series(data)
        settings = make_settings(*asked, series.values)
        installed = sequence_engine(engine, workspace)
        model = train_sequence(series.values, settings, training, out, installed, series.column)
    document = model.document
    epochs, best = len(document["history"]), document["training"]["best_epoch"]
    (metric, value), *_ = document["metrics"]["test"].items()
    console = Console(highlight=False, markup=False, stderr=as_json, soft_wrap=True)
    console.print(
        printable(f"{model.name}: {settings.text()}; {epochs} epochs, best {best}; test {metric} {value:.3f}")
    )
    options = f"--task {settings.task} --window-size {settings.window}" + f" --mod {settings.mod}" * bool(settings.mod)
    command = f"python3 harness sequence evaluate {options} --data {data} --model-dir {out}"
    console.print(printable(f"is it better than simple rules? {command}"))
    if as_json:
        print(json.dumps(document, allow_nan=False))


def run_evaluate(
    data: Path,
    asked: tuple[str, int, int | None],
    model_dirs: Sequence[Path],
    engine: str | None,
    as_json: bool,
    workspace: Workspace,
) -> None:
    """Score baselines and stored models on the test part. ``asked``: task, window size, mod (None: the models').

    Raises:
        HarnessError: data, settings, models or engine cannot be, or the models predict something else.
    """
    with json_errors(as_json):
        series = read_series(data)
        models = [read_model(folder) for folder in model_dirs]
        task, window, mod = asked
        mod = models[0].settings.mod if models and mod is None else mod
        for model in models:
            _check_settings(model, task, window, mod)
        settings = make_settings(task, window, mod, series.values)
        sequence, parts = modelled(series.values, settings), split(len(series.values), settings.window)
        found = predict_sequence(series.values, models, sequence_engine(engine, workspace)) if models else []
        names = _names(models)
        tested = slice(parts.validation_end - parts.first, parts.end - parts.first)
        predicted = {name: each[tested] for name, each in zip(names, found, strict=True)}
        evaluation = evaluate(sequence[parts.test], baselines(sequence, settings, parts), predicted, settings)
    sha256 = sha256_of(series.values)
    document: dict[str, Any] = {
        **settings.as_json(),
        "settings": settings.text(),
        "data": {"column": series.column, "values": len(series.values), "values_sha256": sha256},
        "split": parts.as_json(),
        "models": [
            {"name": name, "same_data": model.values_sha256 == sha256}
            for name, model in zip(names, models, strict=True)
        ],
        "evaluation": evaluation.as_json(),
    }
    console = Console(highlight=False, markup=False, stderr=as_json)
    console.print(evaluation_table(document))
    for line in evaluation_lines(document):
        console.print(line, soft_wrap=True)
    if as_json:
        print(json.dumps(document, allow_nan=False))


def _check_settings(model: SequenceModel, task: str, window: int, mod: int | None) -> None:
    its = model.settings
    if (its.task, its.window, its.mod) != (task, window, mod):
        asked = f"--task {task} --window-size {window}" + f" --mod {mod}" * (mod is not None)
        raise HarnessError(f"{model.folder}: a model for {its.text()}, asked for was {asked}; train one for that")


def _names(models: Sequence[SequenceModel]) -> list[str]:
    """Names for a table; models that are called alike get their folder's too."""
    alike = Counter(model.name for model in models)
    return [f"{m.name} ({m.folder.name})" if alike[m.name] > 1 else m.name for m in models]
