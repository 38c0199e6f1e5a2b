"""Atomic writes: a reader sees the old state or the new one, never half of it."""

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` by way of a temporary name in the same folder.

    What UTF-8 cannot hold (a byte of a foreign encoding in somebody's argument) becomes ``?``: it loses no record.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document that people can read; NaN and infinity are refused, absent numbers are null."""
    write_text(path, json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def sync_folder(folder: Path) -> None:
    """Have everything in ``folder`` on the disk: before it gets the name that says it is complete.

    Raises:
        OSError: it cannot be written there.
    """
    for place, _, files in os.walk(folder):
        for path in (*(Path(place, name) for name in files), Path(place)):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                continue
            opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)


def place_new(made: Path, target: Path) -> None:
    """Move a finished file to where no file is yet, perhaps on another file system.

    Raises:
        FileExistsError: something is there, perhaps since a moment ago; it is not overwritten.
        OSError: it cannot be put there.
    """
    near = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        shutil.move(made, near)
        try:
            os.link(near, target)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: whoever makes the name has it
            target.touch(exist_ok=False)
            near.replace(target)
    finally:
        near.unlink(missing_ok=True)
