"""A column-wide region of a figure, laid out in inches from its upper left corner, like a printed page."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from harness.show.startup_colours import Look
from harness.show.style import BLACK, COLUMN_IN, SMALLEST_PT, drawable, fitted

MARGIN_IN = 0.08
RIGHT_IN = COLUMN_IN - 0.06


class Panel:
    """Region of ``figure`` at (left, top) inches; text and table go on its ``page``, bars on ``axes`` of their own."""

    def __init__(self, figure: Figure, left: float, top: float, height: float) -> None:
        self._figure, self._left, self._top = figure, left, top
        self.page = self.axes(0, 0, COLUMN_IN, height)
        self.page.set(xlim=(0, COLUMN_IN), ylim=(height, 0))
        self.page.axis("off")

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """New axes whose upper left corner is at (x, y) of the panel."""
        all_x, all_y = self._figure.get_size_inches()
        bottom = all_y - self._top - y - height
        return self._figure.add_axes(((self._left + x) / all_x, bottom / all_y, width / all_x, height / all_y))

    def text(self, x: float, y: float, text: str, points: float = SMALLEST_PT, **options: Any) -> None:
        """Text whose left edge (or ``ha``) is at x and whose middle is at y."""
        self.page.text(x, y, drawable(text), **{"va": "center_baseline", "fontsize": points, **options})

    def name(self, x: float, y: float, text: str, right: float, points: float = SMALLEST_PT, **options: Any) -> None:
        """Text from x that ends before ``right``: a name longer than foreseen is set smaller, then cut."""
        self.text(x, y, *fitted(text, points, right - x, options.get("weight", "normal")), **options)

    def rule(self, y: float, colour: str = BLACK) -> None:
        """A thin line across the panel."""
        self.page.plot([MARGIN_IN, RIGHT_IN], [y, y], color=colour, lw=0.4)


def draw_block(axes: Axes, corner: tuple[float, float], width: float, height: float, look: Look) -> None:
    """A filled, hatched rectangle."""
    axes.add_patch(Rectangle(corner, width, height, facecolor=look.colour, hatch=look.hatch, edgecolor=BLACK))


def draw_key(axes: Axes, x: float, y: float, key: str) -> None:
    """The letter that ties a block to its row in the table, readable on any colour and hatch."""
    outline = [withStroke(linewidth=1.5, foreground="white")]
    axes.text(x, y, key, ha="center", va="center_baseline", fontsize=SMALLEST_PT, weight="bold", path_effects=outline)
