"""Change several files of a folder, or none of them."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from harness.errors import HarnessError

NEW_FILE_MODE = 0o644


def replace_all(root: Path, changes: Mapping[str, bytes | None], suffix: str) -> None:
    """Give every path of ``changes`` its new content (None removes it), in order, keeping file modes.

    Everything is written beside its target first, under its name + ``suffix``; then come the renames. A rename gives
    the path a new inode, so that a package cache which shares the old one by a hard link stays as it was. When a step
    fails, the steps before it are taken back.

    Raises:
        HarnessError: a step failed; every file is as it was.
    """
    before = {path: _read(root / path) for path in changes}
    done: list[str] = []
    try:
        for path, data in changes.items():
            if data is not None:
                _write_beside(root / path, data, suffix)
        for path, data in changes.items():
            done.append(path)
            _put(root / path, data is not None, suffix)
    except BaseException as error:
        for path in changes:
            (root / path).with_name(Path(path).name + suffix).unlink(missing_ok=True)
        for path in reversed(done):
            _restore(root / path, before[path], suffix)
        _remove_empty_folders(root, changes)
        if isinstance(error, OSError):
            raise HarnessError(
                f"{error.filename or root}: cannot be changed: {error.strerror}; nothing was changed"
            ) from None
        raise
    _remove_empty_folders(root, changes)


def _read(file: Path) -> tuple[bytes, int] | None:
    try:
        return file.read_bytes(), file.stat().st_mode
    except FileNotFoundError:
        return None


def _write_beside(file: Path, data: bytes, suffix: str, mode: int | None = None) -> None:
    file.parent.mkdir(exist_ok=True)
    new = file.with_name(file.name + suffix)
    new.write_bytes(data)
    if mode is None:
        mode = file.stat().st_mode if file.exists() else NEW_FILE_MODE
    new.chmod(mode & 0o7777)


def _put(file: Path, exists_after: bool, suffix: str) -> None:
    if exists_after:
        os.replace(file.with_name(file.name + suffix), file)
    else:
        file.unlink(missing_ok=True)


def _restore(file: Path, before: tuple[bytes, int] | None, suffix: str) -> None:
    if before is None:
        file.unlink(missing_ok=True)
    elif _read(file) != before:  # a step that failed before it did anything needs no restoring
        _write_beside(file, before[0], suffix, before[1])
        _put(file, True, suffix)


def _remove_empty_folders(root: Path, changes: Mapping[str, bytes | None]) -> None:
    for folder in {(root / path).parent for path in changes} - {root}:
        with contextlib.suppress(OSError):  # not empty, or not there
            folder.rmdir()
