"""Files, processes and mounts for tests of the page cache: all of them real."""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.state.files import FilesState
from harness.state.pagecache import PAGE

SIZE = 1 << 20

# What another process does with the file that it is given, once for each line it gets; it answers with a line.
USES = {
    "reads": "file.seek(0); file.read()",
    "writes": "file.seek(0); file.write(bytes(1 << 16))",
    "maps": "mapping = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ); sum(mapping[::4096])",
    "maps without a look": "mapping = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)",
    "opens": "pass",
}


class User:
    """A live process that has a file open and, when told, does something with it."""

    def __init__(self, path: Path, use: str) -> None:
        mode = "r+b" if use == "writes" else "rb"
        code = (
            "import mmap, sys\nfile = open(sys.argv[1], sys.argv[2], buffering=0)\n"
            f"for line in sys.stdin:\n    {USES[use]}\n    print(flush=True)"
        )
        command = [sys.executable, "-S", "-E", "-c", code, str(path), mode]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self.name = ""

    def act(self) -> None:
        """Have it done, once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "\n"

    def end(self) -> None:
        """End it."""
        self._process.communicate()


@contextmanager
def user(path: Path, use: str) -> Iterator[User]:
    """A process that has used ``path`` once, and lives until the block is left."""
    started = User(path, use)
    try:
        started.act()  # from now on it is Python, not a fork of this process
        started.name = Path(f"/proc/{started.pid}/comm").read_text().strip()
        yield started
    finally:
        started.end()


def make_file(path: Path, size: int = SIZE) -> Path:
    """A file with content that is on the disk and in memory."""
    with path.open("wb") as file:
        file.write(os.urandom(size))
        file.flush()
        os.fsync(file.fileno())
    return path


def reason(state: FilesState) -> str:
    """Why files are not in the state that was wanted, which must be one line."""
    assert len(str(state.reason).splitlines()) == 1
    return str(state.reason)


def read_pages(path: Path, pages: "set[int] | range") -> None:
    """Read single pages, without the kernel's reading ahead."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
        for page in pages:
            os.pread(file, 1, page * PAGE)
    finally:
        os.close(file)


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[Path]:
    """``mount ARGUMENTS FOLDER``, until the block is left."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *arguments, str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def overlaid(lower: Path) -> Iterator[Path]:
    """``lower`` as a container sees it: through overlayfs."""
    with tempfile.TemporaryDirectory(dir=lower.parent) as name:
        above = Path(name)
        (above / "empty").mkdir()
        layers = f"lowerdir={above}/empty:{lower}"
        with mounted(above / "merged", "-t", "overlay", "overlay", "-o", layers) as folder:
            yield folder


@contextmanager
def public_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        yield Path(name)


def as_nobody(body: Callable[[], Any]) -> Any:
    """What ``body`` returns to a user without rights, as JSON knows it; it runs in a process of its own."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE, as after exec: may look at its own /proc
            try:
                told = json.dumps(body())
            except Exception as error:
                told = json.dumps(f"{type(error).__name__}: {error}")
            os.write(writing, told.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    if not told:
        pytest.skip("needs the right to become another user")
    return json.loads(told)
