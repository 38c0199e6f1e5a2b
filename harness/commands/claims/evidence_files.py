"""Where evidence for claims comes from: this checkout's figures, folders of somebody's, recordings, the paper's data.

DIR/figure-N/<slot>/{data.csv, manifest.json}   slots of ours
DIR/figure-N/ with raw logs                     a recording of the paper's form (figure-rest: of 3, 4, 5, 6, 8, 17)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.analyse.cores import CoreUse, paper_core_use, sampled_starts
from harness.analyse.dataset import MEASURED, PAPER_VERSION, Side, paper_hardware, paper_node, paper_sides
from harness.analyse.evidence import Device, Evidence, Here, Origin
from harness.analyse.model_facts import name_in_models_yaml
from harness.analyse.paper_facts import paper_facts
from harness.analyse.recorded import SHARED, is_recorded, recorded_rows, recording_of
from harness.commands.claims.declared_starts import otherwise
from harness.engine.default_pin import default_pin
from harness.engine.real_weights import has_real_weights
from harness.errors import HarnessError
from harness.record.paper import PAPER_CSV, PaperRow, read_paper
from harness.record.paper_cores import PAPER_CORES_CSV, CoreSample, read_paper_cores, recorded_cores
from harness.record.slot import Slot, find_slots
from harness.record.slotcheck import SlotError
from harness.show.command import figure_data
from harness.spec.figure import Figure, figure_numbers, load_figure
from harness.spec.models import load_models
from harness.spec.pin import Pin, load_pin
from harness.workspace import Workspace

_SAMPLED, _RELEASES = "12", "1"
_WHOLE = "17"  # the figure whose rows hold every quantity of the shared recording


@dataclass
class _Gathered:
    figures: dict[str, Figure]
    sides: dict[str, dict[str, Side]] = field(default_factory=dict)
    origins: dict[tuple[str, str], Origin] = field(default_factory=dict)
    cores: dict[tuple[str, str, str], dict[str, CoreUse]] = field(default_factory=dict)
    aside: dict[tuple[str, str], tuple[tuple[str, str], ...]] = field(default_factory=dict)
    recorded: bool = False
    problems: dict[str, str] = field(default_factory=dict)

    def add(self, number: str, side: Side, origin: Origin) -> None:
        slots = self.sides.setdefault(number, {})
        if side.slot in slots:
            raise HarnessError(f"figure {number}: {side.slot} is in two of the folders; judge them one after the other")
        slots[side.slot], self.origins[number, side.slot] = side, origin

    def evidence(self) -> Evidence:
        return Evidence(self.figures, self.sides, self.origins, self.cores, self.aside, self.recorded, self.problems)


def own_evidence(workspace: Workspace, folders: Sequence[Path] = ()) -> Evidence:
    """What was measured: the slots in this checkout's ``figures/``, or what is in the ``folders`` instead.

    A figure whose slots or logs are damaged or do not fit together is a problem of the evidence; the others are read.

    Raises:
        HarnessError: a folder that holds nothing, or one slot in two folders.
    """
    gathered = _Gathered(_figures(workspace))
    for folder in folders or [workspace.root / "figures"]:
        with_slots = {number for number in gathered.figures if _add_slots(gathered, number, folder, workspace)}
        recorded = folders and _add_recordings(gathered, folder, without=with_slots)
        if folders and not with_slots and not recorded:
            fault = "holds no figure-N folder with slots or recorded logs" if folder.is_dir() else "is no folder"
            raise HarnessError(f"{folder}: {fault}; name the parent of such folders")
    return gathered.evidence()


def this_machine(workspace: Workspace) -> Here:
    """What claims without any start are told of: this machine's engines, and the models that it has weights of."""
    real = {name for name in load_models().models if has_real_weights(name, workspace.models)}
    return Here(load_pin(default_pin()).device, frozenset(real))


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
                there = (folder / PAPER_CORES_CSV).exists()
                cores = read_paper_cores(folder / PAPER_CORES_CSV) if there else ()
                _add_paper(gathered, number, read_paper(folder / PAPER_CSV), figure, cores)
    except SlotError as error:
        raise HarnessError(str(error)) from None
    return gathered.evidence()


def _figures(workspace: Workspace) -> dict[str, Figure]:
    return {number: load_figure(number, workspace) for number in figure_numbers(workspace)}


