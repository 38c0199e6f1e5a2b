"""Two processes of this program that measure at once, each on its own GPU: their starts begin together, both are ended.

Before each start a member says on its standard output that it waits, and goes on when an answer comes on its standard
input: once the other one waits too, has ended, or did not come for too long (somebody stopped it by hand). When that
input is closed, this process is gone, and so a member ends (``harness/measure/pair_link.py``). Members have sessions of
their own: Ctrl-C reaches this process only, which tells each of them once.
"""

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from harness.measure.pair_link import ALONE, LATE, TOGETHER, WAITS

ERROR = "error: "  # begins the last line of a program of ours that fails
END_S = 60.0  # an engine's processes are given 5 s to end, and are killed then
_LAST_WORDS_S = 5.0  # after a member's end; a guardian of its engine may keep the pipe open for a while


@dataclass(frozen=True)
class Task:
    """One member: the words after the program's name, and the variables that it gets besides this process's."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str]


@dataclass(frozen=True)
class Ended:
    """How a member ended: 0, or why not in one line."""

    name: str
    code: int
    error: str


_Event = tuple[Literal["waits", "ended"], int]


class _Member:
    """A member's process; what it says goes to ``say``, that it waits or has ended into ``events``."""

    def __init__(self, task: Task, number: int, root: Path, say: Callable[[str], None], events: "queue.Queue[_Event]"):
        self.name, self._number, self._say, self._events = task.name, number, say, events
        self._error = ""
        self.process = subprocess.Popen(
            [sys.executable, *task.arguments],
            env={**os.environ, **task.environment},
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._told = threading.Thread(target=self._tell, args=(self.process.stderr,), daemon=True)
        self._told.start()
        threading.Thread(target=self._follow, args=(self.process.stdout,), daemon=True).start()

    def answer(self, line: bytes) -> None:
        """Let it go on; one that has ended meanwhile does not hear it."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def leave(self) -> None:
        """Nothing more is said to it; it is killed if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it did not hear the last answer
            self.process.stdin.close()

    def ended(self) -> Ended:
        """How it ended; it has."""
        code = self.process.wait()
        self._told.join(_LAST_WORDS_S)
        by = f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
        return Ended(self.name, code, self._error if code > 0 and self._error else "" if code == 0 else by)

    def _follow(self, said: IO[bytes]) -> None:
        with said:
            for line in said:
                if line == WAITS:
                    self._events.put(("waits", self._number))
        self.process.wait()
        self._events.put(("ended", self._number))

    def _tell(self, said: IO[bytes]) -> None:
        with said:
            for line in said:
                text = line.decode(errors="replace").rstrip()
                if text.startswith(ERROR):  # is told when both have ended
                    self._error = text.removeprefix(ERROR)
                elif text:
                    self._say(f"{self.name}: {text}")


def run_members(
    tasks: Sequence[Task], root: Path, say: Callable[[str], None], started: Callable[[list[int]], None], limit_s: float
) -> list[Ended]:
    """Run the members until all have ended; one that fails does not keep the others from going on.

    ``started`` is told their pids. ``limit_s``: how long one that waits is kept waiting for the others. Whatever ends
    this call ends them and all their processes, before it returns.
    """
    events: queue.Queue[_Event] = queue.Queue()
    members: list[_Member] = []
    try:
        for number, task in enumerate(tasks):
            members.append(_Member(task, number, root, say, events))
        started([member.process.pid for member in members])
        _meet(members, events, say, limit_s)
        return [member.ended() for member in members]
    except BaseException:
        _end(members, say)
        raise
    finally:
        for member in members:
            member.leave()


def _meet(
    members: Sequence[_Member], events: "queue.Queue[_Event]", say: Callable[[str], None], limit_s: float
) -> None:
    """Let those that wait go on together, until all have ended. One that is late is not waited for until it comes."""
    alive, waiting, late = set(range(len(members))), set[int](), set[int]()
    began_s = 0.0  # since when somebody waits
    while alive:
        try:
            what, number = events.get(timeout=max(0.0, began_s + limit_s - time.monotonic()) if waiting else None)
        except queue.Empty:
            for each in sorted(alive - waiting - late):
                say(f"{members[each].name}: does not come to its start within {limit_s:.0f} s; the other one goes on")
            late = alive - waiting
        else:
            late.discard(number)
            if what == "waits":
                began_s = began_s if waiting else time.monotonic()
                waiting.add(number)
            else:
                alive.discard(number)
                waiting.discard(number)
        if waiting and waiting == alive - late:
            for each in waiting:
                members[each].answer(TOGETHER if len(waiting) > 1 else LATE if late else ALONE)
            waiting = set()


def _end(members: Sequence[_Member], say: Callable[[str], None]) -> None:
    """Tell every member to stop as Ctrl-C would, and wait until each has ended its engine."""
    for member in members:
        if member.process.poll() is None:
            member.process.terminate()
    for member in members:
        try:
            member.process.wait(END_S)
        except subprocess.TimeoutExpired:  # its engine's guardian ends what it leaves
            say(f"{member.name}: does not end and is killed")
            member.process.kill()
            member.process.wait()
