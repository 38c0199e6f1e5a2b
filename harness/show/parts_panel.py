"""Below the bars of a phase, what it consists of: seconds by captured size, or the parts of each case as its whole.

Only where starts state parts: the paper's and older ones do not, and have no such panel.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from harness.analyse.part_means import MeanPart, copy_rate, cumulated, sizes
from harness.analyse.parts import OTHER
from harness.analyse.points import Point, Series
from harness.show.caption import CAPTION_PT, CAPTION_ROW_IN, caption_lines
from harness.show.linear_text import AXES, size
from harness.show.panel import MARGIN_IN, RIGHT_IN, Panel, draw_block
from harness.show.startup_colours import Look
from harness.show.style import (
    BLUE,
    FONT_PT,
    GREEN,
    GREY,
    HATCHES,
    ORANGE,
    PURPLE,
    SKY,
    SMALLEST_PT,
    VERMILLION,
    YELLOW,
    fitted,
    text_width_in,
    tint,
)

MOST_LINES = 3  # of sizes: the case with the smallest x, one in the middle, the one with the largest
MOST_ROWS = 12  # of shares
MOST_PARTS = 8  # told apart; the shortest of more are drawn with what is in no part

# Inches.
_LEFT = 0.46
_WIDTH = RIGHT_IN - _LEFT
_SIZES_HEIGHT, _BETWEEN, _AXIS = 0.75, 0.12, 0.3  # one of its two plots, the room between, ticks and label below
_HEAD, _ROW, _BAR = 0.16, 0.14, 0.095
_NAMES_END, _RATE = 1.15, 0.55  # names left of the bars, rates right of them
_LEGEND_ROW = 0.13

_LINES = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", ":"))
_HUES = (BLUE, SKY, ORANGE, GREEN, YELLOW, PURPLE, VERMILLION)


def has_sizes(series: Series) -> bool:
    """Whether any of the parts are captured sizes."""
    return bool(_with_sizes(series))


def _with_sizes(series: Series) -> list[Point]:
    return [point for point in series.points if len(sizes(series.quantity, point.parts)) > 1]


def parts_height(series: Series) -> float:
    """Inches that ``draw_parts`` takes; 0 where there is nothing to draw."""
    points = [point for point in series.points if point.parts]
    if not points:
        return 0.0
    said = len(caption_lines(in_words(series))) * CAPTION_ROW_IN + 0.06
    if has_sizes(series):
        return _HEAD + 2 * _SIZES_HEIGHT + _BETWEEN + _AXIS + said
    rows = min(len(points), MOST_ROWS) * _ROW
    return _HEAD + rows + _AXIS + len(_legend_rows(_names(points))) * _LEGEND_ROW + said


def draw_parts(panel: Panel, series: Series, top: float) -> None:
    """The panel's part below the bars; ``top`` in inches of the panel."""
    points = [point for point in series.points if point.parts]
    if not points:
        return
    begin = top
    if has_sizes(series):
        panel.text(MARGIN_IN, top + _HEAD / 2, f"{series.quantity} by captured batch size", FONT_PT, weight="bold")
        _draw_sizes(panel, series, top + _HEAD)
    else:
        panel.text(MARGIN_IN, top + _HEAD / 2, f"what {series.quantity} consists of", FONT_PT, weight="bold")
        _draw_shares(panel, points, top + _HEAD)
    lines = caption_lines(in_words(series))
    top = begin + parts_height(series) - 0.03 - len(lines) * CAPTION_ROW_IN
    for number, text in enumerate(lines):
        panel.text(MARGIN_IN, top + (number + 0.5) * CAPTION_ROW_IN, text, CAPTION_PT)


def in_words(series: Series) -> list[str]:
    """Sentences that say what the panel shows."""
    points = [point for point in series.points if point.parts]
    if has_sizes(series):
        left = len(_with_sizes(series)) - len(shown_sizes(series))
        also = f" ({left} more in the printed table)" if left else ""
        return [
            f"Above: seconds for each size; below: for all sizes up to it; means over measured starts, by spans{also}.",
            "What capturing does besides is in no size.",
        ]
    rates = [rate for point in points if (rate := copy_rate(point.parts))]
    told = " Right: bytes copied from host memory in a second of copying." if rates else ""
    left = len(points) - MOST_ROWS
    also = f" {left} more cases in the printed table." if left > 0 else ""
    return [f"Each bar is the whole phase, mean over measured starts, by spans.{told}{also}"]


