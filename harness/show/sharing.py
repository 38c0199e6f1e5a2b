"""The prefix-sharing figure: a page for each slot, dialogues in two rows of panels and Mooncake's trace in a third."""

from collections.abc import Callable, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import RenderableType

from harness.record.sharing_tables import MOONCAKE, MULTI, SHARING_TABLES
from harness.show import sharing_panels as panels
from harness.show.caption import CAPTION_PT, CAPTION_ROW_IN, caption_lines
from harness.show.sharing_print import comparison_table, ratios_table
from harness.show.sharing_published import published
from harness.show.sharing_text import block_size_text, caption, has_mooncake
from harness.show.study_command import StudyPlot, StudySide
from harness.show.style import FONT_PT, drawable, style

Paint = Callable[[Axes], None]

# Inches. The page is two columns of a paper wide.
PAGE_IN = 7.16
_LEFT, _RIGHT, _BETWEEN = 0.42, 0.08, 0.52
_HEAD, _TITLE, _HEIGHT, _BELOW, _GAP = 0.22, 0.17, 1.55, 0.33, 0.1
_COLUMNS = 3


def draw(sides: Sequence[StudySide]) -> tuple[Figure, list[RenderableType]]:
    """The figure, and the tables that are printed with it."""
    pages = [_Page(side) for side in sides]
    notes: list[RenderableType] = []
    with style():
        figure = Figure(figsize=(PAGE_IN, sum(page.height for page in pages)))
        top = 0.0
        for page in pages:
            page.draw(figure, top)
            top += page.height
    for side in sides:
        notes.append(comparison_table(side))
        if has_mooncake(side.slot):
            notes.append(ratios_table(side))
    return figure, notes


class _Page:
    """One slot's panels, laid out from the top."""

    def __init__(self, side: StudySide) -> None:
        self._side = side
        self._lines = caption_lines(caption(side), PAGE_IN - _LEFT - _RIGHT)
        self._panels = [*_dialogues(side), *_mooncake(side)]
        rows = -(-len(self._panels) // _COLUMNS)
        row = _TITLE + _HEIGHT + _BELOW
        self.height = _HEAD + rows * row + (rows - 1) * _GAP + (len(self._lines) + 1.5) * CAPTION_ROW_IN

    def draw(self, figure: Figure, top: float) -> None:
        whole = figure.get_figheight()
        title = "Prefix sharing in vLLM's own block manager"
        figure.text(_LEFT / PAGE_IN, 1 - (top + 0.12) / whole, drawable(title), fontsize=FONT_PT + 1.5, weight="bold",
                    va="center")  # fmt: skip
        width = (PAGE_IN - _LEFT - _RIGHT - (_COLUMNS - 1) * _BETWEEN) / _COLUMNS
        bottom = top + _HEAD
        for at, (name, paint) in enumerate(self._panels):
            row, column = divmod(at, _COLUMNS)
            x = _LEFT + column * (width + _BETWEEN)
            y = top + _HEAD + row * (_TITLE + _HEIGHT + _BELOW + _GAP)
            figure.text(x / PAGE_IN, 1 - (y + _TITLE / 2) / whole, drawable(f"({chr(97 + at)}) {name}"),
                        fontsize=FONT_PT, weight="bold", va="center")  # fmt: skip
            below = y + _TITLE + _HEIGHT
            paint(figure.add_axes((x / PAGE_IN, 1 - below / whole, width / PAGE_IN, _HEIGHT / whole)))
            bottom = below + _BELOW
        for number, line in enumerate(self._lines):
            y = bottom + (number + 1) * CAPTION_ROW_IN
            figure.text(_LEFT / PAGE_IN, 1 - y / whole, line, fontsize=CAPTION_PT, va="center")


def _dialogues(side: StudySide) -> list[tuple[str, Paint]]:
    slot, block = side.slot, block_size_text(side.slot, MULTI)
    return [
        ("What of a prompt was there already", partial(panels.sharing_fraction, slot=slot)),
        ("How often a block is used again", partial(panels.block_hits, slot=slot)),
        ("How long a reused block waited", partial(panels.reuse_gap, slot=slot)),
        ("Cache size and policy, multi-turn", partial(panels.policies, slot=slot, workload=MULTI, block=block)),
        ("Block size", partial(panels.block_sizes, slot=slot)),
        ("Blocks in use, multi-turn", partial(panels.blocks_in_use, slot=slot, workload=MULTI)),
    ]


def _mooncake(side: StudySide) -> list[tuple[str, Paint]]:
    if not has_mooncake(side.slot):
        return []
    slot, block = side.slot, block_size_text(side.slot, MOONCAKE)
    return [
        ("Cache size and policy, Mooncake", partial(panels.policies, slot=slot, workload=MOONCAKE, block=block)),
        ("Mooncake's published ratios", partial(published, slot=slot)),
        ("Blocks in use, Mooncake", partial(panels.blocks_in_use, slot=slot, workload=MOONCAKE)),
    ]


PLOT = StudyPlot("sharing", "prefix_sharing", SHARING_TABLES, draw)
