"""The original study's four plots: a policy's parameter against throughput, input traffic, operations, blocks moved."""

from collections.abc import Mapping, Sequence
from functools import partial

from matplotlib.axes import Axes

from harness.analyse.headroom_series import At, Group, Points, changes, curve, groups_of, of_search
from harness.analyse.stats import Summary
from harness.record.headroom_tables import NAIVE, NONE, RECOMPUTE, SWAP, TARGET
from harness.show.headroom_looks import LINE, MODES, TRANSFERS, WITHOUT, Look, empty, few_ticks, from_zero
from harness.show.study_page import Band

SWEEPS = {
    NAIVE: ("naive: admit while ⌈n/16·o⌉ blocks stay free", "factor o"),
    TARGET: ("target: admit while blocks per sequence stay at least the target", "target (blocks per sequence)"),
}
_HEIGHT = 0.84

Lines = Sequence[tuple[str, Look, tuple[str, ...]]]  # mode, look, metrics that are summed


def _both(metric: str) -> Lines:
    return [(mode, look, (metric,)) for mode, look in MODES.items()]


_COLUMNS: tuple[tuple[str, Lines, bool], ...] = (
    ("output tokens/s", _both("output_throughput"), False),
    ("input tokens/s", _both("input_traffic"), False),
    ("operations", [*_both("preemptions"), (SWAP, TRANSFERS, ("swap_ins",))], True),
    (
        "blocks moved",
        [
            (RECOMPUTE, MODES[RECOMPUTE], ("blocks_recomputed",)),
            (SWAP, MODES[SWAP], ("blocks_swapped_in",)),
        ],
        True,
    ),
)


def workloads_of(points: Points, model: str) -> list[str]:
    """Workloads that the model replayed."""
    return list(dict.fromkeys(group.workload for group in groups_of(points) if group.model == model))


def sweep_bands(points: Points, model: str) -> list[Band]:
    """Four panels for each workload and search; a search without a point has no row."""
    bands = []
    for search, (rule, label) in SWEEPS.items():
        workloads = [
            workload
            for workload in workloads_of(points, model)
            if any(of_search(points, Group(workload, model, mode), search) for mode in MODES)
        ]
        for workload in workloads:
            last = workload == workloads[-1]
            panels = [
                ("", partial(_sweep, points=points, workload=workload, model=model, search=search, lines=lines,
                             label=name, from_none=from_none, below=label if last else ""))
                for name, lines, from_none in _COLUMNS
            ]  # fmt: skip
            heading = f"{rule} — {workload}" if workload == workloads[0] else workload
            bands.append(Band(heading, panels, _HEIGHT, 0.3 if last else 0.16, gap=0.08 if last else 0.02))
    return bands


def _sweep(
    axes: Axes, points: Points, workload: str, model: str, search: str, lines: Lines, label: str, from_none: bool,
    below: str,
) -> None:  # fmt: skip
    for mode, look, metrics in lines:
        group = Group(workload, model, mode)
        if found := curve(points, group, search, *metrics):
            shift = {} if from_none else changes(points, group, search, *metrics)
            _line(axes, found, look, shift)
            base = curve(points, group, NONE, *metrics)
            if base:
                axes.axhline(base[0].over.mean, **{**WITHOUT, "color": look["color"]})
    if not axes.lines:
        empty(axes, "no point")
        return
    axes.set(xlabel=below, ylabel=label)
    if from_none:
        from_zero(axes, "y")
    else:
        few_ticks(axes.yaxis, 3)


def _line(axes: Axes, found: Sequence[At], look: Look, changes: Mapping[float, Summary]) -> None:
    """Means, and the band of their 95 % intervals, or of the intervals of their ``changes`` against none."""
    at = [each.parameter for each in found]
    means = [each.over.mean for each in found]
    half = [changes.get(each.parameter, each.over).half_width or 0.0 for each in found]
    more: Look = {"marker": "o", "ms": 2.0} if len(found) == 1 else {}
    axes.plot(at, means, lw=LINE, **look, **more)
    low, high = ([mean + sign * each for mean, each in zip(means, half, strict=True)] for sign in (-1, 1))
    axes.fill_between(at, [max(0.0, each) for each in low], high, color=look["color"], alpha=0.18, lw=0)
