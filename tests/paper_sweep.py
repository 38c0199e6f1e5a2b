"""The recorded starts that ship with the figures, as starts and as folders in the layout of a recording."""

import json
import random
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from harness.analyse.dataset import Side, paper_sides
from harness.analyse.forecast_evaluate import Sweep, sweep
from harness.analyse.forecast_starts import Cache, starts_of
from harness.analyse.logs import QUANTITIES
from harness.record.paper import PaperRow, read_paper

ROOT = Path(__file__).resolve().parents[1]
# figure and slot of each distinct sweep over models (figures 11 and 13 repeat figure 10's first one)
SWEEPS = (
    ("17", "node0"),
    ("10", "gpu0"),
    ("10", "gpu1"),
    ("11", "cpu1"),
    ("13", "case1"),
    ("7", "node0"),
    ("15", "node0"),
)

Seconds = dict[str, float]
Change = Callable[[str, int, Seconds], Seconds]  # model, iteration, quantities → quantities


@lru_cache(maxsize=16)
def paper_rows(figure: str) -> tuple[PaperRow, ...]:
    """A figure's committed rows."""
    return tuple(read_paper(ROOT / "figures" / f"figure-{figure}" / "paper.csv"))


def paper_side(figure: str, slot: str = "node0") -> Side:
    """One slot of them."""
    return next(side for side in paper_sides(paper_rows(figure), {}) if side.slot == slot)


@lru_cache(maxsize=32)
def paper_sweep(figure: str, slot: str = "node0", cache: Cache | None = None) -> Sweep:
    """One slot as a sweep."""
    return sweep(f"{figure}/{slot}", starts_of(paper_side(figure, slot)), cache)


def write_sweep(
    folder: Path,
    figure: str,
    slot: str = "node0",
    labels: Mapping[str, str] | None = None,
    change: Change | None = None,
) -> Path:
    """The counted repeats of a slot as result files, without logs.

    ``labels``: model → what its label calls it, only these; None: all by their own names.
    """
    repeats: dict[int, dict[str, Seconds]] = {}
    for row in paper_rows(figure):
        if row.slot == slot and row.kind == "measured" and (labels is None or row.model in labels):
            repeats.setdefault(row.iteration, {}).setdefault(row.model, {})[row.phase] = row.seconds
    for iteration, models in repeats.items():
        changed = {model: change(model, iteration, told) if change else told for model, told in models.items()}
        here = folder / "iterations" / str(iteration)
        here.mkdir(parents=True, exist_ok=True)
        names = [f"output_model_{(labels or {}).get(model, model)}.txt" for model in changed]
        data = {name: [told.get(name) for told in changed.values()] for name in QUANTITIES}
        (here / "comparison_results.json").write_text(json.dumps({"labels": names, "data": data}))
    return folder


def with_load(told: Seconds, load_s: float) -> Seconds:
    """The same start, had loading its weights taken this long."""
    longer = load_s - told["load_weights"]
    moved = ("load_weights", "model_loading", "total_time", "actual_total_time")
    return {name: value + longer if name in moved else value for name, value in told.items()}


def noisy(sd: float, seed: int = 0) -> Change:
    """Every step of every start off by a factor of its own; sums follow."""
    rng = random.Random(seed)

    def change(_model: str, _iteration: int, told: Seconds) -> Seconds:
        factor = rng.gauss(1, sd)
        return {name: value * factor for name, value in told.items()}

    return change
