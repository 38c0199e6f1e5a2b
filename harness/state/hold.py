"""Keep files in memory while a start runs: a kernel that reclaims idle pages would undo what was proved before it.

Some kernels give up pages that nobody has touched for a while although there is memory to spare (DAMON's reclaim, on
virtual machines): of a warmed checkpoint one part in fifty was gone after half a minute, and a start needs that long
before it reads its weights. A mapping keeps such a kernel off; locked, it keeps the pages whatever comes. Without the
right to lock (root, or a large enough ``ulimit -l``) the files are only mapped, and the certificate says so.
"""

import ctypes
import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.mlock.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_FAILED = ctypes.c_void_p(-1).value


@contextmanager
def held(paths: Iterable[Path], lock: bool = True) -> Iterator[bool]:
    """Lock the files' pages in memory while the block runs, or only map them; whether all of them are locked."""
    with ExitStack() as mapped:
        yield all([mapped.enter_context(_mapped(path, lock)) for path in paths])


@contextmanager
def _mapped(path: Path, lock: bool) -> Iterator[bool]:
    size = path.stat().st_size
    if not size:
        yield True
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        address = _libc.mmap(None, size, mmap.PROT_READ, flags, descriptor, 0)
    finally:
        os.close(descriptor)
    if address == _FAILED:
        yield False
        return
    try:
        yield lock and _libc.mlock(address, size) == 0
    finally:
        _libc.munmap(address, size)
