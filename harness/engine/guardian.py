"""Ends an engine's processes when the harness that started them was killed and could not do it itself.

A guardian is a small Python process beside the engine, in a session of its own. It waits on a pipe whose other end only
the harness holds: when the harness dies, the pipe closes. It takes no part in a start: it sleeps until it is let go.

Which processes are the engine's, whoever their parent has become, is known in two ways: they are in the session of the
first one (``start_new_session``), or their environment has the tree's mark, which children inherit. Neither is enough
alone: a child may open a session of its own, and an engine that renames its processes overwrites what /proc shows of
their environment.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

MARK = "COLDSTART_TREE"
_GRACE_S = 5.0
_SWEEPS = 50


class Guardian:
    """A guardian's process, as the harness sees it."""

    def __init__(self) -> None:
        mark = uuid.uuid4().hex
        self.environment = {MARK: mark}  # for the first process of the tree
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve()), mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            env={},
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        self._process.stdout.read(1)  # it is up: its own start must not lie in the measured one
        self._process.stdout.close()

    def watch(self, pid: int) -> None:
        """Guard the tree whose first process, the leader of its session, is ``pid``."""
        self._tell(f"{pid}\n")

    def let_go(self) -> None:
        """The tree has ended: the guardian may go."""
        self._tell(".\n")
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # somebody ended it
            self._process.stdin.write(line.encode())


@contextlib.contextmanager
def guarded() -> Iterator[Guardian]:
    """A guardian for the time of the block."""
    guardian = Guardian()
    try:
        yield guardian
    finally:
        guardian.let_go()


def members(mark: str, session: int | None) -> list[int]:
    """Pids of the living processes that belong to the tree."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            if fields[0] in (b"Z", b"X"):
                continue
            if int(fields[3]) == session or wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def end_members(mark: str, session: int | None, grace_s: float = _GRACE_S) -> None:
    """End every process of the tree: SIGTERM first, SIGKILL after the grace."""
    deadline = time.monotonic() + grace_s
    _signal(members(mark, session), signal.SIGTERM)
    while members(mark, session) and time.monotonic() < deadline:
        time.sleep(0.1)
    for _ in range(_SWEEPS):  # a process can have started another one after it was looked at
        if not (left := members(mark, session)):
            return
        _signal(left, signal.SIGKILL)
        time.sleep(0.02)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _guard(mark: str) -> None:
    """What the guardian's process does."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # what ends the harness must not end its guardian
        signal.signal(number, signal.SIG_IGN)
    os.write(1, b".")
    session = None
    for line in sys.stdin:
        if line == ".\n":
            return
        session = int(line)
    end_members(mark, session)


if __name__ == "__main__":
    _guard(sys.argv[1])
