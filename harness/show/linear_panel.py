"""One side's bars in order of x: mean, 95 % interval and value of each case, its x and name below, the line inset."""

import math
from dataclasses import dataclass
from functools import cached_property

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from harness.analyse.dataset import Whose
from harness.analyse.points import Point, Series
from harness.show import linear_inset as inset
from harness.show.linear_text import AXES, axis_label, seconds, size
from harness.show.panel import RIGHT_IN, Panel
from harness.show.style import BLACK, BLUE, FONT_PT, ORANGE, drawable, text_width_in

# whose → bars, pattern, points in the inset: told apart without colour too
LOOKS: dict[Whose, tuple[str, str, str]] = {
    "mine": (BLUE, "", BLUE),
    "merged": (ORANGE, ".....", ORANGE),
    "paper": ("#D8D8D8", "/////", "#606060"),
}

# Inches.
_LEFT = 0.46  # the scale and its label
_LABEL = 0.1  # the label's middle: it does not move with the length of the scale's numbers
_WIDTH = RIGHT_IN - _LEFT
BARS_HEIGHT = 1.85
_LINE = 0.1  # of text of _PT
_GAP = 0.04
_PT = FONT_PT - 0.5
_SLANT = 45  # degrees
_NAME_ENDS = 15  # characters that are drawn of each end of a long name; the table has all


@dataclass(frozen=True)
class _Bars:
    """Where everything of a series goes, in inches of the page."""

    series: Series

    @cached_property
    def pitch(self) -> float:
        """From one bar to the next."""
        return _WIDTH / max(len(self.series.points), 6)

    @cached_property
    def names(self) -> list[str]:
        """Below the bars; empty where the x says it all."""
        return ["" if point.label == size(point.x) else _name(point) for point in self.series.points]

    @cached_property
    def values_turned(self) -> bool:
        """Whether values and sizes are written upwards: side by side they would touch."""
        return _widest([text for point in self.series.points for text in (_value(point), size(point.x))]) > (
            0.94 * self.pitch
        )

    @cached_property
    def value_height(self) -> float:
        """What a value needs above its bar."""
        return _GAP + (_widest([_value(point) for point in self.series.points]) if self.values_turned else _LINE)

    @cached_property
    def sizes_height(self) -> float:
        """The row of sizes below the bars."""
        turned = _widest([size(point.x) for point in self.series.points])
        return 2 * _GAP + (turned if self.values_turned else _LINE)

    @cached_property
    def angle(self) -> float:
        """Of the names: slanted, or upright where slanted ones would touch or leave the page on the left."""
        slant = math.cos(math.radians(_SLANT))
        leaves = any(
            slant * _widest([name]) > _LEFT + (place + 0.5) * self.pitch for place, name in enumerate(self.names)
        )
        return 90 if leaves or self.pitch < 1.2 * _LINE / math.sin(math.radians(_SLANT)) else _SLANT

    @cached_property
    def names_height(self) -> float:
        """The names below the sizes."""
        longest = _widest(self.names)
        return longest * math.sin(math.radians(self.angle)) + _LINE if longest else 0.0


def below_height(series: Series) -> float:
    """Inches that a panel needs below its bars, axis label included."""
    bars = _Bars(series)
    return bars.sizes_height + bars.names_height + _LINE + _GAP


