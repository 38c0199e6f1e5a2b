"""Whether processes have ended: those that somebody has to have waited for, and those that nobody in a test may."""

import time
from collections.abc import Collection

import psutil


def runs(pid: int) -> bool:
    """Whether the process does anything any more; a zombie has ended, and whoever adopted it has to wait for it.

    The tests' own process adopts orphans once a test in it has used the harness's process tree.
    """
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_gone(pid: int) -> bool:
    """Whether no process has this pid, not even a zombie: it was waited for, too."""
    return not psutil.pid_exists(pid)


def all_ended(pids: Collection[int], within_s: float) -> bool:
    """Whether none of the processes runs any more after at most ``within_s``."""
    deadline = time.monotonic() + within_s
    while any(map(runs, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
