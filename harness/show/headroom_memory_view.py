"""The memory view of traced points: blocks in use, blocks that change hands, and the lanes of the first requests."""

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import FuncFormatter

from harness.record.headroom_tables import ADMIT, FINISH, LANES, MEMORY, NONE, POINTS, PREEMPT, REAL, RESUME, STEPS
from harness.record.study_slot import StudySlot
from harness.record.tables import Cells, cells_of
from harness.show.headroom_looks import LINE, empty, few_ticks, key
from harness.show.study_page import Band
from harness.show.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION

MOST_TRACED = 4  # on a page
_INTERVALS = 60  # that are drawn: what is finer is not seen in print
_UP = (("allocated", BLUE, "-"), ("hit", GREEN, "--"))
_DOWN = (("freed", ORANGE, "-"), ("evicted", PURPLE, "--"))


def traced_cases(slot: StudySlot) -> list[str]:
    """Cases of memory.csv, in its order."""
    at = list(MEMORY.columns).index("case")
    return list(dict.fromkeys(str(row[at]) for row in slot.tables[MEMORY.name]))


def memory_bands(slot: StudySlot) -> list[Band]:
    """A row of three panels for each traced point, as many as a page holds."""
    bands = []
    clocks = _clocks(slot)
    for case in traced_cases(slot)[:MOST_TRACED]:
        bins = [row for row in cells_of(MEMORY, slot.tables[MEMORY.name], case=case) if row["end_s"] > row["begin_s"]]
        if not bins:
            continue
        lanes = cells_of(LANES, slot.tables[LANES.name], case=case)
        unit = clocks.get(case, "s")
        panels = [
            ("blocks in use", partial(_in_use, bins=bins, unit=unit)),
            ("blocks that change hands", partial(_moved, bins=bins, unit=unit)),
            ("first requests", partial(_lanes, lanes=lanes, unit=unit)),
        ]
        bands.append(Band(_heading(bins[0]), panels, 1.35))
    return bands


def _clocks(slot: StudySlot) -> dict[str, str]:
    """Case → what its times are: seconds, or engine steps."""
    at = list(POINTS.columns)
    case, arrivals = at.index("case"), at.index("arrivals")
    return {str(row[case]): "steps" if row[arrivals] == STEPS else "s" for row in slot.tables[POINTS.name]}


def _heading(row: Cells) -> str:
    tier = "real engine" if row["tier"] == REAL else "simulated"
    policy = "none (vLLM as it is)" if row["search"] == NONE else f"{row['search']} {row['parameter']:g}"
    return f"{row['workload']}, {tier}, {policy}"


def _in_use(axes: Axes, bins: Sequence[Cells], unit: str) -> None:
    groups = _grouped(bins)
    edges = [*(group[0]["begin_s"] for group in groups), groups[-1][-1]["end_s"]]
    means = [
        sum(row["mean_blocks_in_use"] * (row["end_s"] - row["begin_s"]) for row in group)
        / (group[-1]["end_s"] - group[0]["begin_s"])
        for group in groups
    ]
    axes.stairs([max(row["max_blocks_in_use"] for row in group) for group in groups], edges, color=SKY, lw=0.7,
                label="most")  # fmt: skip
    axes.stairs(means, edges, color=BLUE, lw=LINE, label="mean")
    at = [(row["begin_s"] + row["end_s"]) / 2 for row in bins if row["preempted"]]
    if at:
        axes.plot(at, [0] * len(at), ls="", marker="|", ms=4, mew=0.5, color=VERMILLION, label="preemption")
    axes.set(xlabel=f"time ({unit})", ylabel="KV blocks", xlim=(0, edges[-1]))
    axes.set_ylim(bottom=0, top=1.3 * axes.get_ylim()[1])
    few_ticks(axes.yaxis)
    key(axes, "upper right", ncols=3, columnspacing=0.8)


def _moved(axes: Axes, bins: Sequence[Cells], unit: str) -> None:
    groups = _grouped(bins)
    edges = [*(group[0]["begin_s"] for group in groups), groups[-1][-1]["end_s"]]
    highest = 0
    for sign, kinds in ((1, _UP), (-1, _DOWN)):
        for name, colour, line in kinds:
            counts = [sign * sum(row[name] for row in group) for group in groups]
            highest = max(highest, *map(abs, counts))
            axes.stairs(counts, edges, color=colour, lw=0.7, ls=line, label=name, baseline=None)
    axes.axhline(0, color=BLACK, lw=0.4)
    width = (edges[-1] - edges[0]) / len(groups)
    axes.set(xlabel=f"time ({unit})", ylabel=f"blocks in {width:.3g} {unit}", xlim=(0, edges[-1]))
    axes.set_ylim(-1.15 * max(highest, 1), 1.6 * max(highest, 1))
    few_ticks(axes.yaxis)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):,.0f}"))
    key(axes, "upper right", ncols=2, columnspacing=0.8)


def _lanes(axes: Axes, lanes: Sequence[Cells], unit: str) -> None:
    """One line a request: from admission to finish, and in another colour where it lost its blocks and waits."""
    running, waiting = [], []
    began: dict[int, float] = {}
    for row in lanes:
        request, now = row["request"], row["t_s"]
        if row["event"] in (PREEMPT, FINISH) and request in began:
            running.append([(began.pop(request), request), (now, request)])
        elif row["event"] == RESUME and request in began:
            waiting.append([(began.pop(request), request), (now, request)])
        if row["event"] != FINISH:
            began[request] = now
    if not running:
        empty(axes, "no request")
        return
    for found, colour, name in ((running, BLUE, "running"), (waiting, VERMILLION, "preempted")):
        axes.add_collection(LineCollection(found, colors=colour, linewidths=0.6, label=name))
    last = max(row["t_s"] for row in lanes)
    axes.set(xlabel=f"time ({unit})", ylabel="request (by arrival)", xlim=(0, last))
    axes.set_ylim(-1, 1.3 * max(row["request"] for row in lanes if row["event"] in (ADMIT, RESUME)) + 1)
    few_ticks(axes.yaxis)
    key(axes, "upper left", ncols=2, columnspacing=0.8)


def _grouped(bins: Sequence[Cells]) -> list[Sequence[Cells]]:
    together = -(-len(bins) // _INTERVALS)
    return [bins[at : at + together] for at in range(0, len(bins), together)]
