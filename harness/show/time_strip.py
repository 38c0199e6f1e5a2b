"""Strips under each other on one axis of time, across the page: where they lie, and their labels."""

from matplotlib.axes import Axes

from harness.show.panel import Panel
from harness.show.style import COLUMN_IN

PAGE_IN = 2 * COLUMN_IN
# Inches.
LEFT_IN, RIGHT_IN = 0.52, 0.5
WIDTH_IN = PAGE_IN - LEFT_IN - RIGHT_IN
_NAME = 0.24  # from the axes to what they are named


def strip_axes(panel: Panel, top: float, height: float, longest_s: float) -> Axes:
    """Axes from ``top`` down whose time ends at ``longest_s``; seconds are not written at them."""
    axes = panel.axes(LEFT_IN, top, WIDTH_IN, height)
    axes.set_xlim(0, longest_s)
    axes.yaxis.set_label_coords(-_NAME / WIDTH_IN, 0.5)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.tick_params(labelbottom=False)
    return axes


def write_seconds(axes: Axes, since: str) -> None:
    """Make these the last ones of a page's strips: the seconds stand below them."""
    axes.tick_params(labelbottom=True)
    axes.set_xlabel(f"seconds since {since}", labelpad=1)
