"""What every ``figures/figure-N/plot.py`` does around its drawing: find slots, draw, save, print.

    python3 figures/figure-N/plot.py [--data DIR]… [--out DIR]

Without --data: the slots beside plot.py. No engine, no run and no clock is touched.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console, RenderableType

from harness.errors import HarnessError
from harness.record.plain import printable
from harness.record.slot import Slot, find_slots, read_slot
from harness.record.slotcheck import SlotError
from harness.show.style import save

Draw = Callable[[list[Slot]], tuple[Figure, list[RenderableType]]]


def plot_command(plot_file: str, figure: str, draw: Draw, argv: Sequence[str] | None = None) -> int:
    """Run the command for ``figure`` (its name on the command line: "2", "sharing"); returns the exit code."""
    here = Path(plot_file).resolve().parent
    parser = argparse.ArgumentParser(prog="plot.py", description=f"Draw figure {figure} from slot folders.")
    parser.add_argument("--data", metavar="DIR", type=Path, action="append", help="a slot folder, or a folder of slots")
    parser.add_argument("--out", metavar="DIR", type=Path, default=here, help="where the figure goes (default: here)")
    options = parser.parse_args(argv)
    try:
        slots = _read(options.data or [here], figure, own=not options.data)
        drawing, notes = draw(slots)
        paths = save(drawing, options.out, f"figure{figure}" if figure.isdecimal() else f"figure-{figure}")
    except HarnessError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return error.exit_code
    console = Console(highlight=False)
    for note in notes:
        console.print(note)
    for path in paths:
        print(path)
    return 0


def _read(folders: Sequence[Path], figure: str, own: bool) -> list[Slot]:
    slots = []
    for folder in folders:
        found = find_slots(folder)
        if not found and own:
            raise HarnessError(f"no results for figure {figure} yet: bash run_figure.sh {figure}")
        if not found:
            raise HarnessError(f"{folder}: no slot folder here (one holds data.csv and manifest.json)")
        for path in found:
            try:
                slot = read_slot(path)
            except SlotError as error:
                raise HarnessError(
                    f"{error}; copy the slot again, or measure it: bash run_figure.sh {figure}"
                ) from None
            if slot.manifest["figure"] != figure:
                raise HarnessError(f"{path}: a slot of figure {slot.manifest['figure']}, not {figure}; name its folder")
            slots.append(slot)
    return slots
