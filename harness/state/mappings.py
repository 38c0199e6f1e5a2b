"""Which live processes map a file or have it open: what keeps its pages in memory, or brings them back.

Files are known by device and inode, not by name: a hard link, a symlink or a bind mount leads to the same pages.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.record.plain import printable

_Identity = tuple[int, int]  # device and inode


@dataclass(frozen=True)
class Holder:
    """A live process that has a file in use."""

    pid: int
    name: str  # of its command, as the kernel keeps it: 15 characters
    maps: bool  # False: it only has it open

    def __str__(self) -> str:
        return "this process" if self.pid == os.getpid() else f"pid {self.pid} ({self.name})"


@dataclass
class Holders:
    """What one pass over all processes found."""

    of: dict[Path, list[Holder]]  # by pid, those that map the file first
    unseen: int = 0  # processes that this user may not look at; those of other containers are not even counted


def holders(paths: Iterable[Path]) -> Holders:
    """The processes that map each file or have it open.

    Raises:
        HarnessError: a path does not exist.
    """
    found = Holders({path: [] for path in paths})
    wanted: dict[_Identity, list[Path]] = defaultdict(list)
    for path in found.of:
        wanted[_identity(path)].append(path)
    by_inode: dict[bytes, list[_Identity]] = defaultdict(list)
    for identity in wanted:
        by_inode[str(identity[1]).encode()].append(identity)
    for process in (name for name in os.listdir("/proc") if name.isdecimal()):
        try:
            mapped = set(_mapped(f"/proc/{process}", by_inode))
            for identity in mapped.union(_open(f"/proc/{process}", wanted)):
                for path in wanted[identity]:
                    found.of[path].append(Holder(int(process), _name(process), identity in mapped))
        except PermissionError:
            found.unseen += _has_memory(process)
        except OSError:
            continue  # it has ended
    for each in found.of.values():
        each.sort(key=lambda holder: (not holder.maps, holder.pid))
    return found


def _identity(path: Path) -> _Identity:
    try:
        status = path.stat()
    except OSError as error:
        raise HarnessError(f"{path}: {error.strerror}") from None
    return status.st_dev, status.st_ino


def _mapped(process: str, by_inode: dict[bytes, list[_Identity]]) -> Iterator[_Identity]:
    """The wanted files that the process maps."""
    with open(f"{process}/maps", "rb") as maps:
        lines = maps.read().splitlines()
    files = {tuple(line.split(None, 5)[3:]) for line in lines}  # device, inode, path; a library has several mappings
    for device, inode, *path in files:
        if inode in by_inode:
            major, minor = (int(part, 16) for part in device.split(b":"))
            for identity in by_inode[inode]:
                if os.makedev(major, minor) == identity[0] or _is_there(process, path, identity):
                    yield identity


def _is_there(process: str, path: list[bytes], identity: _Identity) -> bool:
    """Whether the mapped path is that file: btrfs and overlayfs tell maps another device than they tell stat."""
    with suppress(OSError):
        status = os.stat(f"{process}/root".encode() + path[0]) if path else None
        return status is not None and (status.st_dev, status.st_ino) == identity
    return False


def _open(process: str, wanted: dict[_Identity, list[Path]]) -> Iterator[_Identity]:
    """The wanted files that the process has open."""
    for name in os.listdir(f"{process}/fd"):
        with suppress(OSError):  # closed meanwhile
            status = os.stat(f"{process}/fd/{name}")
            if (status.st_dev, status.st_ino) in wanted:
                yield status.st_dev, status.st_ino


def _name(process: str) -> str:
    return printable(Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace").strip())


def _has_memory(process: str) -> bool:
    """Whether it can map anything: the kernel's own threads and processes that have ended cannot."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False