def _add_slots(gathered: _Gathered, number: str, folder: Path, workspace: Workspace) -> bool:
    """Whether there were slots of the figure, readable or not."""
    place = _folder_of(folder, f"figure-{number}")
    if not place.is_dir() or not find_slots(place):
        return False
    try:
        data = figure_data(number, workspace.figure(number), [place], allow_mismatch=False)
    except HarnessError as error:
        gathered.problems[number] = str(error)
        return True
    for slot, side in zip(data.slots, data.own, strict=True):
        _add_slot(gathered, number, slot, side, data.figure)
    return True


def _add_slot(gathered: _Gathered, number: str, slot: Slot, side: Side, figure: Figure) -> None:
    """The slot's cases that are what the figure declares, and which others it holds."""
    entries = slot.manifest["cases"]
    whys = [otherwise(entry, figure, side.slot, *_engine_of(entry, slot)) for entry in entries]
    whole = list(zip(side.cases, entries, whys, strict=True))
    kept = tuple(case for case, _, why in whole if why is None)
    gathered.add(number, replace(side, cases=kept), _origin(slot, number))
    gathered.aside[number, side.slot] = tuple((case.model, why) for case, _, why in whole if why is not None)
    if number == _SAMPLED:
        starts = sampled_starts(slot)
        for case, entry, _ in (each for each in whole if each[2] is None):
            of_case = {start.run: start.use for start in starts if start.case == entry["case"]}
            gathered.cores[number, side.slot, case.model] = of_case


def _add_recordings(gathered: _Gathered, folder: Path, without: set[str]) -> bool:
    """Whether there were recordings of figures other than ``without``, readable or not."""
    found: dict[str, list[str]] = {}
    for number in gathered.figures:
        if number.isdecimal() and number not in without:
            found.setdefault(recording_of(number), []).append(number)
    there = {name: numbers for name, numbers in found.items() if is_recorded(_folder_of(folder, name))}
    for name, numbers in there.items():
        gathered.recorded = True
        place = _folder_of(folder, name)
        try:
            rows = recorded_rows(place, _WHOLE if name == f"figure-{SHARED}" else numbers[0])
            cores = recorded_cores(place) if numbers == [_SAMPLED] else ()
        except (HarnessError, SlotError) as error:
            gathered.problems |= dict.fromkeys(numbers, str(error))
            continue
        for number in numbers:
            _add_paper(gathered, number, rows, gathered.figures[number], cores)
    return bool(there)


def _add_paper(
    gathered: _Gathered, number: str, rows: Iterable[PaperRow], figure: Figure, cores: Sequence[CoreSample] = ()
) -> None:
    """The paper's sides. ``cores``: the samples of its sampled figure, which are of the first start there is."""
    known = [replace(row, model=name_in_models_yaml(row.model) or row.model) for row in rows]
    for side in paper_sides(known, paper_facts(), figure.paper_notes):
        gathered.add(number, side, Origin("cuda", papers_machine=True, node=paper_node(side.slot)))
        for case in side.cases[:1] if cores else ():
            run = next(repeat.run for repeat in case.repeats if repeat.kind == MEASURED)
            gathered.cores[number, side.slot, case.model] = {run: paper_core_use(cores)}


def _folder_of(folder: Path, name: str) -> Path:
    """``folder`` may also be the figure's own."""
    return folder if folder.resolve().name == name else folder / name


def _origin(slot: Slot, number: str) -> Origin:
    manifest = slot.manifest
    node = manifest["node"]
    engines = [case["engine"] for case in manifest["cases"]]
    gpus = " ".join(map(str, node.get("gpus") or ()))
    devices = {_engine_of(case, slot)[0] for case in manifest["cases"]}
    device: Device = "cpu" if "cpu" in devices else "cuda"
    cpu, gpu = paper_hardware(str(manifest["slot"]))
    # Figure 1 is about other engines, too.
    engine = number == _RELEASES or {str(engine.get("version")) for engine in engines} == {PAPER_VERSION}
    same = device == "cuda" and engine and cpu in str(node.get("cpu_model")) and gpu in gpus
    return Origin(device, same, str(node["id"]))


def _engine_of(case: Mapping[str, Any], slot: Slot) -> tuple[Device, Pin | None]:
    """The device of the case's engine and, where it is of this version of the harness, its pin."""
    name = str(case["engine"].get("pin"))
    try:
        pin = load_pin(name)
    except HarnessError:
        return ("cuda" if slot.manifest["node"].get("gpus") else "cpu"), None
    return pin.device, pin
