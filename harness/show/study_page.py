"""A page of a study's figure: rows of panels below a title and a key, and a caption at the foot, all in inches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.show.caption import CAPTION_PT, CAPTION_ROW_IN, caption_lines
from harness.show.style import FONT_PT, SMALLEST_PT, VERMILLION, drawable, wrap

PAGE_IN = 7.16  # two columns of a paper
_EDGE = 0.1  # of headings
_LEFT, _RIGHT = 0.5, 0.14
_HEAD, _ALARM, _ALARM_GAP, _KEY, _HEADING, _TITLE = 0.24, 0.14, 0.04, 0.2, 0.17, 0.16
_FOOT = 0.1

Paint = Callable[[Axes], None]


@dataclass(frozen=True)
class Band:
    """A row of panels of equal width; its lengths are inches.

    ``below``: for tick labels, and for the axis' label where there is one. ``inset``: more room at the left.
    """

    heading: str
    panels: Sequence[tuple[str, Paint]]  # title ("" has none), and what draws on its axes
    height: float
    below: float = 0.34
    between: float = 0.52
    gap: float = 0.06
    inset: float = 0.0

    @property
    def above(self) -> float:
        """Inches of heading and titles."""
        return _HEADING * bool(self.heading) + _TITLE * any(title for title, _ in self.panels)


@dataclass(frozen=True)
class Page:
    """``key``: artists with labels, told apart once for the whole page. ``alarm``: what nobody may overlook."""

    title: str
    bands: Sequence[Band]
    caption: Sequence[str]
    key: Sequence[Artist] = ()
    alarm: str = ""

    def draw(self) -> Figure:
        """The page as a figure of its own."""
        lines = caption_lines(self.caption, PAGE_IN - _LEFT - _RIGHT)
        alarm = wrap(self.alarm, FONT_PT, PAGE_IN - 2 * _EDGE)
        panels = sum(band.above + band.height + band.below + band.gap for band in self.bands)
        height = (
            _HEAD
            + len(alarm) * _ALARM
            + _ALARM_GAP * bool(alarm)
            + _KEY * bool(self.key)
            + panels
            + len(lines) * CAPTION_ROW_IN
            + _FOOT
        )
        figure = Figure(figsize=(PAGE_IN, height))
        figure.text(_EDGE / PAGE_IN, 1 - 0.13 / height, drawable(self.title), fontsize=FONT_PT + 1.5, weight="bold",
                    va="center")  # fmt: skip
        top = _HEAD
        for line in alarm:
            figure.text(_EDGE / PAGE_IN, 1 - (top + _ALARM / 2) / height, line, fontsize=FONT_PT, color=VERMILLION,
                        va="center")  # fmt: skip
            top += _ALARM
        top += _ALARM_GAP * bool(alarm)
        if self.key:
            figure.legend(
                handles=list(self.key), loc="upper left", bbox_to_anchor=(_LEFT / PAGE_IN, 1 - (top - 0.01) / height),
                ncols=len(self.key), fontsize=SMALLEST_PT, frameon=False, borderpad=0, borderaxespad=0,
                handlelength=2.2, columnspacing=1.4,
            )  # fmt: skip
            top += _KEY
        letters = iter("abcdefghijklmnopqrstuvwxyz")
        for band in self.bands:
            top = _draw_band(figure, band, top, height, letters)
        for number, line in enumerate(lines):
            y = top + (number + 0.6) * CAPTION_ROW_IN
            figure.text(_LEFT / PAGE_IN, 1 - y / height, line, fontsize=CAPTION_PT, va="center")
        return figure


def _draw_band(figure: Figure, band: Band, top: float, height: float, letters: Iterator[str]) -> float:
    """Returns where the next band begins, in inches from the top."""
    if band.heading:
        figure.text(_EDGE / PAGE_IN, 1 - (top + _HEADING / 2) / height, drawable(band.heading), fontsize=FONT_PT,
                    weight="bold", va="center")  # fmt: skip
        top += _HEADING
    titled = any(title for title, _ in band.panels)
    count = len(band.panels)
    width = (PAGE_IN - _LEFT - band.inset - _RIGHT - (count - 1) * band.between) / count
    for at, (title, paint) in enumerate(band.panels):
        left = _LEFT + band.inset + at * (width + band.between)
        if title:
            x, y = (left - 0.25 - band.inset) / PAGE_IN, 1 - (top + _TITLE / 2) / height
            figure.text(x, y, drawable(f"({next(letters)}) {title}"), fontsize=FONT_PT, va="center")
        bottom = top + _TITLE * titled + band.height
        paint(figure.add_axes((left / PAGE_IN, 1 - bottom / height, width / PAGE_IN, band.height / height)))
    return top + _TITLE * titled + band.height + band.below + band.gap
