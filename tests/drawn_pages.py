"""Pages of a study's figure as its plot.py would draw them, and whether they can be printed and read."""

import io
from itertools import pairwise
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.text import Text
from rich.console import Console

from harness.show.study_command import StudyPlot, study_sides
from harness.show.study_page import PAGE_IN
from harness.show.style import SMALLEST_PT, style
from harness.workspace import Workspace

PRINTED_IN = 9.9  # the taller of A4 and letter, less margins

Drawn = tuple[list[Figure], list[str], str]


def drawn_pages(plot: StudyPlot, *folders: Path) -> Drawn:
    """The pages, the words of each, and what is printed."""
    figures, notes = plot.draw(study_sides(plot, Workspace().figure(plot.figure), folders))
    assert isinstance(figures, list)
    words = [
        " ".join(" ".join(text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)).split())
        for figure in figures
    ]
    out = Console(file=io.StringIO(), width=80)
    for note in notes:
        out.print(note)
    return figures, words, " ".join(out.file.getvalue().split())  # type: ignore[attr-defined]


def assert_readable(figure: Figure) -> None:
    """Nothing outside the page, no text too small, no two of a panel's tick labels over each other."""
    assert figure.get_figwidth() == PAGE_IN
    assert figure.get_figheight() <= PRINTED_IN
    with style():
        figure.canvas.draw()
        box = figure.get_tightbbox()
        assert 0 <= box.x0 < box.x1 <= PAGE_IN
        assert 0 <= box.y0 < box.y1 <= figure.get_figheight()
        shown = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
        assert min(text.get_fontsize() for text in shown) >= SMALLEST_PT
        for axes in figure.axes:
            lowest, highest = sorted(axes.get_xlim())
            ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
            boxes = [label.get_window_extent() for at, label in ticks if lowest <= at <= highest and label.get_text()]
            ordered = sorted(boxes, key=lambda each: each.x0)
            assert all(left.x1 < right.x0 for left, right in pairwise(ordered))
