"""The feature matrix as it is drawn and printed, out of a slot's rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.analyse.stats import Summary, summarise
from harness.record import feature_tables as names
from harness.record.feature_tables import FEATURE_COMPARISONS, FEATURE_OUTPUTS, FEATURE_RUNS, FEATURES, NOTHING
from harness.record.study_slot import StudySlot
from harness.record.tables import cells_of


@dataclass(frozen=True)
class Speedup:
    """Baseline ÷ case: more than 1 is faster. Bounds are None for one repeat."""

    ratio: float
    low: float | None
    high: float | None
    n: int
    hours_apart: float


@dataclass(frozen=True)
class Cell:
    """One case. ``outputs``: statistics of feature_outputs.csv, None where nothing was compared."""

    feature: str
    baseline: str | None
    question: str
    model: str
    status: str
    reason: str | None
    ok_runs: int
    failed_runs: int
    metrics: dict[str, Summary]
    speedups: dict[str, Speedup]
    outputs: dict[str, float] | None

    def mean(self, metric: str) -> float | None:
        """Of the repeats; None: the metric does not exist."""
        found = self.metrics.get(metric)
        return None if found is None else found.mean

    @property
    def accepted_at(self) -> list[float]:
        """Share of the drafts with at least 1, 2, … tokens whose first ones were all accepted."""
        found: list[float] = []
        while (share := self.mean(f"{names.ACCEPTANCE_AT}{len(found) + 1}")) is not None:
            found.append(share)
        return found

    @property
    def hours_apart(self) -> float:
        """The largest distance between the starts of two paired runs."""
        return max((found.hours_apart for found in self.speedups.values()), default=0.0)

    @property
    def is_far_off(self) -> bool:
        """Whether a log-probability differs from the baseline's by more than the tolerance of near ties allows for."""
        told = self.outputs or {}
        return told.get(names.LARGEST_DIFFERENCE, 0.0) > told.get(names.NEAR_TIE, math.inf) / 2


def cells_of_matrix(slot: StudySlot) -> list[Cell]:
    """The cases in the order of features.csv; empty if the slot has none."""
    tables = slot.tables
    runs = cells_of(FEATURE_RUNS, tables.get(FEATURE_RUNS.name, ()))
    compared = cells_of(FEATURE_COMPARISONS, tables.get(FEATURE_COMPARISONS.name, ()))
    outputs: dict[str, dict[str, float]] = {}
    for row in cells_of(FEATURE_OUTPUTS, tables.get(FEATURE_OUTPUTS.name, ())):
        outputs.setdefault(row["feature"], {})[row["statistic"]] = row["value"]
    return [
        Cell(
            feature=row["feature"],
            baseline=_text(row["baseline"]),
            question=row["question"],
            model=row["model"],
            status=row["status"],
            reason=_text(row["reason"]),
            ok_runs=row["ok_runs"],
            failed_runs=row["failed_runs"],
            metrics=_metrics([each for each in runs if each["feature"] == row["feature"]]),
            speedups=_speedups([each for each in compared if each["feature"] == row["feature"]]),
            outputs=outputs.get(row["feature"]),
        )
        for row in cells_of(FEATURES, tables.get(FEATURES.name, ()))
    ]


def _metrics(rows: Sequence[dict[str, Any]]) -> dict[str, Summary]:
    metrics = dict.fromkeys(row["metric"] for row in rows)
    found = {metric: summarise(row["value"] for row in rows if row["metric"] == metric) for metric in metrics}
    return {metric: summary for metric, summary in found.items() if summary is not None}


def _speedups(rows: Sequence[dict[str, Any]]) -> dict[str, Speedup]:
    found = {}
    for metric in dict.fromkeys(row["metric"] for row in rows):
        values = {row["statistic"]: row["value"] for row in rows if row["metric"] == metric}
        if names.SPEEDUP in values:
            low, high = values.get(names.SPEEDUP_LOW), values.get(names.SPEEDUP_HIGH)
            found[metric] = Speedup(
                values[names.SPEEDUP], low, high, int(values[names.N]), values.get(names.HOURS_APART, 0.0)
            )
    return found


def _text(text: str) -> str | None:
    return None if text == NOTHING else text
