"""``python3 harness bundle NUM``: slots of a figure as one file, to be carried to another machine."""

import hashlib
import json
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from harness.door import json_errors
from harness.errors import HarnessError
from harness.record.agreement import unfinished
from harness.record.bundle import Bundle, BundleError, is_slot_name, pack
from harness.record.slot import find_slots, read_slot
from harness.record.slotcheck import SlotError
from harness.record.slotfiles import refuse_private, slot_files
from harness.spec.figure import load_figure
from harness.workspace import Workspace


def run_bundle(number: str, out: Path | None, slots: Sequence[str], as_json: bool, workspace: Workspace) -> int:
    """Write the bundle of the figure's ``slots`` (empty: all that are there) to ``out``; returns the exit code.

    Raises:
        HarnessError: a slot that is not there, not finished, damaged or private; or ``out`` is another file already.
    """
    with json_errors(as_json):
        found, content = bundle_of(number, slots, workspace)
        path = out or Path(f"figure-{number}-{'-'.join(found)}.zip")
        _write(path, content)
    lines = [
        f"{path}: {', '.join(found)} of figure {number}, {len(content) / 1e3:.0f} kB",
        f"On the other machine: python3 harness merge {path.name}",
    ]
    print("\n".join(lines), file=sys.stderr if as_json else sys.stdout)
    if as_json:
        digest = hashlib.sha256(content).hexdigest()
        document = {"file": str(path), "figure": number, "slots": list(found), "bytes": len(content), "sha256": digest}
        print(json.dumps(document))
    return 0


def bundle_of(number: str, slots: Sequence[str], workspace: Workspace) -> tuple[list[str], bytes]:
    """The figure's ``slots`` (empty: all that are there) as one file, and their names.

    Raises:
        HarnessError: a slot that is not there, not finished, damaged or private.
    """
    load_figure(number, workspace)
    found = chosen_slots(number, slots, workspace)
    bundle = Bundle(number, {name: _travelling(folder, number, workspace) for name, folder in found.items()})
    try:
        return list(found), pack(bundle)
    except BundleError as error:
        raise HarnessError(f"figure {number}: {error}") from None


def chosen_slots(number: str, wanted: Sequence[str], workspace: Workspace) -> dict[str, Path]:
    """The figure's slot folders by the name of their slot: the ``wanted`` ones, or all.

    Raises:
        HarnessError: one is not there, is there twice, cannot be read or is of another figure.
    """
    folders: dict[str, Path] = {}
    for folder in find_slots(workspace.figure(number)):
        if folder == workspace.figure(number):
            raise HarnessError(
                f"{folder}: a slot's files lie in the figure's own folder; move them into one of their own"
            )
        try:
            manifest = read_slot(folder).manifest
        except SlotError as error:
            raise HarnessError(f"{error}; copy the slot again, or measure it: bash run_figure.sh {number}") from None
        name = str(manifest["slot"])
        if manifest["figure"] != number or not is_slot_name(name):
            raise HarnessError(f"{folder}: a slot '{name}' of figure {manifest['figure']}; move it out of this figure")
        if name in folders:
            raise HarnessError(f"{folder} and {folders[name]} are both slot {name}; move one of them away")
        folders[name] = folder
    for name in wanted:
        if name not in folders:
            there = f"it has {', '.join(folders)}" if folders else "it has none"
            raise HarnessError(
                f"figure {number} has no slot '{name}' here, {there}; measure: bash run_figure.sh {number}"
            )
    if not folders:
        raise HarnessError(f"no slots of figure {number} yet; measure one: bash run_figure.sh {number}")
    return {name: folders[name] for name in sorted(set(wanted) or folders)}


def _travelling(folder: Path, number: str, workspace: Workspace) -> dict[str, bytes]:
    """The slot's files, fit to travel."""
    where = str(folder.relative_to(workspace.root))
    slot, files = read_slot(folder), slot_files(folder)
    if why := unfinished(slot.manifest):
        raise HarnessError(f"{where} is not finished: {why}; repeat: bash run_figure.sh {number}")
    try:
        refuse_private(slot, files, where)
    except SlotError as error:
        raise HarnessError(f"{error}; export it again: bash run_figure.sh {number}") from None
    return files


def _write(path: Path, content: bytes) -> None:
    """Write a file where none is, or the very same."""
    if path.exists() or path.is_symlink():
        if path.is_file() and path.read_bytes() == content:
            return
        raise HarnessError(f"{path}: is there already, with other content; move it away, or name another: --out FILE")
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
