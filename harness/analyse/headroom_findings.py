"""Findings of the head-room study: one setting against another over the repeats that both have, and verdicts.

A repeat is a seed of the workload; both sides replay the same requests, so they are paired (``paired.py``).
"""

from collections.abc import Iterator

from harness.analyse.headroom_series import Metrics, Points, Setting
from harness.analyse.paired import Paired, paired
from harness.record.headroom_tables import NONE
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
