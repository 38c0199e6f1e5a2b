"""Ends a process tree: the front end first, so that it can end its children, then all that is below the harness."""

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterable

import psutil

from harness.errors import HarnessError

KILLED_S = 10.0  # a process with much memory to give back takes seconds
SWEEPS = 50

Spared = Callable[[], frozenset[int]]  # pids that are not to be ended, asked again and again


def end_tree(process: subprocess.Popen[bytes], spared: Spared, grace_s: float) -> frozenset[int]:
    """End the front end if it lives, then every descendant but ``spared``. Returns those of them that had to be ended.

    After SIGTERM a process has ``grace_s`` before it is killed.
    A KeyboardInterrupt meanwhile ends the patience, not the work: everything is killed at once, then it propagates.

    Raises:
        HarnessError: a process cannot be ended; all the others have been.
    """
    try:
        return _end_tree(process, spared, grace_s)
    except KeyboardInterrupt:
        _end_tree(process, spared, grace_s=0.0)
        raise


def _end_tree(process: subprocess.Popen[bytes], spared: Spared, grace_s: float) -> frozenset[int]:
    found = {p for p in _descendants(spared) if p.pid != process.pid}
    _end_front(process, grace_s)
    stuck = {p for p in _descendants(spared) if p.pid == process.pid}
    ended: set[psutil.Process] = set()
    for _ in range(SWEEPS):  # a process can have started another one after it was looked at
        found |= set(_descendants(spared)) - stuck
        if not found:
            break
        ended |= {p for p in found if _lives(p)}
        _signal(found, signal.SIGTERM)
        _signal(found, signal.SIGCONT)  # one that is stopped would not notice before the grace is over
        # Zombies too: waiting for an adopted one takes it out of the process table.
        _, alive = psutil.wait_procs(found, timeout=grace_s)
        _signal(alive, signal.SIGKILL)
        stuck |= set(psutil.wait_procs(alive, timeout=KILLED_S)[1])
        found, grace_s = set(), 0.0
    if left := [p for p in stuck if _lives(p)]:
        raise HarnessError("; ".join(_complaint(p) for p in sorted(left, key=lambda p: p.pid)))
    return frozenset(p.pid for p in ended)


def _end_front(process: subprocess.Popen[bytes], grace_s: float) -> None:
    if process.poll() is not None:
        return
    _signal([process], signal.SIGTERM)
    _signal([process], signal.SIGCONT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=grace_s)
        return
    _signal([process], signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=KILLED_S)


def _signal(processes: Iterable[psutil.Process | subprocess.Popen[bytes]], number: int) -> None:
    """Send a signal to those that there still are; one that may not be sent must not keep it from the others."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, PermissionError):
            process.send_signal(number)


def _complaint(process: psutil.Process) -> str:
    """Why a process that was killed is still there."""
    try:
        process.send_signal(0)
    except psutil.Error:
        return f"pid {process.pid} belongs to another user and still runs; end it"
    return f"pid {process.pid} was killed and still runs: it waits for the kernel, perhaps for a disk or a GPU; end it"


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _descendants(spared: Spared) -> list[psutil.Process]:
    """Everything below the harness but guardians and other trees: it starts nothing else while an engine runs."""
    found = psutil.Process().children(recursive=True)
    kept = spared()  # afterwards: what another tree has started since is not among those found
    return [process for process in found if process.pid not in kept]
