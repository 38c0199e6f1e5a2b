"""Stacked horizontal bars of one column's width: above each its name on the left and its numbers on the right."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from harness.show.panel import MARGIN_IN, RIGHT_IN, draw_block
from harness.show.startup_colours import Look
from harness.show.style import BLACK, COLUMN_IN, FONT_PT, SMALLEST_PT, drawable, fitted, text_width_in

# Inches.
_LABEL, _BAR, _GAP = 0.135, 0.13, 0.055
_WIDTH = RIGHT_IN - MARGIN_IN
_OUTLINED = 0.012  # the least width of a part with an outline: that of a thinner one would be all there is to see


@dataclass(frozen=True)
class Stack:
    """One bar. Parts below 0 are stacked to the left of 0; without parts there is only the label."""

    name: str
    numbers: str
    parts: tuple[tuple[float, Look], ...] = ()
    half_width: float | None = None

    @property
    def sum(self) -> float:
        """Where the whisker stands."""
        return sum(value for value, _ in self.parts)

    @property
    def reach(self) -> tuple[float, float]:
        """The least and largest value that anything of the bar is drawn at."""
        half = self.half_width or 0.0
        below, above = (sum(value for value, _ in self.parts if value * sign > 0) for sign in (-1, 1))
        return min(below, self.sum - half, 0.0), max(above, self.sum + half)


def stacks_height(stacks: Sequence[Stack]) -> float:
    """Inches that the bars need."""
    return len(stacks) * (_LABEL + _BAR + _GAP)


def draw_stacks(axes: Axes, stacks: Sequence[Stack], unit: str) -> None:
    """Draw from top to bottom on one scale."""
    left = min((stack.reach[0] for stack in stacks), default=0.0)
    right = max((stack.reach[1] for stack in stacks), default=0.0)
    if left == right:
        left, right = 0.0, 1.0
    pad = (right - left) * 0.01
    limits = (left - pad if left < 0 else 0.0, right + pad)
    axes.set(xlim=limits, ylim=(stacks_height(stacks), 0), xticks=_ticks(*limits), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(drawable(unit), labelpad=1)
    axes.xaxis.set_major_formatter("{x:g}")
    signed = any(value < 0 for stack in stacks for value, _ in stack.parts)
    for number, stack in enumerate(stacks):
        top = number * (_LABEL + _BAR + _GAP)
        _draw_label(axes, stack, top + _LABEL / 2)
        if stack.parts:
            _draw_parts(axes, stack, top + _LABEL)
            _draw_sum(axes, stack, top + _LABEL + _BAR / 2, signed)


def _ticks(left: float, right: float) -> list[float]:
    """Round numbers whose labels stay on the page."""
    per_in = (right - left) / _WIDTH
    found = []
    for tick in map(float, MaxNLocator(nbins=7, steps=[1, 2, 5, 10]).tick_values(left, right)):
        half = text_width_in(f"{tick:g}", SMALLEST_PT) / 2 + 0.01
        outside = half - min(MARGIN_IN, COLUMN_IN - RIGHT_IN)  # the page goes on a little beyond the axes
        if left + max(outside, 0) * per_in <= tick <= right - max(outside, 0) * per_in:
            found.append(tick)
    return found


def _draw_label(axes: Axes, stack: Stack, y: float) -> None:
    (begin, end), numbers = axes.get_xlim(), drawable(stack.numbers, 80)
    room = _WIDTH - text_width_in(numbers, FONT_PT) - 0.1
    name, points = fitted(stack.name, FONT_PT, room, "bold")
    axes.text(begin, y, name, va="center_baseline", fontsize=points, weight="bold")
    axes.text(end, y, numbers, va="center_baseline", ha="right", fontsize=FONT_PT)


def _draw_parts(axes: Axes, stack: Stack, top: float) -> None:
    begin, end = axes.get_xlim()
    ends = {1: 0.0, -1: 0.0}
    for value, look in stack.parts:
        sign = 1 if value >= 0 else -1
        corner = (ends[sign], top)
        if abs(value) / (end - begin) * _WIDTH > _OUTLINED:
            draw_block(axes, corner, value, _BAR, look)
        else:
            axes.add_patch(Rectangle(corner, value, _BAR, facecolor=look.colour, lw=0))
        ends[sign] += value
    axes.plot([0, 0], [top, top + _BAR], color=BLACK, lw=1)


def _draw_sum(axes: Axes, stack: Stack, y: float, signed: bool) -> None:
    """The whisker, and a diamond where no end of a bar needs to be its sum."""
    if signed:
        axes.plot(stack.sum, y, "D", ms=3, mfc="white", mec=BLACK, mew=0.6)
    if stack.half_width is not None:
        axes.errorbar(stack.sum, y, xerr=stack.half_width, color=BLACK, capsize=2, lw=0.8, capthick=0.8)
