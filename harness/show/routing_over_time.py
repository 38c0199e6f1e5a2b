"""The third page of the routing figure: the replicas' load and the hit rate over time, of one repeat."""

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes

from harness.analyse.routing_series import Labelled
from harness.analyse.routing_series_time import hit_rate_so_far, load_of_replicas, shown_repeat
from harness.record.routing_tables import COLD
from harness.show.routing_looks import LEAST_PERCENT, LINE, empty, few_ticks, from_zero, line
from harness.show.study_page import Band
from harness.show.style import BLUE, GREEN, ORANGE, PURPLE, SKY, SMALLEST_PT, VERMILLION

_A_ROW = 3  # panels
_REPLICAS = (
    (BLUE, "-"), (VERMILLION, (0, (3, 1))), (GREEN, (0, (1, 1))), (ORANGE, "-"), (PURPLE, (0, (3, 1))),
    (SKY, (0, (1, 1))),
)  # fmt: skip


def time_bands(data: Labelled, repeat: int) -> list[Band]:
    """Load by strategy in the cold phase of a repeat that has samples, then the hit rate by phase."""
    loads = [load_of_replicas(data, COLD, strategy, repeat) for strategy in data.strategies]
    steps = [each for load in loads for each in load.values()]
    most = (max(each.times_s[-1] for each in steps), max(max(each.values) for each in steps))
    panels = [
        (strategy, partial(load_over_time, data=data, strategy=strategy, repeat=repeat, most=most))
        for strategy in data.strategies
    ]
    bands = [
        Band(f"Requests at each replica, running and waiting ({COLD}, repeat {repeat})" if first == 0 else "",
             _filled(panels[first : first + _A_ROW], min(_A_ROW, len(panels))), 0.85, between=0.42)
        for first in range(0, len(panels), _A_ROW)
    ]  # fmt: skip
    hits = [
        (f"hit rate so far, {phase}, repeat {of}", partial(hits_over_time, data=data, phase=phase, repeat=of))
        for phase in data.phases
        if (of := shown_repeat(data, phase)) is not None
    ]
    return [*bands, Band("Hit rate of all replicas since the phase began", hits, 1.7)]


def load_over_time(axes: Axes, data: Labelled, strategy: str, repeat: int, most: tuple[float, float]) -> None:
    """A line for each replica, on scales that all strategies share (``most``: seconds, requests)."""
    load = load_of_replicas(data, COLD, strategy, repeat)
    if not load:
        empty(axes, f"no samples of repeat {repeat}")
        return
    for replica, steps in load.items():
        colour, dashes = _REPLICAS[replica % len(_REPLICAS)]
        axes.plot(steps.times_s, steps.values, drawstyle="steps-post", color=colour, ls=dashes, lw=0.6,
                  label=f"replica {replica}")  # fmt: skip
    axes.set(xlim=(0, most[0] or 1), ylim=(0, 1.3 * max(most[1], 1)), xlabel="time since begin (s)", ylabel="requests")
    few_ticks(axes.xaxis)
    few_ticks(axes.yaxis, 3)
    if len(load) <= len(_REPLICAS):
        axes.legend(loc="upper right", fontsize=SMALLEST_PT, frameon=False, ncols=2, handlelength=1.4, borderaxespad=0,
                    columnspacing=0.8, labelspacing=0.1)  # fmt: skip


def hits_over_time(axes: Axes, data: Labelled, phase: str, repeat: int) -> None:
    """A line for each strategy."""
    for strategy in data.strategies:
        steps = hit_rate_so_far(data, phase, strategy, repeat)
        if steps.times_s:
            percent = [100 * value for value in steps.values]
            axes.plot(steps.times_s, percent, drawstyle="steps-post", lw=LINE, **line(strategy))
    axes.set(xlabel="time since begin (s)", ylabel="hit rate (%)")
    axes.set_xlim(left=0)
    from_zero(axes, "y", LEAST_PERCENT)
    few_ticks(axes.xaxis)


def _filled(panels: Sequence[tuple[str, partial[None]]], count: int) -> list[tuple[str, partial[None]]]:
    """A short last row keeps the widths of the row above."""
    return [*panels, *[("", partial(Axes.set_axis_off))] * (count - len(panels))]
