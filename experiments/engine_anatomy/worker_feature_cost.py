"""What a pass of an engine costs: wall clock, and CPU seconds of this process and all below it, without spinning.

Where an engine has worker processes, both ends of vLLM's shared-memory queue spin while they wait for each other
(``MessageQueue.dequeue``, distributed/device_communicators/shm_broadcast.py): that CPU is nobody's work. It is counted
on the thread that waits, in this process here, in workers by ``worker_feature_workers``.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROCESS_CLOCK = 2  # CPUCLOCK_SCHED of a whole process, as clock_getcpuclockid(3) makes it


class Spin:
    """CPU seconds that threads of this process spent in waiting for a message."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def count(self) -> None:
        """Count from now on. Every queue of this process is one of these."""
        from vllm.distributed.device_communicators.shm_broadcast import MessageQueue

        dequeue = MessageQueue.dequeue

        def counted(queue: Any, *args: Any, **more: Any) -> Any:
            begin = time.thread_time()
            try:
                return dequeue(queue, *args, **more)
            finally:
                self.seconds += time.thread_time() - begin

        MessageQueue.dequeue = counted


SPIN = Spin()  # of this process


@dataclass(frozen=True)
class Cost:
    """``cpu_s`` contains ``spin_s``, which is None where nothing can spin."""

    wall_s: float
    cpu_s: float
    spin_s: float | None


def measured(work: Callable[[], None], spun_s: Callable[[], float] | None) -> Cost:
    """What ``work`` costs. ``spun_s``: seconds that all processes have spun until now."""
    spun = spun_s() if spun_s else 0.0
    cpu, begin = tree_cpu_s(), time.monotonic()
    work()
    wall_s, cpu_s = time.monotonic() - begin, tree_cpu_s() - cpu
    return Cost(wall_s, cpu_s, spun_s() - spun if spun_s else None)


def tree_cpu_s() -> float:
    """CPU seconds of this process and of its living descendants, all threads, ended ones too."""
    return sum(time.clock_gettime((~pid << 3) | _PROCESS_CLOCK) for pid in _tree(os.getpid()))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))
