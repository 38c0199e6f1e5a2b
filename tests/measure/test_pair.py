"""Members that measure at once: one that somebody stopped by hand does not keep the other one waiting for ever."""

import os
import signal

from harness.measure.pair import Ended, Task, run_members
from harness.workspace import ROOT

MEET = "import sys; from harness.measure.pair_link import Link; link = Link('{other}')\n{before}\n" + (
    "for _ in range({times}): print(link.meet(), file=sys.stderr)"
)
STOPS = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"


def task(name: str, other: str, times: int, before: str = "") -> Task:
    return Task(name, ("-c", MEET.format(other=other, times=times, before=before)), {})


def test_one_that_is_stopped_by_hand_is_late_and_the_other_goes_on_and_says_so() -> None:
    late = "gpu0: parallel: gpu1 did not come to its next start in time, so that this one began without it"
    said: list[str] = []
    pids: list[int] = []

    def say(line: str) -> None:
        said.append(line)
        if said.count(late) == 2:
            os.kill(pids[1], signal.SIGCONT)

    ended = run_members([task("gpu0", "gpu1", 2), task("gpu1", "gpu0", 1, STOPS)], ROOT, say, pids.extend, 0.1)
    assert ended == [Ended("gpu0", 0, ""), Ended("gpu1", 0, "")]
    assert said == [
        "gpu1: does not come to its start within 0 s; the other one goes on",
        late,
        late,
        "gpu1: parallel: gpu0 had no start left, so that this one ran alone",
    ]


def test_those_that_come_in_time_begin_together() -> None:
    said: list[str] = []
    run_members([task("gpu0", "gpu1", 2), task("gpu1", "gpu0", 2)], ROOT, said.append, lambda _: None, 60.0)
    assert sum("began at once with a start of" in line for line in said) == len(said) == 4
