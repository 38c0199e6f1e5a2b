"""One engine process tree: start it, watch it, end all of it.

The harness makes itself the reaper of orphans (PR_SET_CHILD_SUBREAPER): when a front end dies, its engine core and
workers become the harness's children instead of init's, so that they can be found and ended. Should the harness be
killed, or interrupted while it ends the tree, a guardian (guardian.py) ends it.
"""

import contextlib
import ctypes
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.engine.ending import end_tree
from harness.engine.guardian import MARK, Guardian, guarded, members
from harness.engine.usage import Meter
from harness.errors import HarnessError

PR_SET_CHILD_SUBREAPER = 36
TERMINATE_GRACE_S = 10.0
POLL_S = 0.002
_TREES: dict[int, Guardian] = {}  # that run: first process → guardian
LONGEST_S = 2e6  # 23 days: poll() takes no more milliseconds than fit into 32 bits


def become_reaper() -> None:
    """Adopt orphaned descendants from now on (Linux; no effect elsewhere)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@dataclass
class Exit:
    """How a process tree ended. Times are ns on CLOCK_MONOTONIC."""

    pid: int
    exec_ns: int
    exit_ns: int
    exit_code: int | None  # negative: ended by that signal; None: ended by the harness
    timed_out: bool  # ended by the harness because the deadline had passed
    ended: frozenset[int]  # pids of descendants that outlived the front end and were ended
    resources: dict[str, float | int | None] = field(default_factory=dict)


class Tree:
    """A running process tree. ``pid`` is its first process; times are ns on CLOCK_MONOTONIC."""

    def __init__(self, process: subprocess.Popen[bytes], exec_ns: int, deadline_ns: int) -> None:
        self._process = process
        self.pid = process.pid
        self.exec_ns = exec_ns
        self.deadline_ns = deadline_ns
        self.exit: Exit | None = None  # filled when the tree was ended

    def until(self, limit_s: float) -> "Tree":
        """The same tree with a deadline so long after its start, if that is earlier than its own."""
        return Tree(self._process, self.exec_ns, min(self.deadline_ns, self.exec_ns + int(limit_s * 1e9)))

    def wait(self, until: Callable[[], bool] | None = None) -> bool:
        """Wait for the first process's exit, the deadline, or ``until`` (asked every 2 ms); whether it was ``until``.

        Without ``until`` the exit is noticed at once: ``Popen.wait`` with a timeout polls, which adds up to 50 ms.
        """
        with _exit_descriptor(self._process) as poll:
            while True:
                if until is not None and until():
                    return True
                left_s = (self.deadline_ns - time.monotonic_ns()) / 1e9
                if left_s <= 0 or poll(min(left_s, POLL_S) if until else left_s):
                    return False

    @property
    def running(self) -> bool:
        """Whether the first process has not ended."""
        return self._process.poll() is None


@contextlib.contextmanager
def process_tree(
    command: list[str],
    environment: dict[str, str],
    log: Path,
    cwd: Path,
    timeout_s: float,
    scratch: Path | None = None,
    metered: bool = True,
) -> Iterator[Tree]:
    """Run ``command``, standard output and error into ``log``; when the block is left, no process of it is.

    Afterwards ``exit`` of the tree says how it ended. A KeyboardInterrupt (and SIGTERM or SIGHUP, if the caller turns
    them into one) ends the tree before it propagates; if this process is killed, or interrupted at its own clean-up, a
    guardian ends the tree and removes ``scratch``, a folder that is the caller's to remove otherwise. Not ``metered``:
    the tree's memory is not sampled, which walks over all its processes twice a second.

    Raises:
        HarnessError: the command cannot be started, or a process of it cannot be ended.
    """
    become_reaper()
    meter = Meter()
    with log.open("wb") as output, guarded(scratch) as guardian:
        limit_ns = int(min(timeout_s, LONGEST_S) * 1e9)
        exec_ns = time.monotonic_ns()
        try:
            process = subprocess.Popen(
                command,
                env={**environment, **guardian.environment},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise HarnessError(f"{command[0]}: cannot be started ({error.strerror or error}); mend it") from None
        found = Tree(process, exec_ns, exec_ns + limit_ns)
        try:  # a KeyboardInterrupt before this, or in the clean-up, leaves the tree to the guardian
            guardian.watch(process.pid)
            if metered:
                meter.watch(process.pid)
            _TREES[process.pid] = guardian
            yield found
        finally:
            _TREES.pop(process.pid, None)
            meter.stop()
            exit_ns = time.monotonic_ns()
            by_itself = not found.running
            ended = end_tree(process, lambda: frozenset({guardian.pid}) | _others(), TERMINATE_GRACE_S)
            guardian.dismiss()
            found.exit = Exit(
                pid=process.pid,
                exec_ns=exec_ns,
                exit_ns=exit_ns,
                exit_code=process.returncode if by_itself else None,
                timed_out=not by_itself and exit_ns >= found.deadline_ns,
                ended=ended,
                resources=meter.used(),
            )


def _others() -> frozenset[int]:
    """Processes of the trees that stay: engines that are compared run beside each other."""
    found: set[int] = set()
    for pid, guardian in _TREES.items():
        found |= {guardian.pid, *(member for member, _ in members(guardian.environment[MARK], pid))}
    return frozenset(found)


@contextlib.contextmanager
def _exit_descriptor(process: subprocess.Popen[bytes]) -> Iterator[Callable[[float], bool]]:
    """A function that waits so many seconds for the process's exit and says whether it came."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:  # a kernel before 5.3, or a container that does not allow it

        def wait(seconds: float) -> bool:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=seconds)
                return True
            return False

        yield wait
        return
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        yield lambda seconds: bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)
