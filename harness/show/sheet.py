"""A figure as one printed column: sections from top to bottom, each with a title, a key, a drawing and a caption."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.show.caption import CAPTION_PT, CAPTION_ROW_IN, caption_height, caption_lines
from harness.show.linear_panel import LOOKS
from harness.show.panel import MARGIN_IN, RIGHT_IN, Panel, draw_block
from harness.show.startup_colours import Look
from harness.show.style import COLUMN_IN, FONT_PT, drawable, style, text_width_in, tint, wrap

# Whose numbers a bar shows, where colour is free to say it: as in the drawings against a size.
WHOSE_LOOK = {whose: Look(tint(colour, 0), hatch) for whose, (colour, hatch, _) in LOOKS.items()}

# Inches.
_TITLE_PT, _TITLE_ROW = FONT_PT + 1, 0.145
_KEY_ROW = 0.15
_GAP = 0.1
_BOLDER = 1.15  # bold text is wider than what wrap() measures


@dataclass(frozen=True)
class Section:
    """``paint`` draws on axes of ``height`` inches that begin ``left`` inches from the page's edge.

    ``below``: inches for the axes' ticks and label.
    """

    title: str
    caption: Sequence[str]
    paint: Callable[[Axes], None] | None = None
    height: float = 0.0
    left: float = 0.4
    below: float = 0.32
    key: Sequence[tuple[str, Look]] = ()


def sheet(sections: Sequence[Section]) -> Figure:
    """The figure, as high as its sections need."""
    with style():
        heights = [_height(section) for section in sections]
        figure = Figure(figsize=(COLUMN_IN, sum(heights) + _GAP * (len(sections) - 1)))
        top = 0.0
        for section, height in zip(sections, heights, strict=True):
            _draw(Panel(figure, 0, top, height), section)
            top += height + _GAP
    return figure


def _height(section: Section) -> float:
    drawing = section.height + section.below if section.paint else 0.0
    text = len(_title(section)) * _TITLE_ROW + caption_height(caption_lines(section.caption))
    return 0.06 + text + len(_key_rows(section)) * _KEY_ROW + drawing + 0.08


def _draw(panel: Panel, section: Section) -> None:
    y = 0.06
    for line in _title(section):
        panel.text(MARGIN_IN, y + _TITLE_ROW / 2, line, _TITLE_PT, weight="bold")
        y += _TITLE_ROW
    for row in _key_rows(section):
        for x, name, look in row:
            draw_block(panel.page, (x, y + 0.03), 0.14, 0.09, look)
            panel.text(x + 0.18, y + 0.075, name)
        y += _KEY_ROW
    if section.paint:
        section.paint(panel.axes(section.left, y + 0.04, RIGHT_IN - section.left, section.height - 0.04))
        y += section.height + section.below
    for number, line in enumerate(caption_lines(section.caption)):
        panel.text(MARGIN_IN, y + (number + 0.5) * CAPTION_ROW_IN, line, CAPTION_PT)


def _title(section: Section) -> list[str]:
    return wrap(section.title, _TITLE_PT, (RIGHT_IN - MARGIN_IN) / _BOLDER)


def _key_rows(section: Section) -> list[list[tuple[float, str, Look]]]:
    rows: list[list[tuple[float, str, Look]]] = []
    x = RIGHT_IN
    for full_name, look in section.key:
        name = drawable(full_name, 40)
        width = 0.18 + text_width_in(name, FONT_PT) + 0.15
        if not rows or x + width > RIGHT_IN:
            rows.append([])
            x = MARGIN_IN
        rows[-1].append((x, name, look))
        x += width
    return rows
