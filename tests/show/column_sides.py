"""Sides made from a seed for the figures that are one printed column, and the figure data around them."""

import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console, RenderableType

from harness.analyse.dataset import CaseData, Repeat, Side, Whose, side_of_slot
from harness.record.slot import Slot
from harness.show.command import FigureData
from harness.spec.figure import load_figure
from harness.workspace import Workspace
from tests.synthetic_slot import CACHED

WORKSPACE = Workspace(Path(__file__).resolve().parents[2])
NODE = "2 cores (0–1) of Example CPU, 8 GiB"
LONG = "an-organisation-with-a-long-name-and-a-model-with-a-longer-one-70b"


def case(
    model: str,
    scale: float = 1.0,
    n: int = 5,
    facts: Mapping[str, float] | None = None,
    engine: str = "0.32.0",
    **parameters: object,
) -> CaseData:
    """A warm-up and ``n`` measured starts on an engine without a GPU, ``scale`` times as long as the usual one."""
    rng = random.Random(f"{model} {scale}")
    starts = [{leaf: s * scale * rng.gauss(1, 0.02) for leaf, s in CACHED.items()} for _ in range(n + 1)]
    warmup, *measured = (Repeat("measured", str(number), phases) for number, phases in enumerate(starts))
    repeats = (Repeat("warmup", "warmup-0", warmup.span), *measured)
    return CaseData(model, True, parameters, facts or {}, repeats, engine)


def side(*cases: CaseData, slot: str = "node0", whose: Whose = "mine", notes: tuple[str, ...] = ()) -> Side:
    return Side(slot, whose, NODE, cases, notes)


def data(number: str, *sides: Side, slots: Sequence[Slot] = ()) -> FigureData:
    own = [side_of_slot(slot, "mine", NODE) for slot in slots]
    return FigureData(load_figure(number, WORKSPACE), WORKSPACE.figure(number), (*own, *sides), tuple(slots))


def flat(text: str) -> str:
    """The text on one line, however it was broken."""
    return " ".join(text.split())


def printed(notes: list[RenderableType]) -> str:
    """What a terminal of 80 columns shows."""
    console = Console(width=80, file=io.StringIO(), highlight=False)
    for note in notes:
        console.print(note)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
