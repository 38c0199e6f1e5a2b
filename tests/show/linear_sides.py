"""Sides made from a seed for the drawings against a size, and what is on the page that they give."""

import random
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from harness.analyse.dataset import CaseData, Repeat, Side, Whose
from harness.show.command import FigureData
from harness.spec.figure import Figure, load_figure
from harness.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
FIGURE = load_figure("7", Workspace(ROOT))  # kv_cache_profiling over size_b, two models outside the fit
PAPER_NODE = "n1: EPYC 9354, H100 NVL"
QUANTITY = "kv_cache_profiling"
LONG = [f"an-organisation-with-a-long-name-and-a-model-with-a-longer-one-{number}" for number in range(4)]


def side(
    whose: Whose = "mine",
    models: tuple[str, ...] = FIGURE.models,
    n: int = 5,
    sizes: list[float] | None = None,
    node: str = "2 cores of Example CPU, 8 GB",
    quantity: str = QUANTITY,
    notes: tuple[str, ...] = (),
) -> Side:
    """Starts of models whose sizes are given or drawn from a seed; the quantity grows with the size, noisily."""
    rng = random.Random(len(models))
    sizes = sizes or [round(rng.uniform(0.1, 20), 2) for _ in models]
    cases = []
    for model, size in zip(models, sizes, strict=True):
        values = [0.3 + size / 9 * rng.gauss(1, 0.05) for _ in range(n)]
        told = [{("log" if whose == "paper" else "span"): {quantity: value}} for value in values]
        repeats = tuple(Repeat("measured", str(number), **one) for number, one in enumerate(told, start=1))
        engine = "" if whose == "paper" else "0.32.0"
        cases.append(CaseData(model, whose == "mine", {}, {"size_b": size}, repeats, engine))
    return Side("node0", whose, PAPER_NODE if whose == "paper" else node, tuple(cases), notes)


def data(*sides: Side, figure: Figure = FIGURE) -> FigureData:
    return FigureData(figure, ROOT, sides, ())


def texts(figure: Drawing) -> list[Text]:
    return [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text() and text.get_visible()]


def words(figure: Drawing) -> str:
    return " ".join(text.get_text() for text in texts(figure))


def panels(figure: Drawing) -> list[Axes]:
    return [axes for axes in figure.axes if axes.patches]


def insets(figure: Drawing) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_title()]


def bars(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


SITUATIONS = {
    "one case": [side(models=("llama3-3b",), n=1)],
    "three cases": [side(models=FIGURE.models[:3], n=3)],
    "all cases": [side(n=5)],
    "thirty cases": [side(models=tuple(f"some-model-{number}b" for number in range(30)))],
    "long names": [side(models=tuple(LONG), n=2)],
    "the paper": [side("paper")],
    "mine, merged, paper": [
        side(),
        side("merged", node="192 CPUs of 2× Example Platinum 9999Y+, 2015 GB, 4× Example H900 80 GB", notes=("odd",)),
        side("paper"),
    ],
    "descending": [side(models=("a", "b", "c", "d", "e", "f"), sizes=[6, 5, 4, 3, 2, 1])],
}
