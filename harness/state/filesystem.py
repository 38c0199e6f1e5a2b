"""Where a path lies: its file system, the block device below, and the settings that decide how fast it reads.

What a page cache proves depends on it: files of a tmpfs are memory, and a server, a FUSE program or a loop device's
backing file may hold in memory what this machine's page cache has dropped.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs", "hugetlbfs"})
NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "cvfs", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs"}
    | {"nfs4", "orangefs", "panfs", "pvfs2", "quobyte", "smb3", "smbfs", "virtiofs", "vmhgfs", "wekafs"}
)


@dataclass(frozen=True)
class FileSystem:
    """One mounted file system; a fact that the kernel does not tell is None."""

    kind: str  # as the kernel calls it: ext4
    device: str  # major:minor
    device_name: str | None = None  # vda; tmpfs, overlay, network and others have no block device
    disks: tuple[str, ...] = ()  # the whole disks below: vda; of device-mapper and RAID there may be several
    device_model: str | None = None  # of the first of them
    scheduler: str | None = None
    read_ahead_bytes: int | None = None
    rotational: bool | None = None
    is_buffered_loop: bool = False  # a file's content as a device, read through that file's own page cache

    @property
    def in_memory(self) -> bool:
        """Whether its files lie in memory, whatever is evicted."""
        return self.kind in MEMORY or any(re.fullmatch(r"z?ram\d+", disk) for disk in self.disks)

    @property
    def network(self) -> bool:
        """Whether a server or, with FUSE, a program stands behind it that may keep files in its own memory."""
        return self.kind in NETWORK or self.kind.startswith("fuse")

    @property
    def overlay(self) -> bool:
        """Whether the files' pages belong to a file system below."""
        return self.kind == "overlay"

    @property
    def elsewhere(self) -> str | None:
        """Why a file may lie in this machine's memory when its pages are gone; None: nothing of the kind is known."""
        if self.in_memory:
            return f"on {self.kind if self.kind in MEMORY else self.device_name}, which is memory"
        if self.is_buffered_loop:
            return f"on {self.device_name}, which reads from a file that has pages of its own"
        return "on zfs, which keeps what was read in a cache of its own (ARC)" if self.kind == "zfs" else None


def filesystem_of(path: Path) -> FileSystem:
    """The file system that holds ``path``, or would hold it if it were made: a folder above it is there.

    The kernel is asked for the mount itself: the longest mount point in a list may be hidden below another mount.
    """
    mount = _mount_id(path)
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        left, _, right = line.partition(" - ")
        if left.split()[0] == mount:
            kind, source = right.split(" ")[:2]
            return _file_system(kind, _device(left.split()[2], source))
    return FileSystem("unknown", "0:0")


def _mount_id(path: Path) -> str | None:
    """Number of the mount, as in mountinfo."""
    path = path.absolute()
    while True:
        try:
            file = os.open(path, os.O_PATH | os.O_CLOEXEC)
            break
        except OSError:
            if path == path.parent:
                return None
            path = path.parent
    try:
        text = _read(Path(f"/proc/self/fdinfo/{file}")) or ""
    finally:
        os.close(file)
    found = re.search(r"^mnt_id:\s*(\d+)", text, re.MULTILINE)
    return found[1] if found else None


def _device(number: str, source: str) -> str:
    """The block device's number: file systems of several devices, such as btrfs, have one that is no device."""
    if number.startswith("0:") and source.startswith("/dev/"):
        try:
            status = os.stat(source)
        except OSError:
            return number
        if stat.S_ISBLK(status.st_mode):
            return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return number


def _file_system(kind: str, device: str) -> FileSystem:
    block = Path(f"/sys/dev/block/{device}").resolve()
    if not block.exists():
        return FileSystem(kind, device, read_ahead_bytes=_read_ahead(Path(f"/sys/class/bdi/{device}/read_ahead_kb")))
    disks = _disks(block)
    queue = _whole(block) / "queue"
    schedulers = _read(queue / "scheduler")
    chosen = re.search(r"\[(.+?)\]", schedulers or "")
    rotational = _read(queue / "rotational")
    return FileSystem(
        kind=kind,
        device=device,
        device_name=block.name,
        disks=tuple(disk.name for disk in disks),
        device_model=_read(disks[0] / "device" / "model") or disks[0].name,
        scheduler=chosen[1] if chosen else schedulers,
        read_ahead_bytes=_read_ahead(queue / "read_ahead_kb"),
        rotational=None if rotational is None else rotational == "1",
        is_buffered_loop=any(_read(disk / "loop" / "dio") == "0" for disk in disks),
    )


def _whole(block: Path) -> Path:
    """The device whose queue it uses: a partition has none of its own."""
    return block.parent if (block / "partition").exists() else block


def _disks(block: Path) -> list[Path]:
    """The disks below device-mapper, RAID and partitions."""
    below = sorted(_whole(block).glob("slaves/*"))
    return [disk for each in below for disk in _disks(each.resolve())] or [_whole(block)]


def _read_ahead(path: Path) -> int | None:
    text = _read(path)
    return None if text is None else int(text) << 10


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
