"""Groups of horizontal bars with error bars; each bar's numbers stand at its end, each group's name at its left."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from harness.show.caption import CAPTION_PT
from harness.show.panel import MARGIN_IN, RIGHT_IN, draw_block
from harness.show.startup_colours import Look
from harness.show.style import BLACK, FONT_PT, GREY, drawable, fitted, text_width_in

_BAR, _GROUP_GAP = 0.13, 0.07  # inches
_NOTE_DOWN = 0.1  # from a name to what stands below it
_LONGEST_NAME, _LONGEST_NAME_IN = 40, 1.5  # characters, inches


@dataclass(frozen=True)
class Bar:
    """``text`` says the value with its unit and interval, or why there is none (``value`` None)."""

    value: float | None
    half_width: float | None
    text: str
    look: Look


@dataclass(frozen=True)
class BarGroup:
    """What is measured several times: a model, a step. ``note`` stands below the name, smaller."""

    name: str
    bars: tuple[Bar, ...]
    note: str = ""

    @property
    def height(self) -> float:
        """Inches, without the gap to the next group."""
        return max(len(self.bars), 2 if self.note else 1) * _BAR


def bars_height(groups: Sequence[BarGroup]) -> float:
    """Inches that the groups need."""
    return sum(group.height + _GROUP_GAP for group in groups) + 0.06


def bars_left(groups: Sequence[BarGroup]) -> float:
    """Inches from the page's edge that the groups' names need."""
    names = [text_width_in(drawable(group.name, _LONGEST_NAME), FONT_PT) for group in groups]
    notes = [text_width_in(group.note, CAPTION_PT) for group in groups]
    longest = max((*names, *notes), default=0.0)
    return MARGIN_IN + min(longest, _LONGEST_NAME_IN) + 0.06


def draw_bars(axes: Axes, groups: Sequence[BarGroup], unit: str, mark: float | None = None) -> None:
    """Draw from top to bottom; ``mark``: a value to draw a line at."""
    width = RIGHT_IN - bars_left(groups)
    bars = [bar for group in groups for bar in group.bars]
    right = max((_needs(bar, width) for bar in bars), default=0.0) or 1.0
    axes.set(xlim=(0, right), ylim=(bars_height(groups), 0), yticks=[])
    axes.spines["left"].set_bounds(bars_height(groups), 0)
    axes.set_xlabel(drawable(unit), labelpad=1)
    axes.xaxis.set_major_formatter("{x:g}")
    if mark is not None:
        axes.axvline(mark, color=GREY, lw=0.6, zorder=0)
    y, per_in = _GROUP_GAP, right / width
    for group in groups:
        middle = y + group.height / 2 - (_NOTE_DOWN / 2 if group.note else 0)
        name, points = fitted(drawable(group.name, _LONGEST_NAME), FONT_PT, _LONGEST_NAME_IN)
        for text, down, size in ((name, 0.0, points), (group.note, _NOTE_DOWN, CAPTION_PT)):
            axes.text(-0.05 * per_in, middle + down, text, ha="right", va="center_baseline", fontsize=size)
        for at, bar in enumerate(group.bars):
            _draw_bar(axes, bar, y + at * _BAR, per_in, width)
        y += group.height + _GROUP_GAP


def _draw_bar(axes: Axes, bar: Bar, y: float, per_in: float, width: float) -> None:
    end = 0.0
    if bar.value is not None:
        draw_block(axes, (0, y), bar.value, _BAR, bar.look)
        end = max(0.0, bar.value + (bar.half_width or 0))
        if bar.half_width is not None:
            at = (bar.value, y + _BAR / 2)
            axes.errorbar(*at, xerr=bar.half_width, color=BLACK, capsize=1.5, lw=0.7, capthick=0.7)
    text, points = fitted(bar.text, CAPTION_PT, width - end / per_in - 0.04)
    axes.text(end + 0.04 * per_in, y + _BAR / 2, text, va="center_baseline", fontsize=points)


def _needs(bar: Bar, width: float) -> float:
    """The axis' end with which this bar's text still fits; of a long text as much as leaves a bar to be seen."""
    room = width - text_width_in(bar.text, CAPTION_PT) - 0.08
    return ((bar.value or 0) + (bar.half_width or 0)) * width / max(room, 0.1 * width)
