"""``python3 harness predict --evaluate --data DIR``: how far off are forecasts of models that were held out?"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.analyse.dataset import side_of_slot
from harness.analyse.forecast_evaluate import Errors, HeldOut, Sweep, across, leave_one_out, sweep
from harness.analyse.forecast_starts import Cache, starts_of
from harness.analyse.recorded import is_recorded
from harness.analyse.recorded_sweep import read_sweep
from harness.door import json_errors
from harness.errors import HarnessError
from harness.record.slot import find_slots, read_slot
from harness.record.slotcheck import SlotError
from harness.show.predict_print import print_evaluation


@dataclass(frozen=True)
class Carried:
    """One node's forecast on another one's models, after ``calibration`` starts there."""

    origin: str
    target: str
    calibration: int
    errors: Errors


@dataclass(frozen=True)
class Evaluation:
    """Leave-one-out of every node, and across every two nodes whose compile caches were in the same state."""

    nodes: list[tuple[Sweep, Errors]]
    carried: list[Carried]


def run_evaluate(folders: Sequence[Path], cache: Cache | None, as_json: bool) -> int:
    """Evaluate and print; returns the exit code.

    Raises:
        HarnessError: a folder without a sweep, or a file that cannot be used.
    """
    with json_errors(as_json):
        evaluation = evaluate([each for folder in folders for each in read_sweeps(folder, cache)])
    print_evaluation(evaluation, Console(stderr=as_json, highlight=False, soft_wrap=True))
    if as_json:
        print(json.dumps(_document(evaluation), allow_nan=False))
    return 0


def read_sweeps(folder: Path, cache: Cache | None) -> Iterator[Sweep]:
    """The sweeps in a folder: a recording (or its slots), a slot of ours, or a folder of such.

    Raises:
        HarnessError: there is none; names the folder, or the file that cannot be used.
    """
    if not folder.is_dir():
        fault = "a file, not a folder" if folder.exists() else "no such folder"
        raise HarnessError(f"{folder}: {fault}; --data names a sweep (iterations/), a slot, or a folder of slots")
    if is_recorded(folder):
        recorded = read_sweep(folder)
        for side in recorded.sides:
            yield sweep(_name(folder, side.slot, len(recorded.sides)), starts_of(side, recorded.entries), cache)
        return
    slots = find_slots(folder)
    for path in slots:
        try:
            side = side_of_slot(read_slot(path), "mine", "")
        except SlotError as error:
            raise HarnessError(str(error)) from None
        name = folder.resolve().name if path == folder else f"{folder.resolve().name}/{path.name}"
        yield sweep(name, starts_of(side), cache)
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir() and is_recorded(path) and not slots]
    for path in inside:
        yield from read_sweeps(path, cache)
    if not slots and not inside:
        raise HarnessError(f"{folder}: no sweep in it (iterations/), and no slot (data.csv and manifest.json)")


def _name(folder: Path, slot: str, slots: int) -> str:
    """A recording by its folder; a slot of one with the recording's name before it."""
    here = folder.resolve()
    if slots > 1:
        return f"{here.name}/{slot}"
    return f"{here.parent.name}/{slot}" if here.name == slot else here.name


def evaluate(sweeps: Sequence[Sweep]) -> Evaluation:
    """All nodes, and all ordered pairs of them that can be compared."""
    pairs = [(one, other) for one in sweeps for other in sweeps if one is not other and one.cache == other.cache]
    carried = [Carried(one.node, other.node, *across(one, other)) for one, other in pairs]
    return Evaluation([(one, leave_one_out(one)) for one in sweeps], [each for each in carried if each.errors.held_out])


def _document(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "nodes": [_node(one, errors) for one, errors in evaluation.nodes],
        "across": [
            {
                "from": each.origin,
                "to": each.target,
                "calibration": each.calibration,
                "n": len(each.errors.held_out),
                "mape": each.errors.mape,
                "max_ape": each.errors.max_ape,
                "coverage": each.errors.coverage,
            }
            for each in evaluation.carried
        ],
    }


def _node(one: Sweep, errors: Errors) -> dict[str, Any]:
    main = one.found.main
    return {
        "node": one.node,
        "n": len(errors.held_out),
        "mape": errors.mape,
        "max_ape": errors.max_ape,
        "flagged": [flag.model for flag in one.found.flags if flag.whole],
        "coverage": errors.coverage,
        "cache": one.cache,
        "load_bytes_per_s": main.bytes_per_s if main else None,
        "flags": [vars(flag) for flag in one.found.flags],
        "models": [_model(each) for each in errors.held_out],
    }


def _model(each: HeldOut) -> dict[str, Any]:
    total = each.prediction.total
    return {
        "model": each.model,
        "predicted_s": total.seconds,
        "low_s": total.low,
        "high_s": total.high,
        "measured_s": each.measured_s,
        "ape": 100 * abs(each.error),
        "outside": list(each.prediction.outside),
    }
