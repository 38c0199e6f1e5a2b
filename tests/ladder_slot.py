"""Slots of the ladder: starts from each of its states, made from a seed, with effects that a small CPU machine has."""

import random
from collections.abc import Collection
from typing import Any

from harness.record.rows import Row
from harness.spec.figure import load_figure
from harness.spec.state import StartState
from harness.workspace import Workspace
from tests.synthetic_slot import CACHED, MODEL, SESSION, UNCACHED, manifest

STATES = load_figure("ladder", Workspace()).states


def phases(state: StartState) -> dict[str, float]:
    """Seconds by leaf of a start without noise."""
    leaves = dict(CACHED if state.compile_cache == "warm-up" else UNCACHED)
    inspection = {"interpreter:inspect": 0.05, "imports:inspect": 4.1, "model_inspect": 0.3}
    leaves |= inspection if state.model_info == "empty" else dict.fromkeys(inspection, 0.0) | {"model_inspect": 0.02}
    if state.libraries == "cold":  # the first process that imports something reads it, the others find it
        leaves["imports:main"] += 7.5
        leaves["imports:inspect" if state.model_info == "empty" else "imports:worker"] += 2.4
        leaves["compiler_subprocess"] = leaves.get("compiler_subprocess", 0.0) * 1.1
    leaves["load_weights"] += 3.3 if state.storage == "ssd" else 0.0
    return {leaf: seconds for leaf, seconds in leaves.items() if seconds}


def ladder_slot(
    starts: int = 5,
    without: Collection[str] = (),
    seed: int = 0,
    rounds: bool = True,
    noise: float = 0.01,
    slot: str = "node0",
) -> tuple[list[Row], dict[str, Any]]:
    """Rows and manifest: a warm-up where a state needs one, then ``starts`` measured ones of each state.

    ``without``: states none of whose starts counts. ``rounds``: all states' k-th starts are of the same round, and of
    a machine that gets slower.
    """
    rng = random.Random(seed)
    rows: list[Row] = []
    whole = manifest([], slot=slot, figure="ladder")
    (like,) = whole["cases"]
    whole["cases"] = []
    for name, state in STATES.items():
        case = f"{MODEL}_state-{name}-1a2b3c4d"
        whole["cases"].append({**like, "case": case, "state": state.declared()})
        warmups = ["warmup-0"] if state.needs_warm_up else []
        for number, run in enumerate([*warmups, *map(str, range(1, starts + 1))], start=-len(warmups)):
            kind = "measured" if run.isdigit() else "warmup"
            begun_from = state if kind == "measured" else state.of_warm_up()
            status = "failed" if name in without and kind == "measured" else "ok"
            told = {"case": case, "run_id": f"{case}/{run}", "run": run, "kind": kind, "status": status}
            found = {"counts": status == "ok", "round": f"c:{number}" if rounds else None}
            whole["runs"].append({**told, **found, "run_json_sha256": "d" * 64})
            drift = 1 + 0.02 * number if rounds else 1
            for leaf, seconds in phases(begun_from).items() if status == "ok" else ():
                noisy = seconds * drift * rng.gauss(1, noise)
                rows.append(Row("ladder", slot, case, MODEL, run, kind, leaf, noisy, "span", SESSION, status))
    return rows, whole
