"""Put a finished folder in the place of another, so that readers see the old one or the new one, never half of one."""

import ctypes
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.record.atomic import sync_folder

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def replace_folder(new: Path, folder: Path) -> None:
    """Move ``new`` to ``folder``; whatever folder was there is deleted. Both lie in one file system.

    Raises:
        OSError: nothing was replaced; ``new`` is still there.
    """
    if not folder.exists():
        os.rename(new, folder)
    elif _exchange(new, folder):
        shutil.rmtree(new)
    else:  # NFS and some others cannot exchange: two renames, with a moment in which there is no folder
        old = new.with_name(f"{new.name}.old")
        os.rename(folder, old)
        try:
            os.rename(new, folder)
        except OSError:
            os.rename(old, folder)
            raise
        shutil.rmtree(old)


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make ``folder`` hold these files and no others: under a temporary name, then put in place in one step.

    The files are on the disk before that, for a power cut. What killed processes left of the same attempt is removed.

    Raises:
        OSError: nothing was replaced, and nothing is left of the attempt.
    """
    new = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        sync_folder(new)
        replace_folder(new, folder)
        for left in _left_behind(folder):
            shutil.rmtree(left, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _left_behind(folder: Path) -> list[Path]:
    """Temporary folders of processes that run no more, beside ``folder``."""
    named = re.compile(rf"\.{re.escape(folder.name)}\.(\d{{1,10}})\.tmp(\.old)?")
    found = [(path, named.fullmatch(path.name)) for path in folder.parent.iterdir()]
    return [path for path, name in found if name and not Path(f"/proc/{name[1]}").exists()]


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step (Linux renameat2); False where the file system or libc cannot."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    done = renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return int(done) == 0
