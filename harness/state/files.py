"""The state of a set of files in the page cache, and how to bring it about: ``look``, ``make_cold``, ``make_warm``.

``look`` is the proof before a run. What is asked for is asked of the kernel; that a call succeeded counts for nothing.
"""

import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import psutil

from harness.errors import HarnessError
from harness.state.defeats import why_resident
from harness.state.filesystem import FileSystem, filesystem_of
from harness.state.pagecache import Residency, evict, residency, warm

Verdict = Literal["resident", "evicted", "partial", "unverifiable"]

PAUSE_S = 0.2  # between attempts to evict what comes back


@dataclass(frozen=True)
class FileState:
    """One file; ``resident`` means every page, ``evicted`` none. An empty file is evicted."""

    path: Path
    bytes: int
    resident_bytes: int | None  # None = cannot be told
    verdict: Verdict
    reason: str | None = None  # why it is not what was wanted, or cannot be told
    identity: tuple[int, int, int] = (0, 0, 0)  # device, inode, time of modification


@dataclass(frozen=True)
class FilesState:
    """All files together."""

    files: tuple[FileState, ...]

    @cached_property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)

    @cached_property
    def resident_bytes(self) -> int | None:
        """How much of them is in memory; None = cannot be told of every file."""
        known = [file.resident_bytes for file in self.files if file.resident_bytes is not None]
        return sum(known) if len(known) == len(self.files) else None

    @property
    def resident_fraction(self) -> float | None:
        """The same as a share; None also if it would prove nothing, or there is no byte."""
        if self.verdict == "unverifiable" or self.resident_bytes is None or self.bytes == 0:
            return None
        return self.resident_bytes / self.bytes

    @cached_property
    def verdict(self) -> Verdict:
        """Of all files: unverifiable if one is; empty ones have no say."""
        verdicts = {file.verdict for file in self.files if file.bytes or file.verdict == "unverifiable"}
        if "unverifiable" in verdicts:
            return "unverifiable"
        return verdicts.pop() if len(verdicts) == 1 else "partial" if verdicts else "evicted"

    @property
    def reason(self) -> str | None:
        """That of the first file that has one, and how many others have; those that decide the verdict come first."""
        told = sorted((file for file in self.files if file.reason), key=lambda file: file.verdict != self.verdict)
        if told:
            more = f" (and {len(told) - 1:,} more files)" if len(told) > 1 else ""
            return f"{told[0].path.name}: {told[0].reason}{more}"
        if self.verdict == "partial":
            resident = sum(file.verdict == "resident" for file in self.files)
            return f"{resident:,} of {len(self.files):,} files are resident"
        return None

    def holds(self, wanted: Verdict) -> bool:
        """Whether this is the state that was wanted; without a byte it is any."""
        return self.verdict == wanted or (self.bytes == 0 and self.verdict != "unverifiable")

    def changed(self) -> str | None:
        """How the first file that is no longer what was looked at has changed since; None = all are as they were."""
        for file in self.files:
            try:
                status = file.path.stat()
            except OSError as error:
                return f"{file.path.name}: {error.strerror}"
            if (status.st_dev, status.st_ino) != file.identity[:2]:
                return f"{file.path.name}: another file has taken its place"
            if status.st_size != file.bytes:
                return f"{file.path.name}: its size has changed from {file.bytes:,} to {status.st_size:,} bytes"
            if status.st_mtime_ns != file.identity[2]:
                return f"{file.path.name}: it was written to"
        return None


def look(paths: Iterable[Path], wanted: Verdict | None = None) -> FilesState:
    """What is in memory now. ``wanted``: say why a file is in another state, which takes a look at all processes.

    Raises:
        HarnessError: a path does not exist, is no regular file, or cannot be read.
    """
    mounted: dict[int, FileSystem] = {}
    state = FilesState(tuple(_look_at(path, mounted) for path in paths))
    return state if wanted is None else _explained(state, wanted)


def make_cold(paths: Iterable[Path], attempts: int = 3) -> FilesState:
    """Evict the files, and look; what is there all the same is evicted again, and in the end explained.

    Raises:
        HarnessError: as for ``look``; also, that a file cannot be written out.
    """
    paths = list(paths)
    state = look(paths)
    for attempt in range(attempts):
        left = _left(state, "evicted", attempt)
        if not left:
            break
        if attempt:
            time.sleep(PAUSE_S)
        for file in left:
            evict(file.path)
        state = look(paths)
    return _explained(state, "evicted")