def draw_bars(panel: Panel, series: Series, top: float) -> None:
    """The bars with their scale and inset; ``top`` in inches of the panel."""
    bars = _Bars(series)
    colour, hatch, ink = LOOKS[series.side.whose]
    axes = panel.axes(_LEFT, top, _WIDTH, BARS_HEIGHT)
    inset_left, y_limits = _place(bars)
    axes.set(xlim=(-0.5, _WIDTH / bars.pitch - 0.5), ylim=y_limits, xticks=[])
    axes.yaxis.set(major_locator=MaxNLocator(nbins=6, steps=[1, 2, 5, 10]), major_formatter="{x:g}")
    axes.tick_params(pad=1.5)
    what, middle = f"{series.quantity}, seconds", top + BARS_HEIGHT / 2
    panel.text(_LABEL, middle, what, FONT_PT, rotation=90, ha="center", va="center")
    if y_limits[0] < 0:
        axes.axhline(0, color=BLACK, lw=0.5)
    for place, point in enumerate(series.points):
        outline = {"edgecolor": ink, "linestyle": (0, (3, 2)), "facecolor": "white"}
        filled = {"edgecolor": BLACK, "facecolor": colour, "hatch": hatch}
        axes.bar(place, point.seconds.mean, 0.72, **(outline if point.outside_fit else filled))
        if point.seconds.half_width is not None:
            spread = point.seconds.half_width
            axes.errorbar(place, point.seconds.mean, yerr=spread, color=BLACK, capsize=1.5, lw=0.7, capthick=0.7)
        _write(axes, bars, place, point)
    _draw_names(panel, bars, top + BARS_HEIGHT)
    label_y = top + BARS_HEIGHT + bars.sizes_height + bars.names_height + _LINE / 2
    panel.text(_LEFT + _WIDTH / 2, label_y, axis_label(series.axis), FONT_PT, ha="center")
    if series.line and inset_left is not None:
        box = panel.axes(_LEFT + inset_left + inset.LEFT, top + inset.TOP, inset.WIDTH, inset.HEIGHT)
        inset.draw_inset(box, series, series.line, ink)


def _write(axes: Axes, bars: _Bars, place: int, point: Point) -> None:
    """The value above the bar and its whisker."""
    where = (place, _top(point))
    options = {"textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": _PT}
    axes.annotate(_value(point), where, (0, 72 * _GAP / 2), rotation=90 * bars.values_turned, **options)  # type: ignore[arg-type]


def _draw_names(panel: Panel, bars: _Bars, top: float) -> None:
    """Sizes in one row with their unit, names below them."""
    unit = AXES[bars.series.axis][1]
    panel.text(_LEFT - _GAP, top + _GAP, unit, _PT, ha="right", va="top")
    names_top = top + bars.sizes_height
    for place, (point, name) in enumerate(zip(bars.series.points, bars.names, strict=True)):
        x = _LEFT + (place + 0.5) * bars.pitch
        panel.text(x, top + _GAP, size(point.x), _PT, ha="center", va="top", rotation=90 * bars.values_turned)
        slanted = bars.angle != 90
        options = (
            {"ha": "right", "va": "center", "rotation_mode": "anchor"} if slanted else {"ha": "center", "va": "top"}
        )
        panel.text(x, names_top + _LINE / 4 * slanted, name, _PT, rotation=bars.angle, **options)


def _place(bars: _Bars) -> tuple[float | None, tuple[float, float]]:
    """The inset's left edge in inches of the axes (None: no line), and the scale: no bar or value may meet the inset.

    The inset goes to the left or right end, whichever leaves the bars taller.
    """
    points = bars.series.points
    bottom = min(min(point.seconds.mean, 0.0) for point in points)
    clear = bars.value_height

    def top_for(reach: float, tops: list[float]) -> float:
        """Of the scale, so that bars with these tops and their values end ``reach`` inches above the axis."""
        return bottom + max(((top - bottom) * BARS_HEIGHT / (reach - clear) for top in tops), default=0.0)

    tops = [_top(point) for point in points]
    free = max(top_for(BARS_HEIGHT, tops), bottom + 0.01)  # nothing but zeros
    if not bars.series.line:
        return None, (bottom, free)
    wide = inset.LEFT + inset.WIDTH + inset.RIGHT
    below = BARS_HEIGHT - inset.TOP - inset.HEIGHT - inset.BOTTOM
    under = math.ceil(wide / bars.pitch)
    left = (0.0, max(free, top_for(below, tops[:under])))
    first = max(0, math.floor((_WIDTH - wide) / bars.pitch))
    right = (_WIDTH - wide, max(free, top_for(below, tops[first:])))
    at, top = min(left, right, key=lambda choice: choice[1])
    return at, (bottom, top)


def _top(point: Point) -> float:
    return max(point.seconds.mean + (point.seconds.half_width or 0), 0.0)


def _value(point: Point) -> str:
    return seconds(point.seconds.mean)


def _name(point: Point) -> str:
    name = drawable(point.label)
    if len(name) > 2 * _NAME_ENDS:  # what tells similar names apart is mostly at their end
        name = f"{name[:_NAME_ENDS]}…{name[-_NAME_ENDS:]}"
    return name + ("*" if point.outlier else "")


def _widest(texts: list[str]) -> float:
    return max((text_width_in(text, _PT) for text in texts if text), default=0.0)
