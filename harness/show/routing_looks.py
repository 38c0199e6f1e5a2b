"""What the pages of the routing figure share: a look for each strategy, rows of strategies, scales."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from harness.analyse.routing_series import Labelled
from harness.analyse.stats import Summary
from harness.record.routing_tables import COLD, EXACT, POWER_OF_TWO, PREFIX, RANDOM, ROUND_ROBIN, SESSION, WARM
from harness.show.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, SMALLEST_PT, VERMILLION, tint

Look = dict[str, Any]

LOOKS: dict[str, Look] = {
    POWER_OF_TWO: {"color": BLACK, "marker": "o", "linestyle": "-"},
    PREFIX: {"color": BLUE, "marker": "s", "linestyle": "-"},
    EXACT: {"color": GREEN, "marker": "D", "linestyle": (0, (4, 1))},
    SESSION: {"color": ORANGE, "marker": "^", "linestyle": (0, (4, 1, 1, 1))},
    ROUND_ROBIN: {"color": PURPLE, "marker": "v", "linestyle": (0, (2, 1))},
    RANDOM: {"color": VERMILLION, "marker": "X", "linestyle": (0, (1, 1))},
}
_OTHER: Look = {"color": SKY, "marker": "P", "linestyle": "-"}  # a strategy of somebody's
LINE, MARK = 0.9, 3.2
LEAST_PERCENT = 10.0  # hit rates are shown on at least such a scale
_PALE = 0.72  # white in the marks of the warm phase

Number = Callable[[Summary], str]


def look(strategy: str) -> Look:
    """Colour, marker and line."""
    return LOOKS.get(strategy, _OTHER)


def line(strategy: str) -> Look:
    """A line's look, without marks."""
    return {"color": look(strategy)["color"], "linestyle": look(strategy)["linestyle"]}


def mark(strategy: str, phase: str = COLD) -> Look:
    """A mark's look, without a line: filled with the strategy's colour, pale in the warm phase."""
    colour = look(strategy)["color"]
    face = tint(colour, _PALE) if phase == WARM else colour
    return {"color": colour, "marker": look(strategy)["marker"], "ls": "", "ms": MARK, "mfc": face, "mew": 0.6}


def strategy_key(strategies: Sequence[str]) -> list[Line2D]:
    """A line with a mark each."""
    return [Line2D([], [], lw=LINE, ms=MARK, label=name, **look(name)) for name in strategies]


def phase_marks(phases: Sequence[str]) -> list[Line2D]:
    """Filled and pale, in the colour of no strategy that routes by prefixes."""
    return [Line2D([], [], label=phase, **mark(POWER_OF_TWO, phase)) for phase in phases]


def interval(axes: Axes, over: Summary, at: float, looks: Look, scale: float = 1.0) -> None:
    """A mean with its 95 % interval along x, at the height ``at``; values are multiplied by ``scale``."""
    half = scale * over.half_width if over.half_width is not None else None
    axes.errorbar([scale * over.mean], [at], xerr=half, elinewidth=0.8, capsize=1.2, capthick=0.6, **looks)


def rows(axes: Axes, names: Sequence[str]) -> None:
    """One row a name, from the top, parted by thin lines."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.yaxis.set_major_locator(FixedLocator(range(len(names))))
    axes.set_yticklabels(list(names))
    axes.tick_params(axis="y", length=0)
    for row in range(1, len(names)):
        axes.axhline(row - 0.5, color=GREY, lw=0.3, zorder=0)


def means(axes: Axes, data: Labelled, metric: str, scale: float, label: str, number: Number) -> None:
    """A metric's mean by strategy and phase: marks with intervals, and the numbers at the right."""
    height = 1 / len(data.phases)
    for row, strategy in enumerate(data.strategies):
        for at, phase in enumerate(data.phases):
            over = data.over(phase, strategy, metric)
            y = row - 0.5 + (at + 0.5) * height
            if over is not None:
                interval(axes, over, y, mark(strategy, phase), scale)
            text = number(over) if over is not None else "no run"
            axes.text(1.0, y, text, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=SMALLEST_PT)
    rows(axes, data.strategies)
    axes.set_xlim(left=0, right=max(axes.get_xlim()[1], 1e-9) * 1.75)  # room for the numbers
    axes.set_xlabel(label)
    few_ticks(axes.xaxis)
    if len(data.phases) > 1:
        key_beside_title(axes, phase_marks(data.phases))


def key_beside_title(axes: Axes, handles: Sequence[Artist]) -> None:
    """A panel's key in one row above it, at the right of its title."""
    axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(handles), fontsize=SMALLEST_PT,
                frameon=False, borderaxespad=0, handlelength=1.2, handletextpad=0.3, columnspacing=0.9)  # fmt: skip


def few_ticks(axis: Axis, most: int = 5) -> None:
    """At most so many intervals, as plain numbers without an offset."""
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(_plain))


def _plain(value: float, _: int | None = None) -> str:
    return (f"{value:,.6g}" if abs(value) < 1e5 else f"{value:,.0f}").replace("-", "−")


def from_zero(axes: Axes, which: Literal["x", "y"], least: float) -> None:
    """A scale from zero to what is drawn, or to ``least``; marks at zero are seen whole."""
    limits = axes.get_xlim() if which == "x" else axes.get_ylim()
    top = max(limits[1], least)
    axes.set(**{f"{which}lim": (-0.02 * top, top)})
    few_ticks(axes.xaxis if which == "x" else axes.yaxis, 8 if which == "x" else 5)


def logarithmic(axes: Axes, low: float, high: float) -> None:
    """x from ``low`` to ``high``, with plain numbers."""
    axes.set(xscale="log", xlim=(low, high))
    digits = (1.0,) if high / low > 300 else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(LogLocator(subs=digits) if high / low > 5 else MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.xaxis.set_minor_locator(NullLocator())


def empty(axes: Axes, why: str) -> None:
    """A panel without data says so."""
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", fontsize=SMALLEST_PT)
