"""The page cache of one file: put it out, read it in, and ask by two system calls how much of it is in memory.

Neither call alone is a proof. cachestat(2) (kernel ≥ 6.5) counts at once, also pages that are still being read, but it
sees nothing through overlayfs. mincore(2) walks page by page and calls every page of a file resident if the caller
neither owns the file nor may write it. Where one of them is blind, the other is believed; where both are, nothing is.
"""

import ctypes
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError

PAGE = mmap.PAGESIZE
BLOCK_BYTES = 8 << 20  # one read
_CACHESTAT = 451  # the call's number on every architecture
_WINDOW_BYTES = 65536 * PAGE  # mapped at a time: what is told of it needs 64 KiB
_MAP_FAILED = ctypes.c_void_p(-1).value
_RESIDENT = bytes(value & 1 for value in range(256))  # mincore's other bits are undefined
_CAP_FOWNER = 1 << 3
_NOBODY = 65534  # an owner that this user namespace has no number for

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *3 * (ctypes.c_int,), ctypes.c_long)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)


class _Range(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("offset", "length")]


class _Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("cached", "dirty", "writeback", "evicted", "recent")]


@dataclass(frozen=True)
class Residency:
    """How much of a file is in the page cache; None = cannot be told, ``how`` says why."""

    bytes: int
    resident_bytes: int | None  # of the call that sees more; at most ``bytes``, and that only if every page is there
    dirty_bytes: int | None  # of them, not on the disk yet
    how: str
    complete_bytes: int | None = None  # of them, those whose content is there: a page that is still being read is not
    identity: tuple[int, int, int] = (0, 0, 0)  # device, inode and time of modification of the file that was looked at

    @property
    def is_resident(self) -> bool:
        """Whether every page is there, with its content."""
        return self.resident_bytes == self.complete_bytes == self.bytes

    @property
    def is_evicted(self) -> bool:
        """Whether no page is there."""
        return self.resident_bytes == 0


def evict(path: Path) -> None:
    """Write the file's dirty pages out, then tell the kernel to drop all of them. Success proves nothing.

    Raises:
        HarnessError: it cannot be read or written out, or is no regular file.
    """
    with _opened(path) as (file, status):
        # On most file systems fsync flushes the disk's own cache even if there is nothing to write: 0.1 ms each.
        counts = _cachestat(file, status.st_size)
        if counts is None or counts.cached == 0 or counts.dirty + counts.writeback > 0:
            os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def warm(path: Path) -> None:
    """Read the file from beginning to end. Errors as for ``evict``."""
    with _opened(path) as (file, status):
        block = bytearray(max(1, min(BLOCK_BYTES, status.st_size)))
        while os.readv(file, [block]):
            pass


def residency(path: Path) -> Residency:
    """How much of the file is in memory now. Errors as for ``evict``."""
    with _opened(path) as (file, status):
        size, identity = status.st_size, (status.st_dev, status.st_ino, status.st_mtime_ns)
        if size == 0:
            return Residency(0, 0, 0, "it is empty", 0, identity)
        pages = -(-size // PAGE)
        counts, found = _cachestat(file, size), _mincore(file, size)
        if counts is not None and found is not None and counts.cached != found:  # somebody reads it just now?
            counts, found = _cachestat(file, size), _mincore(file, size)
        told_to_all = found != pages or _may_ask(path, status)

    def pages_bytes(number: int) -> int:
        return min(number * PAGE, size)

    if found is not None and told_to_all:
        if counts is not None and counts.cached >= found:
            cached, dirty = pages_bytes(counts.cached), pages_bytes(counts.dirty + counts.writeback)
            return Residency(size, cached, dirty, "cachestat and mincore", pages_bytes(found), identity)
        return Residency(size, pages_bytes(found), None, "mincore", pages_bytes(found), identity)
    if counts is not None and counts.cached > 0:
        cached, dirty = pages_bytes(counts.cached), pages_bytes(counts.dirty + counts.writeback)
        return Residency(size, cached, dirty, "cachestat", cached, identity)
    if found is None:
        return Residency(size, None, None, "the kernel does not tell of this file", None, identity)
    why = f"only its owner (user {status.st_uid}) and who may write it are told"
    return Residency(size, None, None, why, None, identity)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """The open file and its status; what the system refuses becomes one line."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)  # a pipe must not block
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise HarnessError(f"{path}: not a regular file; its pages cannot be looked at")
            yield file, status
        finally:
            os.close(file)
    except OSError as error:
        raise HarnessError(f"{path}: {error.strerror}; its pages cannot be looked at") from None


def _cachestat(file: int, size: int) -> _Counts | None:
    """Pages of the first ``size`` bytes; None: an old kernel, a filter of system calls, or not for this user's eyes."""
    counts = _Counts()
    wanted = _Range(0, size)  # a large page may reach beyond the file's end
    failed = _libc.syscall(_CACHESTAT, file, ctypes.byref(wanted), ctypes.byref(counts), 0)
    return None if failed else counts


def _mincore(file: int, size: int) -> int | None:
    """Resident pages, by mappings that are never touched; None: the file system cannot map it."""
    found = 0
    for offset in range(0, size, _WINDOW_BYTES):
        length = min(_WINDOW_BYTES, size - offset)
        address = _libc.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, file, offset)
        if address == _MAP_FAILED:
            return None
        told = ctypes.create_string_buffer(-(-length // PAGE))
        failed = _libc.mincore(address, length, told)
        _libc.munmap(address, length)
        if failed:
            return None
        found += told.raw.translate(_RESIDENT).count(1)
    return found


def _may_ask(path: Path, status: os.stat_result) -> bool:
    """Whether mincore tells the truth to this user; else all pages are resident, in its words."""
    if status.st_uid == os.geteuid() or os.access(path, os.W_OK, effective_ids=True):
        return True
    fields = dict(line.split(":\t") for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return bool(int(fields["CapEff"], 16) & _CAP_FOWNER) and _NOBODY not in (status.st_uid, status.st_gid)