def make_warm(paths: Iterable[Path], attempts: int = 3) -> FilesState:
    """Read what is not in memory, and look; what has gone again meanwhile is read again.

    Raises:
        HarnessError: as for ``look``; also, that the files do not fit into memory.
    """
    paths = list(paths)
    state = look(paths)
    for attempt in range(attempts):
        left = _left(state, "resident", attempt)
        if not left:
            break
        _check_room(state)
        for file in left:
            warm(file.path)
        state = look(paths)
    return _explained(state, "resident")


def files_below(path: Path) -> list[Path]:
    """The regular files of a file or folder, by name; links are followed, and a file of several names is listed once.

    Raises:
        HarnessError: nothing is there, a link leads nowhere, or a folder cannot be read.
    """
    found: dict[tuple[int, int], Path] = {}
    folders: set[tuple[int, int]] = set()

    def add(each: Path) -> None:
        status = each.stat()
        identity = (status.st_dev, status.st_ino)
        if stat.S_ISREG(status.st_mode):
            found.setdefault(identity, each)
        elif stat.S_ISDIR(status.st_mode) and identity not in folders:  # a link may lead to a folder above
            folders.add(identity)
            for entry in sorted(each.iterdir()):
                add(entry)

    try:
        add(path)
    except OSError as error:
        raise HarnessError(f"{error.filename or path}: {error.strerror}; name a file or a folder of files") from None
    if not found:
        what = "no file in it" if path.is_dir() else "neither a regular file nor a folder"
        raise HarnessError(f"{path}: {what}; name a file or a folder of files")
    return list(found.values())


def _look_at(path: Path, mounted: dict[int, FileSystem]) -> FileState:
    """``mounted``: the file systems known so far, by device."""
    found = residency(path)
    device = found.identity[0]
    if device not in mounted:
        mounted[device] = filesystem_of(path)
    verdict, reason = _judge(found, mounted[device])
    state = FileState(path, found.bytes, found.resident_bytes, verdict, reason, found.identity)
    if change := FilesState((state,)).changed():
        return replace(state, verdict="unverifiable", reason=f"not the same after the look at it ({change})")
    return state


def _judge(found: Residency, mounted: FileSystem) -> tuple[Verdict, str | None]:
    if mounted.network:
        return "unverifiable", f"on {mounted.kind}: what its server or program holds in memory cannot be seen from here"
    if found.resident_bytes is None:
        return "unverifiable", found.how
    if found.is_resident and found.bytes:
        return "resident", None
    if mounted.elsewhere:
        return "unverifiable", mounted.elsewhere
    if found.is_evicted:
        return "evicted", None
    unread = "" if found.complete_bytes == found.resident_bytes else " or being read"
    return "partial", f"{found.resident_bytes:,} of its {found.bytes:,} bytes are in memory{unread}"


def _left(state: FilesState, wanted: Verdict, attempt: int) -> list[FileState]:
    """The files that are not in the state wanted. What cannot be told is left to the first attempt: it may help."""
    done = {wanted} if attempt == 0 else {wanted, "unverifiable"}
    return [file for file in state.files if file.bytes and file.verdict not in done]


def _explained(state: FilesState, wanted: Verdict) -> FilesState:
    """With a reason for each file that is not as wanted; what cannot be told has one."""
    wrong = [file.path for file in _left(state, wanted, attempt=1)]
    if not wrong:
        return state
    if wanted == "evicted":
        why = why_resident(wrong)
    else:
        room = psutil.virtual_memory().available
        why = dict.fromkeys(wrong, f"not all of it stayed in memory, of which {room / 1e9:.2f} GB are available")
    return FilesState(tuple(replace(file, reason=why.get(file.path, file.reason)) for file in state.files))


def _check_room(state: FilesState) -> None:
    """Raise HarnessError if the files do not fit into memory together. What is available includes the page cache."""
    room = psutil.virtual_memory().available
    if state.bytes > room:
        raise HarnessError(
            f"{state.files[0].path.parent}: {state.bytes / 1e9:.2f} GB of files do not fit into the "
            f"{room / 1e9:.2f} GB of memory that are available; measure with --storage ssd"
        )
