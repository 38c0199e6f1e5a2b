"""Figures 3 to 9 and 15: one quantity against one size, as bars in order of the size, with the line inset.

One panel for each side (this machine's, merged ones, the paper's), each with its own scale and its own line: a line
over two machines would be nobody's. A side without the quantity gets a line of text instead of a panel. Below, what the
quantity consists of, where starts tell.
"""

from matplotlib.figure import Figure
from rich.console import RenderableType
from rich.text import Text

from harness.analyse.points import Series, series_of
from harness.errors import HarnessError
from harness.record.plain import printable
from harness.show.caption import CAPTION_IN, CAPTION_PT, CAPTION_ROW_IN, caption_height, caption_lines, whose
from harness.show.command import FigureData
from harness.show.linear_panel import BARS_HEIGHT, below_height, draw_bars
from harness.show.linear_print import table
from harness.show.linear_text import caption, nothing
from harness.show.panel import MARGIN_IN, Panel
from harness.show.parts_panel import draw_parts, parts_height
from harness.show.parts_print import parts_table
from harness.show.style import COLUMN_IN, FONT_PT, style, wrap

_TITLE_PT = FONT_PT + 0.5
_TITLE_ROW_IN = 0.13
_BOLDER = 1.15  # bold text is wider than what wrap() measures
_GAP = 0.06


def draw(data: FigureData) -> tuple[Figure, list[RenderableType]]:
    """The drawing, and a table for each side.

    Raises:
        HarnessError: no side has anything to draw (says why, side by side).
    """
    every = [series_of(data.figure, side) for side in data.sides]
    drawn = [series for series in every if series.points]
    absent = [nothing(series) for series in every if not series.points]
    if not drawn:
        why = "; ".join(absent)
        raise HarnessError(
            f"figure {data.figure.figure}: nothing to draw: {why}; measure with an engine that has it, or name --data"
        )
    scales = ["Each panel has its own scale"] if len(drawn) > 1 else []
    return _page(drawn, [*scales, *absent]), [
        *map(table, drawn),
        *(found for series in drawn if (found := parts_table(series))),
        *(Text(printable(line)) for line in absent),
    ]


def _page(drawn: list[Series], remarks: list[str]) -> Figure:
    columns = min(2, len(drawn))
    rows = [drawn[start : start + columns] for start in range(0, len(drawn), columns)]
    notes = [line for text in remarks for line in caption_lines([f"{text}."], columns * COLUMN_IN - 2 * MARGIN_IN)]
    heights = [_row_height(row) for row in rows]
    notes_height = caption_height(notes) + _GAP * bool(notes)
    with style():
        figure = Figure(figsize=(columns * COLUMN_IN, sum(heights) + notes_height))
        top = 0.0
        for row, height in zip(rows, heights, strict=True):
            for column, series in enumerate(row):
                _draw_side(Panel(figure, column * COLUMN_IN, top, height), series, row)
            top += height
        if notes:
            page = Panel(figure, 0, top, notes_height)
            _draw_lines(page, notes, 0.0)
    return figure


def _draw_side(panel: Panel, series: Series, row: list[Series]) -> None:
    """``row``: what stands beside it, so that bars and captions begin at the same height."""
    for number, text in enumerate(_title(series)):
        panel.text(MARGIN_IN, _GAP + (number + 0.5) * _TITLE_ROW_IN, text, _TITLE_PT, weight="bold")
    top = _title_height(row)
    draw_bars(panel, series, top)
    top += BARS_HEIGHT + max(map(below_height, row)) + _GAP
    _draw_lines(panel, caption_lines(caption(series)), top)
    draw_parts(panel, series, top + _captions_height(row) + _GAP)


def _draw_lines(panel: Panel, lines: list[str], top: float) -> None:
    for number, text in enumerate(lines):
        panel.text(MARGIN_IN, top + (number + 0.5) * CAPTION_ROW_IN, text, CAPTION_PT)


def _title(series: Series) -> list[str]:
    return wrap(whose(series.side), _TITLE_PT, CAPTION_IN / _BOLDER)


def _title_height(row: list[Series]) -> float:
    return 2 * _GAP + max(len(_title(series)) for series in row) * _TITLE_ROW_IN


def _row_height(row: list[Series]) -> float:
    bars = _title_height(row) + BARS_HEIGHT + max(map(below_height, row))
    parts = max(map(parts_height, row))
    return bars + _captions_height(row) + 2 * _GAP + parts + _GAP * bool(parts)


def _captions_height(row: list[Series]) -> float:
    return max(caption_height(caption_lines(caption(series))) for series in row)
