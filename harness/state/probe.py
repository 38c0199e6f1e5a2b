"""How fast the disk under a folder can be read in sequence, past the page cache: the limit of any cold load from it.

fio if it is installed, else a reader of our own with O_DIRECT: four threads, 4 MiB each at a time, one after the other
through the file. The file is random bytes of its own, on the same file system as the model: reading the model itself
would warm caches below the kernel (a disk's, a hypervisor's) that the start is to find as they are. It has no name, so
that nothing is left of it however this process ends.
"""

import json
import mmap
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

FILE_BYTES = 512 << 20
BLOCK_BYTES = 4 << 20
READERS = 4
FIO_LIMIT_S = 120.0


_files: dict[Path, IO[bytes]] = {}  # folder → its probe file


@contextmanager
def probe_files() -> Iterator[None]:
    """Afterwards there are no probe files: runs inside the block share one in each folder."""
    try:
        yield
    finally:
        while _files:
            _files.popitem()[1].close()


def probe(folder: Path) -> tuple[float, str] | None:
    """Bytes per second of the disk under ``folder``, and by what.

    None where it cannot be told: no file can be written there, or not be read directly (O_DIRECT).
    """
    try:
        if folder not in _files:
            _files[folder] = _written(folder)
    except OSError:  # a read-only or full disk: nothing but this number needs the file
        return None
    return sequential_read(Path(f"/proc/{os.getpid()}/fd/{_files[folder].fileno()}"))


def _written(folder: Path) -> IO[bytes]:
    """A new probe file. Raises OSError: it is gone then."""
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  it outlives this call
    try:
        for _ in range(FILE_BYTES // BLOCK_BYTES):
            file.write(os.urandom(BLOCK_BYTES))
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    except BaseException:
        file.close()
        raise
    return file


def sequential_read(path: Path) -> tuple[float, str] | None:
    """The same of a file that is there."""
    fio = shutil.which("fio")
    if fio is not None and (rate := _by_fio(fio, path)) is not None:
        return rate, "fio"
    rate = _by_readers(path)
    return None if rate is None else (rate, f"O_DIRECT, {READERS} readers")


def _by_fio(fio: str, path: Path) -> float | None:
    options = ["--name=probe", f"--filename={path}", "--readonly", "--rw=read", "--direct=1", "--ioengine=psync"]
    options += [f"--bs={BLOCK_BYTES}", f"--numjobs={READERS}", f"--size={FILE_BYTES // READERS}", "--thread"]
    options += [f"--offset_increment={FILE_BYTES // READERS}", "--group_reporting", "--output-format=json"]
    try:
        done = subprocess.run([fio, *options], capture_output=True, timeout=FIO_LIMIT_S, check=True)
        return float(json.loads(done.stdout)["jobs"][0]["read"]["bw_bytes"]) or None
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, IndexError, TypeError):
        return None


def _by_readers(path: Path) -> float | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    except OSError:
        return None
    size = os.fstat(descriptor).st_size
    offsets = iter(range(0, size, BLOCK_BYTES))
    lock, failed = threading.Lock(), threading.Event()

    def read() -> None:
        with mmap.mmap(-1, BLOCK_BYTES) as block:  # aligned, as O_DIRECT wants it
            while not failed.is_set():
                with lock:
                    offset = next(offsets, None)
                if offset is None:
                    return
                try:
                    os.preadv(descriptor, [block], offset)
                except OSError:
                    failed.set()

    readers = [threading.Thread(target=read, name="disk probe") for _ in range(READERS)]
    began = time.monotonic()
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    took_s = time.monotonic() - began
    os.close(descriptor)
    return None if failed.is_set() or not size else size / took_s
