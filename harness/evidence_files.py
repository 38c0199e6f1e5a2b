"""Where evidence for claims comes from: this checkout's figures, folders of somebody's, recordings, the paper's data.

DIR/figure-N/<slot>/{data.csv, manifest.json}   slots of ours
DIR/figure-N/ with raw logs                     a recording of the paper's form (figure-rest: of 3, 4, 5, 6, 8, 17)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.analyse.cores import CoreUse, paper_core_use, sampled_starts
from harness.analyse.dataset import MEASURED, Side, paper_sides
from harness.analyse.evidence import Device, Evidence, Origin
from harness.analyse.paper_facts import paper_facts
from harness.analyse.recorded import SHARED, is_recorded, recorded_rows, recording_of
from harness.errors import HarnessError
from harness.record.paper import PAPER_CSV, PaperRow, read_paper
from harness.record.paper_cores import PAPER_CORES_CSV, read_paper_cores, recorded_cores
from harness.record.slot import Slot, find_slots
from harness.record.slotcheck import SlotError
from harness.show.command import figure_data
from harness.spec.figure import Figure, figure_numbers, load_figure
from harness.spec.pin import load_pin
from harness.workspace import Workspace

_SAMPLED = "12"
_WHOLE = "17"  # the figure whose rows hold every quantity of the shared recording


@dataclass
class _Gathered:
    figures: dict[str, Figure]
    sides: dict[str, dict[str, Side]] = field(default_factory=dict)
    origins: dict[tuple[str, str], Origin] = field(default_factory=dict)
    cores: dict[str, tuple[CoreUse, ...]] = field(default_factory=dict)
    recorded: bool = False
    problems: dict[str, str] = field(default_factory=dict)

    def add(self, number: str, side: Side, origin: Origin) -> None:
        slots = self.sides.setdefault(number, {})
        if side.slot in slots:
            raise HarnessError(f"figure {number}: {side.slot} is in two of the folders; judge them one after the other")
        slots[side.slot], self.origins[number, side.slot] = side, origin

    def evidence(self) -> Evidence:
        return Evidence(self.figures, self.sides, self.origins, self.cores, self.recorded, self.problems)


def own_evidence(workspace: Workspace, folders: Sequence[Path] = ()) -> Evidence:
    """What was measured: the slots in this checkout's ``figures/``, or what is in the ``folders`` instead.

    A figure whose slots are damaged or do not fit together is a problem of the evidence; the others are read.

    Raises:
        HarnessError: a folder that holds nothing, a damaged recording, or one slot in two folders.
    """
    gathered = _Gathered(_figures(workspace))
    for folder in folders or [workspace.root / "figures"]:
        before = len(gathered.origins)
        for number in gathered.figures:
            _add_slots(gathered, number, folder, workspace)
        if folders:
            _add_recordings(gathered, folder)
            if len(gathered.origins) == before and not gathered.problems:
                raise HarnessError(f"{folder}: holds no figure-N folder with slots or recorded logs; name their parent")
    return gathered.evidence()


def paper_evidence(workspace: Workspace) -> Evidence:
    """The paper's data, from each figure's ``paper.csv``.

    Raises:
        HarnessError: a file is damaged.
    """
    gathered = _Gathered(_figures(workspace), recorded=True)
    try:
        for number, figure in gathered.figures.items():
            # The shared recording once, whole: a figure of it ships with the one quantity that it draws.
            shared = number.isdecimal() and recording_of(number) == f"figure-{SHARED}"
            folder = workspace.figure(_WHOLE if shared else number)
            if (folder / PAPER_CSV).exists():
                _add_paper(gathered, number, read_paper(folder / PAPER_CSV), figure)
            if (folder / PAPER_CORES_CSV).exists():
                gathered.cores[number] = (paper_core_use(read_paper_cores(folder / PAPER_CORES_CSV)),)
    except SlotError as error:
        raise HarnessError(str(error)) from None
    return gathered.evidence()


def _figures(workspace: Workspace) -> dict[str, Figure]:
    return {number: load_figure(number, workspace) for number in figure_numbers(workspace)}


def _add_slots(gathered: _Gathered, number: str, folder: Path, workspace: Workspace) -> None:
    place = _folder_of(folder, f"figure-{number}")
    if not place.is_dir() or not find_slots(place):
        return
    try:
        data = figure_data(number, workspace.figure(number), [place], allow_mismatch=False)
    except HarnessError as error:
        gathered.problems[number] = str(error)
        return
    for slot, side in zip(data.slots, data.own, strict=True):
        gathered.add(number, side, _origin(slot))
        if number == _SAMPLED and number not in gathered.cores:
            starts = [start for start in sampled_starts(slot) if start.kind == MEASURED]
            gathered.cores[number] = tuple(start.use for start in starts)


def _add_recordings(gathered: _Gathered, folder: Path) -> None:
    for number, figure in gathered.figures.items():
        name = recording_of(number) if number.isdecimal() else ""
        place = _folder_of(folder, name)
        if not name or number in gathered.sides or not place.is_dir() or not is_recorded(place):
            continue
        gathered.recorded = True
        if name == f"figure-{SHARED}":
            if number != _WHOLE:
                continue
            rows = recorded_rows(place, _WHOLE)
            for each in [n for n in gathered.figures if n.isdecimal() and recording_of(n) == name]:
                if each not in gathered.sides:
                    _add_paper(gathered, each, rows, figure)
            continue
        _add_paper(gathered, number, recorded_rows(place, number), figure)
        if number == _SAMPLED:
            try:
                gathered.cores[number] = (paper_core_use(recorded_cores(place)),)
            except SlotError as error:
                raise HarnessError(str(error)) from None


def _add_paper(gathered: _Gathered, number: str, rows: Iterable[PaperRow], figure: Figure) -> None:
    for side in paper_sides(rows, paper_facts(), figure.paper_notes):
        gathered.add(number, side, Origin("cuda", papers_machine=True))


def _folder_of(folder: Path, name: str) -> Path:
    """``folder`` may also be the figure's own."""
    return folder if folder.resolve().name == name else folder / name


def _origin(slot: Slot) -> Origin:
    node = slot.manifest["node"]
    gpus, cpu = " ".join(map(str, node.get("gpus") or ())), str(node.get("cpu_model"))
    pins = {str(case["engine"].get("pin")) for case in slot.manifest["cases"]}
    devices: set[Device] = {_device(pin, bool(gpus)) for pin in pins}
    device: Device = "cpu" if "cpu" in devices else "cuda"
    return Origin(device, device == "cuda" and "EPYC 9354" in cpu and "H100" in gpus)


def _device(pin: str, gpus: bool) -> Device:
    try:
        return load_pin(pin).device
    except HarnessError:  # of another version of this harness
        return "cuda" if gpus else "cpu"