def shown_sizes(series: Series) -> list[Point]:
    """Of the points with sizes: the first, one in the middle and the last."""
    found = _with_sizes(series)
    if len(found) <= MOST_LINES:
        return found
    return [found[0], found[len(found) // 2], found[-1]]


def _draw_sizes(panel: Panel, series: Series, top: float) -> None:
    each = panel.axes(_LEFT, top, _WIDTH, _SIZES_HEIGHT)
    whole = panel.axes(_LEFT, top + _SIZES_HEIGHT + _BETWEEN, _WIDTH, _SIZES_HEIGHT)
    most, most_s = 1, 0.0
    for point, (colour, marker, dashes) in zip(shown_sizes(series), _LINES, strict=False):
        by_size = sizes(series.quantity, point.parts)
        most, most_s = max(most, by_size[-1][0]), max(most_s, *(seconds for _, seconds in by_size))
        unit = f" {AXES[series.axis][1]}" if point.label == size(point.x) else ""
        name, _ = fitted(point.label + unit, SMALLEST_PT, _WIDTH / 2)
        looks = {"color": colour, "ls": dashes, "lw": 0.8, "ms": 1.8, "mew": 0.4}
        each.plot(*zip(*by_size, strict=True), marker=marker, label=name, **looks)  # type: ignore[arg-type]
        whole.plot(*zip(*cumulated(by_size), strict=True), marker=marker, label=name, **looks)  # type: ignore[arg-type]
    each.set(ylim=(0, most_s * 1.08 or 1), xticklabels=[])
    whole.set(ylim=(0, None), xlabel="captured batch size")
    whole.xaxis.labelpad = 1
    for axes, label in ((each, "s each"), (whole, "s up to it")):
        axes.set_xlim(0, most * 1.03)
        axes.yaxis.set(major_locator=MaxNLocator(nbins=3, steps=[1, 2, 5, 10]), major_formatter="{x:g}")
        axes.tick_params(pad=1.5)
        middle = top + _SIZES_HEIGHT / 2 + (axes is whole) * (_SIZES_HEIGHT + _BETWEEN)
        panel.text(0.1, middle, label, FONT_PT, rotation=90, ha="center", va="center")
    _legend(whole)


def _legend(axes: Axes) -> None:
    axes.legend(loc="upper left", fontsize=SMALLEST_PT, frameon=False, borderaxespad=0.2, handlelength=2.2)


def _draw_shares(panel: Panel, points: Sequence[Point], top: float) -> None:
    names = _names(points)
    looks = dict(zip(names, _looks(names), strict=True))
    rows = points[:MOST_ROWS]
    left, width = _NAMES_END + 0.05, RIGHT_IN - _RATE - _NAMES_END - 0.05
    axes = panel.axes(left, top, width, len(rows) * _ROW)
    axes.set(xlim=(0, 100), ylim=(len(rows) * _ROW, 0), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.tick_params(pad=1.5)
    axes.set_xlabel("% of the phase", labelpad=1)
    for number, point in enumerate(rows):
        y = number * _ROW + (_ROW - _BAR) / 2
        total_s = sum(part.seconds for part in point.parts) or 1.0
        at = 0.0
        for name in names:
            share = 100 * _seconds(point.parts, name, names) / total_s
            draw_block(axes, (at, y), share, _BAR, looks[name])
            at += share
        middle = top + (number + 0.5) * _ROW
        panel.name(MARGIN_IN, middle, point.label, _NAMES_END)
        panel.text(RIGHT_IN, middle, rate_words(point.parts), SMALLEST_PT, ha="right")
    y = top + len(rows) * _ROW + _AXIS
    for row in _legend_rows(names):
        x = MARGIN_IN
        for name in row:
            draw_block(panel.page, (x, y), 0.14, 0.08, looks[name])
            panel.text(x + 0.18, y + 0.04, name, SMALLEST_PT)
            x += _legend_width(name)
        y += _LEGEND_ROW


def rate_words(parts: Sequence[MeanPart]) -> str:
    """Of all copies of the host's memory together, "1.5 GB/s"; empty where none are told."""
    rate = copy_rate(parts)
    return f"{rate / 1e9:.3g} GB/s" if rate else ""


def _names(points: Sequence[Point]) -> list[str]:
    """Parts that are told apart, in their order; OTHER last."""
    took: dict[str, float] = {}
    for point in points:
        for part in point.parts:
            took[part.name] = took.get(part.name, 0.0) + part.seconds
    took.pop(OTHER, None)
    longest = sorted(took, key=lambda name: -took[name])[: MOST_PARTS - 1]
    return [*(name for name in took if name in longest), OTHER]


def _seconds(parts: Sequence[MeanPart], name: str, names: Sequence[str]) -> float:
    """Of the part; of OTHER also what is not told apart."""
    return sum(part.seconds for part in parts if part.name == name or (name == OTHER and part.name not in names))


def _looks(names: Sequence[str]) -> list[Look]:
    looks = [
        Look(tint(_HUES[number % len(_HUES)], 0.0), HATCHES[number % len(HATCHES)]) for number in range(len(names) - 1)
    ]
    return [*looks, Look(tint(GREY, 0.0), "")]


def _legend_width(name: str) -> float:
    return 0.18 + text_width_in(name, SMALLEST_PT) + 0.12


def _legend_rows(names: Sequence[str]) -> list[list[str]]:
    rows: list[list[str]] = [[]]
    used = MARGIN_IN
    for name in names:
        if rows[-1] and used + _legend_width(name) > RIGHT_IN:
            rows.append([])
            used = MARGIN_IN
        rows[-1].append(name)
        used += _legend_width(name)
    return rows
