"""What the report shows of each figure: the slots that can be read, the drawings, and why something is missing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.record.paper import PAPER_CSV, read_paper
from harness.record.slot import Slot, find_slots, read_slot
from harness.record.slotcheck import SlotError
from harness.show.command import FigureData, assemble
from harness.show.report.drawings import Drawn, draw_of, drawings
from harness.spec.figure import Figure, figure_numbers, load_figure
from harness.spec.study import other_studies
from harness.workspace import Workspace


@dataclass(frozen=True)
class ReportFigure:
    """One figure: its data, and its drawings."""

    figure: Figure
    data: FigureData
    drawings: tuple[Drawn, ...]


def chosen_figures(numbers: Sequence[str], workspace: Workspace) -> list[Figure]:
    """The declarations of the figures named, or of all. Raises HarnessError naming an unknown one."""
    return [load_figure(number, workspace) for number in dict.fromkeys(numbers or figure_numbers(workspace))]


def read_figures(
    figures: Sequence[Figure], folders: Sequence[Path], workspace: Workspace
) -> tuple[list[ReportFigure], list[str]]:
    """Every figure, and a line for each slot that cannot be read or shown: it does not keep the others from the page.

    ``folders``: parents of figures' folders (or one of these), instead of this checkout's.

    Raises:
        HarnessError: a named folder holds no slot.
    """
    others = {f"figure-{name}" for name in other_studies(workspace)}  # their slots are of another kind
    places = [place for folder in folders or [workspace.root / "figures"] for place in _places_in(folder)]
    slots, problems = _read(path for place in places if place.name not in others for path in find_slots(place))
    if folders and not slots and not problems:
        raise HarnessError(f"{folders[0]}: holds no figure-N folder with slots; name their parent with --data")
    shown: list[ReportFigure] = []
    for figure in figures:
        own = [slot for slot in slots if slot.manifest["figure"] == figure.figure]
        here = workspace.figure(figure.figure)
        try:
            rows = read_paper(here / PAPER_CSV) if (here / PAPER_CSV).exists() else []
        except SlotError as error:
            rows, problems = [], [*problems, str(error)]
        data = assemble(figure, here, own, rows, (), allow_mismatch=True)
        drawn = drawings(data, draw_of(here / "plot.py"))
        shown.append(ReportFigure(figure, data, tuple(drawn)))
    return shown, problems


def _places_in(folder: Path) -> list[Path]:
    """Figures' folders: this one, or those in it."""
    return [folder] if folder.resolve().name.startswith("figure-") else sorted(folder.glob("figure-*"))


def _read(paths: Iterable[Path]) -> tuple[list[Slot], list[str]]:
    slots, problems = [], []
    for path in paths:
        try:
            slot = read_slot(path)
        except SlotError as error:
            number = path.parent.name.removeprefix("figure-")
            problems.append(f"{error}; copy the slot again, or measure it: bash run_figure.sh {number}")
            continue
        if slot.manifest["cases"]:
            slots.append(slot)
        else:
            problems.append(f"{path}: holds no case")
    return slots, problems
