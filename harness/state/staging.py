"""Copies of a model for the storage levels ``tmpfs`` (in /dev/shm, removed after the call) and ``path:DIR`` (kept).

A copy is made under a hidden name and gets its own when every file is on the disk: half a copy is never used. One that
is there is used again if its files have the names, sizes and times of the model's.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError
from harness.spec.state import PATH
from harness.state.filesystem import filesystem_of

SHARED_MEMORY = Path("/dev/shm")
COPIES = "coldstart-models"  # in a folder of the user's: what is below it is ours to replace


@contextmanager
def memory_copies(root: Path) -> Iterator[None]:
    """Inside the block copies in memory may be made for the checkout ``root``; afterwards there are none.

    What a killed call left goes first: the caller holds the checkout's measurement lock, so nobody uses it.
    """
    folder = _memory_folder(root)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def placed(model: Path, level: str, root: Path, announce: Callable[[str], None]) -> Path:
    """Where the model in folder ``model`` is to be read from at storage ``level``; a copy is made where one is needed.

    Raises:
        HarnessError: it does not fit, cannot be written, or DIR is no disk's.
    """
    if level == "tmpfs":
        return _copied(model, _memory_folder(root), announce)
    if level.startswith(PATH):
        folder = Path(level.removeprefix(PATH)).resolve()
        if filesystem_of(folder).in_memory:
            raise HarnessError(f"--storage {level}: this folder is in memory; that is --storage tmpfs")
        return _copied(model, folder / COPIES, announce)
    return model


def _memory_folder(root: Path) -> Path:
    """Another checkout's copies have another name."""
    return SHARED_MEMORY / f"coldstart-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]}"


def _copied(model: Path, folder: Path, announce: Callable[[str], None]) -> Path:
    target = folder / model.name
    files = _files(model)
    if target.is_dir() and _listing(target) == _listing(model):
        return target
    making = folder / f".{model.name}.copying"
    needed = sum(path.stat().st_size for path in files)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(making, ignore_errors=True)
        shutil.rmtree(target, ignore_errors=True)
        if (free := shutil.disk_usage(folder).free) < needed:
            raise OSError(errno.ENOSPC, f"it takes {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
        announce(f"Copying {model.name} ({needed / 1e9:.2f} GB) to {folder}")
        for path in files:
            copy = making / path.relative_to(model)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
            with copy.open("rb") as file:
                os.fsync(file.fileno())
        making.rename(target)
    except OSError as error:
        raise HarnessError(f"{target}: the model cannot be copied there ({error.strerror or error})") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return target


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _listing(folder: Path) -> list[tuple[str, int, int]]:
    stats = [(str(path.relative_to(folder)), path.stat()) for path in _files(folder)]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
