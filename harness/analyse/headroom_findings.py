"""Findings of the head-room study: one setting against another over the repeats that both have, and verdicts.

A repeat is a seed of the workload; both sides replay the same requests, so they are paired. Differences have Student's
t interval, ratios that of their logarithms (``stats.py``). Each interval holds on its own with 95 %: of twenty that are
looked at, one misses.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from harness.analyse.headroom_series import ByRepeat, Metrics, Points, Setting
from harness.analyse.stats import CONFIDENCE, Bounds, half_width_of_sum, interval
from harness.record.headroom_tables import (
    BASELINE_MEAN,
    DIFFERENCE_HALF_WIDTH,
    MEAN,
    NONE,
    RATIO,
    RATIO_HIGH,
    RATIO_LOW,
    N,
)
from harness.record.tables import Cell

PREEMPTIONS, THROUGHPUT, TTFT = "preemptions", "output_throughput", "ttft_p50"
COMPARED = (PREEMPTIONS, THROUGHPUT, TTFT)  # metrics of findings.csv

BETTER, WORSE, MIXED, NO_DIFFERENCE, NO_INTERVAL = (
    "better",
    "worse",
    "mixed",
    "no difference shown",
    "no interval (one repeat)",
)

Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Paired:
    """One metric of a setting against a baseline, over ``n`` paired repeats.

    ``half_width`` is that of the difference's 95 % interval; None for one repeat. ``ratio``: mean of the repeats'
    ratios on the log scale; None where a value is 0.
    """

    n: int
    baseline_mean: float
    mean: float
    half_width: float | None
    ratio: float | None
    ratio_interval: Bounds | None

    @property
    def difference(self) -> float:
        """Setting − baseline."""
        return self.mean - self.baseline_mean

    @property
    def interval(self) -> Bounds | None:
        """Of the difference."""
        if self.half_width is None:
            return None
        return self.difference - self.half_width, self.difference + self.half_width

    def statistics(self) -> Iterator[tuple[str, float]]:
        """Name and value of each that exists, as findings.csv has them."""
        low, high = self.ratio_interval or (None, None)
        found = {
            BASELINE_MEAN: self.baseline_mean,
            MEAN: self.mean,
            DIFFERENCE_HALF_WIDTH: self.half_width,
            RATIO: self.ratio,
            RATIO_LOW: low,
            RATIO_HIGH: high,
            N: float(self.n),
        }
        yield from ((name, value) for name, value in found.items() if value is not None)

    @property
    def sign(self) -> int | None:
        """1 or −1: the difference's interval is above or below 0; 0: it includes 0; None: there is no interval."""
        return _side(self.interval, 0.0)

    @property
    def sign_of_ratio(self) -> int | None:
        """The same of the ratio's interval and 1."""
        return _side(self.ratio_interval, 1.0)


def paired(baseline: ByRepeat, values: ByRepeat) -> Paired | None:
    """``values`` against ``baseline``, over the repeats of both; None if there are none."""
    repeats = sorted(baseline.keys() & values.keys())
    if not repeats:
        return None
    a, b = [baseline[repeat] for repeat in repeats], [values[repeat] for repeat in repeats]
    half = half_width_of_sum(((-1, a), (1, b)), True, CONFIDENCE)
    ratio = bounds = None
    if min(*a, *b) > 0:
        ratios = [y / x for x, y in zip(a, b, strict=True)]
        ratio = math.exp(fmean(map(math.log, ratios)))
        bounds = interval(ratios, "log")
    return Paired(len(repeats), fmean(a), fmean(b), half, ratio, bounds)


def _side(bounds: Bounds | None, still: float) -> int | None:
    return None if bounds is None else int(bounds[0] > still) - int(bounds[1] < still)


def verdict(baseline: Metrics, metrics: Metrics) -> str:
    """``better``: fewer preemptions or more output throughput is shown, and the contrary of neither.

    ``worse`` is the contrary, ``mixed`` where one is better and the other worse, and ``no difference shown`` where both
    intervals include equality. Preemptions, which may be 0, are judged by their difference, throughput by its ratio.
    """
    preempted, output = (paired(baseline.get(name, {}), metrics.get(name, {})) for name in (PREEMPTIONS, THROUGHPUT))
    found = set()
    if preempted and preempted.sign is not None:
        found.add(-preempted.sign)
    if output and output.sign_of_ratio is not None:
        found.add(output.sign_of_ratio)
    if not found:
        return NO_INTERVAL
    if {1, -1} <= found:
        return MIXED
    return BETTER if 1 in found else WORSE if -1 in found else NO_DIFFERENCE


def finding_rows(points: Points) -> Iterator[Row]:
    """Rows of findings.csv: every setting against ``none`` of its group."""
    for setting, metrics in points.items():
        base = points.get(setting.without)
        if setting.search == NONE or base is None:
            continue
        for metric in COMPARED:
            found = paired(base.get(metric, {}), metrics.get(metric, {}))
            if found is not None:
                yield from _rows(setting, metric, found)


def _rows(setting: Setting, metric: str, found: Paired) -> Iterator[Row]:
    group = setting.group
    what = (group.workload, group.model, group.mode, setting.search, setting.parameter, NONE, metric)
    yield from ((*what, name, value) for name, value in found.statistics())


def never_binding(points: Points, search: str) -> list[Setting]:
    """Settings that are identical to ``none`` in every metric and repeat: the policy never held a request back."""
    return [
        setting
        for setting, metrics in sorted(points.items())
        if setting.search == search and metrics == points.get(setting.without)
    ]
