"""What the pages of the head-room figure share: colours, markers and scales."""

from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from harness.record.headroom_tables import (
    NAIVE,
    NONE,
    ORACLE,
    PREDICTED,
    PROBABILISTIC,
    RECOMPUTE,
    SWAP,
    TARGET,
    WATERMARK,
)
from harness.show.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, SMALLEST_PT, VERMILLION

Look = dict[str, Any]
Place = Literal["upper left", "upper right", "lower right", "best"]

MODES: dict[str, Look] = {
    RECOMPUTE: {"color": BLUE, "linestyle": "-"},
    SWAP: {"color": VERMILLION, "linestyle": "--"},
}
TRANSFERS: Look = {"color": PURPLE, "linestyle": ":"}
WITHOUT: Look = {"color": BLACK, "linestyle": (0, (1, 2)), "lw": 0.6}  # vLLM as it is, for reference
POLICIES: dict[str, Look] = {
    NAIVE: {"color": BLUE, "marker": "o"},
    TARGET: {"color": ORANGE, "marker": "s"},
    WATERMARK: {"color": SKY, "marker": "^"},
    PROBABILISTIC: {"color": VERMILLION, "marker": "D"},
    PREDICTED: {"color": PURPLE, "marker": "v"},
    ORACLE: {"color": GREEN, "marker": "P"},
    NONE: {"color": BLACK, "marker": "*"},
}
WORKLOAD_MARKERS = ("o", "s", "^", "D", "v", "P")
LINE, MARK = 0.9, 2.8


def mode_key() -> list[Line2D]:
    """Modes as lines, swap transfers, and vLLM as it is."""
    found = [Line2D([], [], lw=LINE, label=mode, **look) for mode, look in MODES.items()]
    found.append(Line2D([], [], lw=LINE, label="swap: loads", **TRANSFERS))
    return [*found, Line2D([], [], label="none (vLLM as it is)", **WITHOUT)]


def policy_key() -> list[Line2D]:
    """Policies by colour and marker, and the front."""
    found = [Line2D([], [], ls="", ms=MARK + 0.8, label=name, **look) for name, look in POLICIES.items()]
    return [*found, Line2D([], [], color=BLACK, lw=0.7, label="Pareto front")]


def from_zero(axes: Axes, which: Literal["x", "y"]) -> None:
    """A scale that is logarithmic from one on and has a zero: preemptions fall by orders of magnitude, to none."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    _, highest = axes.get_xlim() if which == "x" else axes.get_ylim()
    highest = max(highest, 1.0)
    ticks = [0.0, *(10.0**power for power in range(16) if 10.0**power <= 2 * highest)]
    ticks = ticks if len(ticks) <= 4 else [0.0, *ticks[1 :: -(-(len(ticks) - 1) // 3)]]
    if which == "x":
        axes.set_xscale("symlog", linthresh=1, linscale=0.4)
        axes.set_xlim(-0.15, highest * 1.25)
    else:
        axes.set_yscale("symlog", linthresh=1, linscale=0.4)
        axes.set_ylim(-0.15, highest * 1.25)
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(_plain))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def few_ticks(axis: Axis, most: int = 4) -> None:
    """At most so many intervals, as plain numbers without an offset."""
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}" if abs(value) < 1e5 else f"{value:,.0f}"))


def empty(axes: Axes, why: str) -> None:
    """A panel without data says so."""
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", fontsize=SMALLEST_PT)


def logarithmic(axes: Axes, low: float, high: float) -> None:
    """Both axes alike, with plain numbers: an identity line is a diagonal."""
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    digits = (1.0,) if high / low > 300 else (1.0, 2.0, 5.0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=digits) if high / low > 10 else MaxNLocator(4))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
        axis.set_minor_locator(NullLocator())


def percent(axis: Axis) -> None:
    """Changes in per cent, logarithmic beyond ± 1 %: a small loss and a large gain are both seen."""
    axis.axes.set_xscale("symlog", linthresh=1, linscale=0.7)
    axis.axes.margins(x=0.08)
    low, high = axis.get_view_interval()
    ticks = [sign * size for sign in (-1, 1) for size in (1, 10, 100, 1000) if low <= sign * size <= high]
    if len(ticks) > 5:  # they would run into each other
        ticks = [tick for tick in ticks if abs(tick) in (1, 100)]
    axis.set_major_locator(FixedLocator([0, *ticks]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+,.0f}" if value else "0"))
    axis.set_minor_locator(NullLocator())


def key(axes: Axes, place: Place, **options: Any) -> None:
    """The panel's own key, small and without a frame."""
    looks = {"frameon": False, "handlelength": 1.6, "labelspacing": 0.15, "borderaxespad": 0.1, **options}
    axes.legend(loc=place, fontsize=SMALLEST_PT, **looks)


def _plain(value: float, _: int | None = None) -> str:
    return f"{value:,.0f}"
