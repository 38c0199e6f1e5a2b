"""Is the forecast's choice of facts tuned to its evaluation? Other plausible choices, all on every recorded sweep.

    .venv/bin/python benchmarks/forecast_choices.py

For each choice the mean absolute percentage error, leaving one model out, on each distinct sweep that ships with the
figures, and the largest error. The last line of stdout is one JSON document. A second table carries each cached sweep's
forecast to each other one with the three starts of the rule, and with all starts of three models drawn at random.
"""

import json
import random
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.analyse import forecast_evaluate, forecast_line
from harness.analyse.dataset import paper_sides
from harness.analyse.forecast_evaluate import Errors, Sweep, across, leave_one_out, sweep
from harness.analyse.forecast_phases import PHASE
from harness.analyse.forecast_starts import Start, starts_of
from harness.record.paper import read_paper
from harness.workspace import Workspace

SWEEPS = (
    ("17", "node0"),
    ("10", "gpu0"),
    ("10", "gpu1"),
    ("11", "cpu1"),
    ("13", "case1"),
    ("7", "node0"),
    ("15", "node0"),
)
LAYERED = ("model_init", "dynamo_transform_time", "graph_compile", "graph_capturing")
DRAWS, SEED = 10, 1

# What each choice changes: phase → terms. {} is what the harness does.
CHOICES: dict[str, Mapping[str, tuple[str, ...]]] = {
    "as chosen": {},
    "every phase over checkpoint bytes": {name: ("one", "checkpoint_gb") for name in PHASE},
    "loading over bytes, the rest means": {
        n: ("one", "checkpoint_gb") if n == "load_weights" else ("one",) for n in PHASE
    },
    "no term for experts": {"graph_capturing": ("one", "layers")},
    "experts in all layered phases": {name: ("one", "layers", "expert_layers") for name in LAYERED},
    "profiling a mean": {"kv_cache_profiling": ("one",)},
    "layered phases over bytes too": {name: (*PHASE[name].terms, "checkpoint_gb") for name in LAYERED},
    "remainder a mean": {"remainder": ("one",)},
}


def read_sweeps() -> list[Sweep]:
    """The distinct sweeps over models that ship with the figures."""
    found = []
    for figure, slot in SWEEPS:
        sides = paper_sides(read_paper(Workspace().figure(figure) / "paper.csv"), {})
        side = next(side for side in sides if side.slot == slot)
        found.append(sweep(f"{figure}/{slot}", starts_of(side)))
    return found


def errors(sweeps: list[Sweep], choice: Mapping[str, tuple[str, ...]], huber: float) -> list[Errors]:
    """Leave-one-out of every sweep under a choice."""
    phases = {name: replace(phase, terms=choice.get(name, phase.terms)) for name, phase in PHASE.items()}
    with patch.dict(PHASE, phases), patch.object(forecast_line, "_HUBER", huber):
        return [leave_one_out(each) for each in sweeps]


def drawn(target: Sweep, draw: random.Random) -> list[Start]:
    """One start each of three models drawn at random."""
    models = draw.sample(target.models, 3)
    return [next(start for start in target.found.used if start.model == model) for model in models]


def carried(sweeps: list[Sweep]) -> dict[str, list[float]]:
    """Pair → MAPE with the rule's calibration starts, then median and largest over random ones."""
    draw, table = random.Random(SEED), {}
    for origin in sweeps:
        for target in sweeps:
            if origin is target or origin.cache != "warm" or target.cache != "warm":
                continue
            rows = [across(origin, target)[1].mape or 0.0]
            chance = []
            for _ in range(DRAWS):
                with patch.object(forecast_evaluate, "calibration_starts", lambda one: drawn(one, draw)):
                    chance.append(across(origin, target)[1].mape or 0.0)
            table[f"{origin.node} → {target.node}"] = [*rows, median(chance), max(chance)]
    return table


def main() -> None:
    """Evaluate and print."""
    sweeps = read_sweeps()
    usual = forecast_line._HUBER
    estimators = [(name, choice, usual) for name, choice in CHOICES.items()] + [("as chosen, least squares", {}, 1e9)]
    print(f"{'MAPE % (largest error %)':36}" + "".join(f"{each.node:>15}" for each in sweeps))
    table = {}
    for name, choice, huber in estimators:
        found = errors(sweeps, choice, huber)
        table[name] = [[each.mape, each.max_ape, each.coverage] for each in found]
        cells = (f"{each.mape or 0:.2f} ({each.max_ape or 0:.1f})" for each in found)
        print(f"{name:36}" + "".join(f"{cell:>15}" for cell in cells))
    print(f"{'in its 95 % interval, as chosen':36}" + "".join(f"{row[2] or 0:>14.0f}%" for row in table["as chosen"]))
    pairs = carried(sweeps)
    print(f"\n{'from → to, MAPE %':32}{'rule':>8}{'random':>8}{'worst':>8}  (3 starts; {DRAWS} draws)")
    for pair, values in pairs.items():
        print(f"{pair:32}" + "".join(f"{value:>8.2f}" for value in values))
    print(json.dumps({"sweeps": [each.node for each in sweeps], "choices": table, "across": pairs}))


if __name__ == "__main__":
    main()
