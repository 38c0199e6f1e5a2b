"""Ends an engine's processes when the harness that started them could not do it itself: killed, or interrupted twice.

A guardian is a small Python process beside the engine, in a session of its own. It waits on a pipe whose other end only
the harness holds: when the harness dies, the pipe closes. It takes no part in a start: it sleeps until the pipe closes,
and then does nothing if it was told before that the tree has ended.

Which processes are the engine's, whoever their parent has become, is known in three ways: they are in the session of
the first one (``start_new_session``), or their environment has the tree's mark, which children inherit, or their parent
is such a process. None is enough alone: a child may open a session of its own, an engine that renames its processes
overwrites what /proc shows of their environment, and a parent may have ended.
"""

import contextlib
import os
import shutil
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
_DISMISSED_S = 5.0
_AT_WORK_S = 15.0  # its grace, its sweeps, and a slow machine
_POLL_S = 0.05

Members = frozenset[tuple[int, int]]  # pid and, because pids are used again, the clock tick it began at


class Guardian:
    """A guardian's process, as the harness sees it. When it has to end the tree, it also removes ``scratch``."""

    def __init__(self, scratch: Path | None) -> None:
        mark = uuid.uuid4().hex
        self.environment = {MARK: mark}  # for the first process of the tree
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", *_recognised_by(os.getpid()), mark, str(scratch or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            env={},
        )
        self.pid = self._process.pid
        self._dismissed = False
        assert self._process.stdout is not None
        self._process.stdout.read(1)  # it is up: its own start must not lie in the measured one
        self._process.stdout.close()

    def watch(self, pid: int) -> None:
        """Guard the tree whose first process, the leader of its session, is ``pid``."""
        self._tell(f"{pid}\n")

    def dismiss(self) -> None:
        """The tree has ended: the guardian has nothing to do."""
        self._tell(".\n")
        self._dismissed = True

    def let_go(self) -> None:
        """Close the pipe and wait: a guardian that was not dismissed ends the tree now."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=_DISMISSED_S if self._dismissed else _AT_WORK_S)
        except subprocess.TimeoutExpired:  # somebody stopped it
            if self._dismissed:
                self._process.kill()
                self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # somebody ended it
            self._process.stdin.write(line.encode())


@contextlib.contextmanager
def guarded(scratch: Path | None = None) -> Iterator[Guardian]:
    """A guardian for the time of the block; unless the block dismisses it, it ends the tree when the block is left."""
    guardian = Guardian(scratch)
    try:
        yield guardian
    finally:
        guardian.let_go()


def wait_for_guardians(harness: int, within_s: float) -> bool:
    """Wait until no guardian of the harness with this pid, which was killed, has work left; whether that came to pass.

    A measurement that began while the last one's engine is still being ended would share machine and caches with it.
    """
    wanted = b"\0".join(map(os.fsencode, _recognised_by(harness))) + b"\0"
    deadline = time.monotonic() + within_s
    while any(wanted in line for line in _command_lines()):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _recognised_by(harness: int) -> list[str]:
    """What is in the command line of every guardian of that harness, and of nothing else."""
    return [str(Path(__file__).resolve()), str(harness)]


def _command_lines() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_bytes()


def members(mark: str, session: int | None, known: Members = frozenset()) -> Members:
    """The living processes of the tree; ``known`` ones stay in it, also when what showed that has ended."""
    wanted = f"{MARK}={mark}".encode()
    children: dict[int, Members] = {}
    found: Members = frozenset()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            if fields[0] in (b"Z", b"X"):
                continue
            process = (int(folder.name), int(fields[19]))
            children[int(fields[1])] = children.get(int(fields[1]), frozenset()) | {process}
            # The environment last: it cannot be read of a process that has become another user's.
            if (
                process in known
                or int(fields[3]) == session
                or wanted in (folder / "environ").read_bytes().split(b"\0")
            ):
                found |= {process}
    young = found
    while young:
        young = frozenset().union(*(children.get(pid, ()) for pid, _ in young)) - found
        found |= young
    return found


def end_members(mark: str, session: int | None, grace_s: float = _GRACE_S) -> None:
    """End every process of the tree: SIGTERM first, SIGKILL after the grace."""
    deadline = time.monotonic() + grace_s
    told: Members = frozenset()
    while (left := members(mark, session, told)) and time.monotonic() < deadline:
        _signal(left - told, signal.SIGTERM)
        _signal(left - told, signal.SIGCONT)  # one that is stopped would not notice before the grace is over
        told |= left
        time.sleep(_POLL_S)
    for _ in range(_SWEEPS):  # a process can have started another one after it was looked at
        if not (left := members(mark, session, left)):
            return
        _signal(left, signal.SIGKILL)
        time.sleep(0.02)


def _signal(processes: Members, number: signal.Signals) -> None:
    for pid, _ in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _guard(mark: str, scratch: str) -> None:
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
    if scratch:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    _guard(*sys.argv[2:])
