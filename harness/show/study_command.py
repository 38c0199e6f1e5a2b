"""What the ``plot.py`` of a figure that is not made of starts does around its drawing: find slots, draw, save, print.

    python3 figures/figure-NAME/plot.py [--data DIR]… [--out DIR] [--chosen LABEL,LABEL]

Without --data: the slots beside plot.py. --chosen: of studies whose runs have labels. No engine, no replay and no clock
is touched.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure as Drawing
from rich.console import RenderableType

from harness.errors import HarnessError
from harness.record.plain import printable
from harness.record.slot import find_slots
from harness.record.slotcheck import SlotError
from harness.record.study_slot import StudySlot, read_study_slot
from harness.record.tables import Table
from harness.show.command import print_drawn
from harness.show.node_name import node_name
from harness.show.style import save


@dataclass(frozen=True)
class StudySide:
    """One slot, and whose it is: ``mine`` if this checkout's store has runs of its node, else ``merged``."""

    slot: StudySlot
    whose: str
    node: str  # for people


Draw = Callable[[Sequence[StudySide]], tuple[Drawing | Sequence[Drawing], list[RenderableType]]]
Choose = Callable[[Sequence[StudySide], Sequence[str]], Sequence[StudySide]]


@dataclass(frozen=True)
class StudyPlot:
    """A study's figure: how its slots are read, and how they are drawn.

    ``choose``: leaves of the sides what has one of these labels, or raises HarnessError for a label that none has; None
    where a study's runs have no labels.
    """

    figure: str
    study: str
    tables: tuple[Table, ...]
    draw: Draw
    choose: Choose | None = None


def study_plot_command(plot_file: str, plot: StudyPlot, argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    here = Path(plot_file).resolve().parent
    parser = argparse.ArgumentParser(prog="plot.py", description=f"Draw figure {plot.figure} from slot folders.")
    parser.add_argument("--data", metavar="DIR", type=Path, action="append", help="a slot, or a folder of slots")
    parser.add_argument("--out", metavar="DIR", type=Path, default=here, help="where the figure goes (default: here)")
    if plot.choose:
        parser.add_argument("--chosen", metavar="LABEL,LABEL", help="draw only the runs with these labels")
    options = parser.parse_args(argv)
    try:
        sides: Sequence[StudySide] = study_sides(plot, here, options.data or [])
        if plot.choose and options.chosen is not None:
            sides = plot.choose(sides, options.chosen.split(","))
        drawing, notes = plot.draw(sides)
        paths = save(drawing, options.out, f"figure-{plot.figure}")
    except (HarnessError, SlotError) as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return HarnessError.exit_code
    print_drawn(notes, paths)
    return 0


def study_sides(plot: StudyPlot, here: Path, folders: Sequence[Path]) -> list[StudySide]:
    """The slots in ``folders``, or those in ``here``, the figure's own folder.

    Raises:
        HarnessError: there is none, or one that cannot be read.
    """
    command = f"bash run_figure.sh {plot.figure}"
    sides = []
    for folder in folders or [here]:
        found = find_slots(folder)
        if folders and not found:
            raise HarnessError(f"{folder}: no slot folder (data.csv, manifest.json) here; {command} makes one")
        for path in found:
            try:
                slot = read_study_slot(path, plot.tables, plot.study)
            except (SlotError, OSError) as error:
                raise HarnessError(f"{error}; copy the slot again, or make it: {command}") from None
            is_mine = (here.parents[1] / "runs" / slot.manifest["node"]["id"]).is_dir()
            sides.append(StudySide(slot, "mine" if is_mine else "merged", node_name(slot.manifest["node"])))
    if not sides:
        raise HarnessError(f"no results for figure {plot.figure} yet: {command}")
    return sorted(sides, key=lambda side: str(side.slot.manifest["slot"]))
