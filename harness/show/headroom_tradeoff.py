"""Preemptions against throughput: all settings normalised to vLLM as it is, Pareto fronts, and what the best ones cost.

Both axes are of paired repeats: a setting's throughput is divided by that of none on the same requests, then averaged.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from harness.analyse.headroom_choice import Normalised, best, normalised, pareto_front
from harness.analyse.headroom_findings import THROUGHPUT
from harness.analyse.headroom_series import Group, Points, Setting, groups_of
from harness.analyse.paired import paired
from harness.record.headroom_tables import NONE, RECOMPUTE
from harness.show.headroom_looks import (
    LINE,
    MARK,
    MODES,
    POLICIES,
    WORKLOAD_MARKERS,
    empty,
    few_ticks,
    from_zero,
    key,
    percent,
)
from harness.show.style import BLACK, GREY, SMALLEST_PT

COSTS = {
    THROUGHPUT: "throughput",
    "goodput": "goodput",
    "ttft_p50": "TTFT p50",
    "ttft_p99": "TTFT p99",
    "tpot_p50": "TPOT p50",
    "tpot_p99": "TPOT p99",
}
_LEAST = 0.93  # throughput ÷ none, of what is drawn
_X = "preemptions per 1,000 requests"
_Y = "output throughput ÷ none"
_FRONTS = ("-", "--", "-.", ":")


def _marks(points: Points, group: Group) -> list[Normalised]:
    """In the order of drawing: searches with many points first, so that the few are drawn over them."""
    order = list(POLICIES)
    found = normalised(points, group)
    return sorted(found, key=lambda mark: (order.index(mark.setting.search), mark.setting.parameter))


def combined(axes: Axes, points: Points, mode: str) -> None:
    """All workloads and models of a mode: colours are policies, markers are workloads."""
    groups = [group for group in groups_of(points) if group.mode == mode]
    names = [_name(group, groups) for group in groups]
    for at, group in enumerate(groups):
        found = _marks(points, group)
        _dots(axes, found, WORKLOAD_MARKERS[at % len(WORKLOAD_MARKERS)], filled=True)
        _front(axes, found, _FRONTS[at % len(_FRONTS)])
    _axes(axes)
    shapes = [
        Line2D([], [], color=BLACK, lw=0.7, ls=_FRONTS[at % len(_FRONTS)], marker=WORKLOAD_MARKERS[at % 6], ms=MARK,
               mfc=GREY, mec=BLACK, mew=0.4, label=name)
        for at, name in enumerate(names)
    ]  # fmt: skip
    key(axes, "best", handles=shapes)


def of_workload(axes: Axes, points: Points, workload: str, model: str) -> None:
    """One workload: recompute filled, swap hollow, each against none in its own mode."""
    for mode in MODES:
        found = _marks(points, Group(workload, model, mode))
        _dots(axes, found, None, filled=mode == RECOMPUTE)
        _front(axes, found, MODES[mode]["linestyle"])
    _axes(axes)


def costs(axes: Axes, points: Points, group: Group, searches: Sequence[str]) -> None:
    """Change against none of each search at its best point, metric by metric."""
    chosen = {search: found for search in searches if (found := best(points, group, search))}
    base = points.get(Setting(group, NONE, 0.0), {})
    for row, metric in enumerate(COSTS):
        for at, (search, found) in enumerate(chosen.items()):
            pair = paired(base.get(metric, {}), found.metrics.get(metric, {}))
            if pair is None or pair.ratio is None:
                continue
            y = row + 0.7 * ((at + 0.5) / len(chosen) - 0.5)
            bounds = pair.ratio_interval or (pair.ratio, pair.ratio)
            low, middle, high = (100 * (ratio - 1) for ratio in (bounds[0], pair.ratio, bounds[1]))
            axes.plot([low, high], [y, y], color=POLICIES[search]["color"], lw=LINE)
            axes.plot([middle], [y], ls="", ms=MARK, mec="white", mew=0.2, **POLICIES[search])
    if not axes.lines:
        empty(axes, "no point")
        return
    axes.axvline(0, color=BLACK, lw=0.5)
    for row in range(1, len(COSTS)):
        axes.axhline(row - 0.5, color=GREY, lw=0.4)
    axes.set(ylim=(len(COSTS) - 0.5, -0.5), xlabel="change against none (%)")
    percent(axes.xaxis)
    axes.yaxis.set_major_locator(FixedLocator(range(len(COSTS))))
    axes.set_yticklabels(list(COSTS.values()))
    axes.tick_params(axis="y", length=0)


def _name(group: Group, groups: Sequence[Group]) -> str:
    return group.workload if len({each.model for each in groups}) == 1 else f"{group.workload}, {group.model}"


def _dots(axes: Axes, found: Sequence[Normalised], shape: str | None, filled: bool) -> None:
    """In the colours of their policies; ``shape``: of all but none, instead of the policies' own."""
    for search, look in POLICIES.items():
        mine = [mark for mark in found if mark.setting.search == search]
        is_none = search == NONE
        axes.plot([mark.per_thousand for mark in mine], [mark.throughput for mark in mine], ls="",
                  marker=look["marker"] if is_none else shape or look["marker"], ms=MARK + 2.5 * is_none,
                  mec=look["color"], mew=0.5, mfc=look["color"] if filled else "none", alpha=0.85,
                  zorder=3 if is_none else 2)  # fmt: skip


def _front(axes: Axes, found: Sequence[Normalised], line: str) -> None:
    front = pareto_front(mark.at for mark in found)
    axes.plot([cost for cost, _ in front], [gain for _, gain in front], color=BLACK, lw=0.7, ls=line, zorder=1)


def _axes(axes: Axes) -> None:
    axes.axhline(1, color=GREY, lw=0.5, zorder=0)
    axes.set(xlabel=_X, ylabel=_Y)
    from_zero(axes, "x")
    if axes.get_ylim()[0] < _LEAST:  # head-room that costs more is told of, not drawn: it would flatten everything else
        dots = np.concatenate([line.get_ydata() for line in axes.lines if line.get_marker() != "None"])
        axes.set_ylim(_LEAST, max(1.0, dots.max()) + 0.005)
        told = f"{(dots < _LEAST).sum()} points below {_LEAST:g}"
        axes.text(0.98, 0.03, told, transform=axes.transAxes, ha="right", fontsize=SMALLEST_PT)
    few_ticks(axes.yaxis)
