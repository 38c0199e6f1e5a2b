"""Slots as the files that travel: read from their folders, proved to be nobody's, and put in place all or none."""

import csv
import errno
import io
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.record.bundle import Files
from harness.record.plain import printable
from harness.record.private import names_here, ties, without_private
from harness.record.slot import MANIFEST, Slot, read_slot
from harness.record.slotcheck import SlotError


def slot_files(folder: Path) -> dict[str, bytes]:
    """The files of a slot, by name: the manifest and what it lists, nothing else that lies there.

    Raises:
        SlotError: the slot is damaged.
    """
    slot = read_slot(folder)
    names = [MANIFEST, *(entry["name"] for entry in slot.manifest["files"])]
    return {name: (folder / name).read_bytes() for name in names}


def refuse_private(slot: Slot, files: Files, where: str) -> None:
    """Raise SlotError if the slot names this machine, its user, or a place on it: then it must not travel."""
    names, kept = names_here(), ties(slot.manifest)
    try:
        texts = {
            cell
            for name, content in files.items()
            if name != MANIFEST
            for line in csv.reader(io.StringIO(content.decode("utf-8"), newline=""))
            for cell in line
        }
    except (UnicodeDecodeError, csv.Error) as error:
        raise SlotError(f"{where}: a file that is not CSV: {error}") from None
    told = next((text for text in sorted(texts) if without_private(text, names, kept) != text), None)
    told = told or _first_difference(slot.manifest, without_private(slot.manifest, names, kept))
    if told is not None:
        raise SlotError(f"{where}: names this machine, its user or a place on it: {printable(told, 60)!r}")


def write_slot_files(folder: Path, files: Files) -> None:
    """Write the files into a new folder."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def place(folders: Mapping[Path, Path]) -> None:
    """Rename each finished folder (value) to its place (key), where nothing may be yet: all of them, or none.

    Raises:
        OSError: nothing is placed.
    """
    placed: list[Path] = []
    try:
        for target, folder in folders.items():
            if os.path.lexists(target) and (target.is_symlink() or any(target.iterdir())):
                raise FileExistsError(errno.EEXIST, "it was made meanwhile", str(target))
            folder.rename(target)
            placed.append(target)
    except BaseException:
        for target in placed:
            target.rename(folders[target])
        raise


def discard(folder: Path) -> None:
    """Remove a folder that was not placed."""
    shutil.rmtree(folder, ignore_errors=True)


def _first_difference(one: object, other: object) -> str | None:
    """The first text of ``one`` that is another one in ``other``, which is of the same shape."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if differing := [str(key) for key in one if key not in other]:
            return differing[0]
        pairs = [(item, other[key]) for key, item in one.items()]
    elif isinstance(one, list) and isinstance(other, list):
        pairs = list(zip(one, other, strict=True))
    else:
        return None if one == other else str(one)
    return next((found for pair in pairs if (found := _first_difference(*pair)) is not None), None)
