"""Every figure as the report shows it: what was measured and the paper's side by side, and the numbers of both."""

import runpy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.analyse.dataset import Side
from harness.errors import HarnessError
from harness.record.slotcheck import SlotError
from harness.show.caption import about
from harness.show.command import Draw, FigureData
from harness.show.report.printed import Printed, printed
from harness.show.report.svg import inline_svg

_COLUMN_IN = 3.6  # a drawing that is wider takes the page's whole width


@dataclass(frozen=True)
class Drawn:
    """One drawing, or in ``problem`` why there is none."""

    title: str
    whose: str  # "measured" or "paper"
    svg: str = ""
    wide: bool = False
    problem: str = ""
    numbers: tuple[Printed, ...] = ()


def draw_of(plot: Path) -> Draw:
    """The drawing function that a figure's ``plot.py`` names, without running its command."""
    draw: Draw = runpy.run_path(str(plot), run_name="plot")["draw"]
    return draw


def drawings(data: FigureData, draw: Draw) -> list[Drawn]:
    """Own and merged sides together, then the paper's; a part without data is absent."""
    found = []
    if data.own:
        found.append(_drawn(replace(data, sides=data.own), draw, _own_title(data.own), "measured"))
    if data.paper:
        found.append(_drawn(replace(data, sides=data.paper, slots=()), draw, "The paper's recorded data", "paper"))
    return found


def _own_title(sides: Sequence[Side]) -> str:
    mine = [side for side in sides if side.whose == "mine"]
    if len(mine) == len(sides):
        return "Measured here"
    return "Measured here and merged from other machines" if mine else "Merged from other machines"


def _drawn(data: FigureData, draw: Draw, title: str, whose: str) -> Drawn:
    try:
        drawing, notes = draw(data)
    except (HarnessError, SlotError) as error:
        return Drawn(title, whose, problem=str(error))
    label = " ".join([f"Figure {data.figure.figure}, {title.lower()}.", *(" ".join(about(s, ())) for s in data.sides)])
    width_in = float(drawing.get_size_inches()[0])
    svg = inline_svg(drawing, f"f{data.figure.figure}-{whose}", label)
    return Drawn(title, whose, svg, width_in > _COLUMN_IN, numbers=tuple(printed(notes)))
