"""What every ``figures/figure-N/plot.py`` does around its drawing: find the data, draw, save, print.

    python3 figures/figure-N/plot.py [--data DIR]… [--out DIR] [--allow-mismatch]

Without --data: the slots beside plot.py (this machine's and copied ones) and the paper's numbers in paper.csv. With
--data: slot folders, folders of slots, or a folder of the paper's recorded logs. No engine, no run and no clock is
touched.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console, RenderableType

from harness.analyse.dataset import Side, Whose, paper_sides, side_of_slot
from harness.analyse.paper_facts import paper_facts
from harness.analyse.recorded import is_recorded, recorded_rows
from harness.errors import HarnessError
from harness.record.agreement import confounders, disagreements
from harness.record.paper import PAPER_CSV, PaperRow, read_paper
from harness.record.plain import printable
from harness.record.slot import Slot, find_slots, read_slot
from harness.record.slotcheck import SlotError
from harness.record.tables import GPU
from harness.show.node_name import node_name
from harness.spec.figure import Figure, load_figure
from harness.workspace import Workspace

# matplotlib takes half a second to import, and who only reads what would be drawn (a plan, a verdict) needs none.
if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class FigureData:
    """Everything one figure is drawn from. Own and merged sides come first, in the order of the slots."""

    figure: Figure
    folder: Path  # the figure's own folder
    sides: tuple[Side, ...]
    slots: tuple[Slot, ...]  # of the own and merged sides, in their order
    recorded: tuple[Path, ...] = ()  # folders of the paper's recorded logs that were named with --data

    @property
    def own(self) -> tuple[Side, ...]:
        """Measured here or merged."""
        return tuple(side for side in self.sides if side.whose != "paper")

    @property
    def paper(self) -> tuple[Side, ...]:
        """The paper's."""
        return tuple(side for side in self.sides if side.whose == "paper")


Draw: TypeAlias = "Callable[[FigureData], tuple[Drawing, list[RenderableType]]]"


def plot_command(plot_file: str, number: str, draw: Draw, argv: Sequence[str] | None = None) -> int:
    """Run the command for the figure called ``number`` ("2", "sharing"); returns the exit code."""
    here = Path(plot_file).resolve().parent
    parser = argparse.ArgumentParser(prog="plot.py", description=f"Draw figure {number} from slot folders.")
    parser.add_argument(
        "--data", metavar="DIR", type=Path, action="append", help="a slot, a folder of slots, or of recorded logs"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, default=here, help="where the figure goes (default: here)")
    parser.add_argument(
        "--allow-mismatch", action="store_true", help="draw slots that do not fit together, and say so in the figure"
    )
    options = parser.parse_args(argv)
    from harness.show.style import save

    try:
        data = figure_data(number, here, options.data or [], options.allow_mismatch)
        drawing, notes = draw(data)
        paths = save(drawing, options.out, f"figure{number}" if number.isdecimal() else f"figure-{number}")
    except (HarnessError, SlotError) as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return HarnessError.exit_code
    print_drawn(notes, paths)
    return 0


def print_drawn(notes: Iterable[RenderableType], paths: Iterable[Path]) -> None:
    """What a plot.py ends with: its tables and remarks, then where the figure is."""
    console = Console(highlight=False)
    for note in notes:
        console.print(note)
    for path in paths:
        print(path)


def figure_data(number: str, here: Path, folders: Sequence[Path], allow_mismatch: bool) -> FigureData:
    """Read what a figure is drawn from: the given ``folders``, or the slots and paper.csv in ``here``.

    Raises:
        HarnessError: nothing to draw, a slot that cannot be read, or slots that do not fit together.
    """
    figure = load_figure(number, Workspace(here.parents[1]))
    slots: list[Slot] = []
    rows: list[PaperRow] = []
    for folder in folders or [here]:
        if folders and is_recorded(folder):
            rows += recorded_rows(folder, figure.figure)
            continue
        found = _slots(folder, figure.figure)
        if folders and not found:
            raise HarnessError(f"{folder}: neither slot folders (data.csv, manifest.json) nor recorded logs here")
        slots += found
    if not folders and (here / PAPER_CSV).exists():
        rows = read_paper(here / PAPER_CSV)
    if not slots and not rows:
        raise HarnessError(f"no results for figure {number} yet: bash run_figure.sh {number}")
    recorded = tuple(folder for folder in folders if is_recorded(folder))
    return assemble(figure, here, slots, rows, recorded, allow_mismatch)


def assemble(
    figure: Figure,
    here: Path,
    slots: Iterable[Slot],
    rows: Sequence[PaperRow],
    recorded: tuple[Path, ...],
    allow_mismatch: bool,
) -> FigureData:
    """What was read, as the figure is drawn from it; ``here`` is the figure's folder, ``rows`` the paper's numbers.

    Raises:
        HarnessError: slots that do not fit together, unless ``allow_mismatch``: then the figure says so.
    """
    slots = sorted(slots, key=lambda slot: str(slot.manifest["slot"]))
    problems = disagreements([slot.manifest for slot in slots], figure.differ)
    if problems and not allow_mismatch:
        raise HarnessError(f"{problems[0]}; --allow-mismatch draws it all the same and says so in the figure")
    said = (*problems, *confounders([slot.manifest for slot in slots], figure.differ))
    own = [
        _side(slot, here.parents[1], (*said, *_engine_notes(slot, figure), *_gpu_notes(slot, figure))) for slot in slots
    ]
    paper = paper_sides(rows, paper_facts(), figure.paper_notes)
    return FigureData(figure, here, (*own, *paper), tuple(slots), recorded)


def _engine_notes(slot: Slot, figure: Figure) -> list[str]:
    """What the figure says of the slot's engines."""
    pins = dict.fromkeys(str(case["engine"].get("pin")) for case in slot.manifest["cases"])
    return [note for pin in pins for note in figure.engine_notes.get(pin, ())]


def _gpu_notes(slot: Slot, figure: Figure) -> list[str]:
    """Where to see what the GPUs did, in a figure that does not draw it."""
    if GPU.name not in slot.tables or "cores" in figure.samples:
        return []
    return ["GPUs were sampled: figure 12 draws them, python3 harness trace RUN --perfetto FILE those of any run"]


def _side(slot: Slot, root: Path, notes: tuple[str, ...]) -> Side:
    """The slot as a side: *mine* if this checkout's store has runs of that node."""
    whose: Whose = "mine" if (root / "runs" / slot.manifest["node"]["id"]).is_dir() else "merged"
    return side_of_slot(slot, whose, node_name(slot.manifest["node"]), notes)


def _slots(folder: Path, number: str) -> list[Slot]:
    slots = []
    for path in find_slots(folder):
        try:
            slot = read_slot(path)
        except SlotError as error:
            raise HarnessError(f"{error}; copy the slot again, or measure it: bash run_figure.sh {number}") from None
        if slot.manifest["figure"] != number:
            raise HarnessError(f"{path}: a slot of figure {slot.manifest['figure']}, not {number}; name its folder")
        if not slot.manifest["cases"]:
            raise HarnessError(f"{path}: holds no case; measure it: bash run_figure.sh {number}")
        slots.append(slot)
    return slots
