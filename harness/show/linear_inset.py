"""The small plot inside a panel: the points at their true distances, the least-squares line, Pearson's r."""

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from harness.analyse.points import Series
from harness.analyse.regression import Fit
from harness.show.linear_text import AXES
from harness.show.style import BLACK, FONT_PT

# Inches: the plot itself, and what its ticks, units and numbers need around it.
WIDTH, HEIGHT = 0.92, 0.56
LEFT, BOTTOM, TOP, RIGHT = 0.3, 0.27, 0.14, 0.06

_PT = FONT_PT - 0.5


def draw_inset(axes: Axes, series: Series, line: Fit, colour: str) -> None:
    """Fill ``axes``, which is WIDTH × HEIGHT."""
    for point in series.points:
        face = "white" if point.outside_fit else colour
        shape, points = ("*", 5.0) if point.outlier else ("o", 2.6)
        axes.plot(point.x, point.seconds.mean, shape, ms=points, mfc=face, mec=colour, mew=0.6, clip_on=False, zorder=3)
    xs = [point.x for point in series.points]
    ends = [min(xs), max(xs)]
    axes.plot(ends, [line.predict(x) for x in ends], color=BLACK, lw=0.8, zorder=2)
    drawn = [point.seconds.mean for point in series.points] + [line.predict(x) for x in ends]
    axes.set(xlim=_limits(xs), ylim=_limits(drawn))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set(major_locator=MaxNLocator(nbins=3, min_n_ticks=2, steps=[1, 2, 5, 10]), major_formatter="{x:g}")
        axis.set_tick_params(labelsize=_PT, pad=1.5, length=1.5)
    axes.set_xlabel(AXES[series.axis][1], fontsize=_PT, labelpad=0.5)
    axes.set_title(f"r = {line.r:.4f}", fontsize=_PT, pad=2.5)
    axes.annotate("s", (0, 1), (-3, 3), "axes fraction", "offset points", ha="right", va="bottom", fontsize=_PT)


def _limits(values: list[float]) -> tuple[float, float]:
    """Of a scale with these values, and so wide that its numbers need no more than three digits."""
    low, high = min(values), max(values)
    room = max(0.06 * (high - low), 0.05 * max(abs(low), abs(high)) - (high - low) / 2)
    return low - room, high + room
