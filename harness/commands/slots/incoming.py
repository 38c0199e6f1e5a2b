"""What bundles bring: slots, checked, in hidden folders beside the places that they will get."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import HarnessError
from harness.record.bounded import UnreadableError, read_bounded
from harness.record.bundle import MAX_BUNDLE_BYTES, Bundle, BundleError, Files, is_slot_name, unpack
from harness.record.slot import MANIFEST, Slot, read_slot, write_slot
from harness.record.slotcheck import SlotError
from harness.record.slotfiles import discard, slot_files, write_slot_files
from harness.record.tables import SLOT_TABLES
from harness.spec.figure import Figure, load_figure
from harness.workspace import Workspace


@dataclass(frozen=True)
class Incoming:
    """A slot of a bundle, read and checked, in a hidden folder beside its place."""

    where: str  # of which file
    figure: Figure
    target: Path
    staged: Path
    slot: Slot
    files: Files


def open_bundle(path: Path) -> Bundle:
    """The bundle in a file. Raises HarnessError naming it."""
    try:
        return unpack(read_bounded(Path(os.path.realpath(path)), MAX_BUNDLE_BYTES))
    except (BundleError, UnreadableError) as error:
        raise HarnessError(f"{path}: {error}") from None


def renamed(bundles: Mapping[str, Bundle], name: str) -> dict[str, Bundle]:
    """The bundles with their only slot under another name. Raises HarnessError if there are several."""
    slots = [slot for bundle in bundles.values() for slot in bundle.slots]
    if len(slots) != 1:
        raise HarnessError(f"--as {name} needs a single slot, these files hold {len(slots)}: {', '.join(slots)}")
    return {where: replace(bundle, slots={name: bundle.slots[slots[0]]}) for where, bundle in bundles.items()}


def staged_slots(
    where: str, bundle: Bundle, as_slot: str | None, workspace: Workspace, staging: ExitStack
) -> list[Incoming]:
    """The bundle's slots in hidden folders, which are removed when ``staging`` ends unless they were placed."""
    try:
        figure = load_figure(bundle.figure, workspace)
    except HarnessError as error:
        raise HarnessError(f"{where}: {error}") from None
    found: list[Incoming] = []
    for name, files in bundle.slots.items():
        _check_name(f"{where}: {name}", name, figure)
        target = workspace.figure(figure.figure) / name
        staged = target.with_name(f".{name}.{os.getpid()}.{len(found)}.merging")
        staging.callback(discard, staged)
        discard(staged)
        write_slot_files(staged, files)
        try:
            slot = _checked(staged, files, name, figure, as_slot)
        except SlotError as error:
            raise HarnessError(f"{where}: {str(error).replace(str(staged), name)}") from None
        found.append(Incoming(f"{where}: {name}", figure, target, staged, slot, slot_files(staged)))
    return found


def _check_name(where: str, name: str, figure: Figure) -> None:
    """Where slots are compared, each has its role and name; elsewhere any number of machines may stand side by side."""
    if figure.differ and name not in figure.slots:
        slots = " and ".join(figure.slots)
        raise HarnessError(f"{where}: figure {figure.figure} has the slots {slots}; name one of them: --as SLOT")
    if not is_slot_name(name):
        raise HarnessError(f"{where}: no name for a slot; use small letters, digits, - and _")


def _checked(staged: Path, files: Files, name: str, figure: Figure, as_slot: str | None) -> Slot:
    slot = read_slot(staged)
    if slot.manifest["figure"] != figure.figure:
        raise SlotError(f"{staged}: a slot of figure {slot.manifest['figure']} in a bundle of figure {figure.figure}")
    if stray := sorted(files.keys() - {MANIFEST} - {entry["name"] for entry in slot.manifest["files"]}):
        raise SlotError(f"{staged}: {stray[0]} is not among the files of its {MANIFEST}")
    if as_slot is not None:
        if unknown := sorted(slot.tables.keys() - SLOT_TABLES.keys()):
            raise SlotError(f"{staged}: this version cannot rename {unknown[0]}, it does not know it; update it")
        rows = [replace(row, slot=name) for row in slot.rows]
        write_slot(staged, rows, {**slot.manifest, "slot": name}, slot.tables)
        return read_slot(staged)
    if slot.manifest["slot"] != name:
        raise SlotError(f"{staged}: {MANIFEST} says that it is slot {slot.manifest['slot']}")
    return slot
