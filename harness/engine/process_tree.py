"""One engine process tree: start it, watch it, end all of it.

The harness makes itself the reaper of orphans (PR_SET_CHILD_SUBREAPER): when a front end dies, its engine core and
workers become the harness's children instead of init's, so that they can be found and ended.
"""

import contextlib
import ctypes
import os
import resource
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PR_SET_CHILD_SUBREAPER = 36
SAMPLE_S = 0.5
TERMINATE_GRACE_S = 10.0
SWEEPS = 5


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
    timed_out: bool
    leftovers: int  # descendants that outlived the front end and were ended
    resources: dict[str, float | int | None] = field(default_factory=dict)


class _MemorySampler(threading.Thread):
    """Peak of the tree's resident memory (sum over processes; shared pages count once per process)."""

    def __init__(self, root: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.stop = threading.Event()
        self.peak_bytes = 0

    def run(self) -> None:
        """Sample until told to stop."""
        while not self.stop.wait(SAMPLE_S):
            total = 0
            for process in tree(self.root):
                try:
                    total += process.memory_info().rss
                except psutil.Error:
                    continue
            self.peak_bytes = max(self.peak_bytes, total)


def tree(root: psutil.Process) -> list[psutil.Process]:
    """The process and its living descendants."""
    try:
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def run_tree(command: list[str], environment: dict[str, str], log: Path, cwd: Path, timeout_s: float) -> Exit:
    """Run ``command`` to its end, standard output and error into ``log``; leave no process behind.

    KeyboardInterrupt (and SIGTERM, if the caller turns it into one) ends the tree before it propagates.
    """
    become_reaper()
    usage_before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with log.open("wb") as output:
        exec_ns = time.monotonic_ns()
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        sampler = _MemorySampler(psutil.Process(process.pid))
        sampler.start()
        timed_out = True
        try:
            timed_out = not _ends(process, timeout_s)
        finally:
            sampler.stop.set()
            exit_ns = time.monotonic_ns()
            leftovers = end_tree(process)
            sampler.join()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Exit(
        pid=process.pid,
        exec_ns=exec_ns,
        exit_ns=exit_ns,
        exit_code=None if timed_out else process.returncode,
        timed_out=timed_out,
        leftovers=leftovers,
        resources={
            "peak_rss_bytes": sampler.peak_bytes or None,
            "cpu_s": round(usage.ru_utime + usage.ru_stime - usage_before.ru_utime - usage_before.ru_stime, 3),
            # Blocks of 512 bytes that had to come from a block device, by all processes of the tree.
            "read_bytes": (usage.ru_inblock - usage_before.ru_inblock) * 512,
        },
    )


def _ends(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Wait for the exit; whether it came in time. ``Popen.wait`` with a timeout polls, which adds up to 50 ms."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:  # a kernel before 5.3, or a container that does not allow it
        try:
            process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))
    finally:
        os.close(descriptor)


def end_tree(process: subprocess.Popen[bytes]) -> int:
    """End the front end if it lives, then every descendant. Returns how many descendants had to be ended.

    A KeyboardInterrupt meanwhile ends the patience, not the work: everything is killed at once, then it propagates.
    """
    try:
        return _end_tree(process, TERMINATE_GRACE_S)
    except KeyboardInterrupt:
        _end_tree(process, grace_s=0.0)
        raise


def _end_tree(process: subprocess.Popen[bytes], grace_s: float) -> int:
    found = {p for p in _descendants() if p.pid != process.pid}
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    ended: set[psutil.Process] = set()
    for _ in range(SWEEPS):  # a process can have started another one after it was looked at
        found |= set(_descendants())
        if not found:
            break
        ended |= {p for p in found if _lives(p)}
        _signal(found, signal.SIGTERM)
        # Zombies too: waiting for an adopted one takes it out of the process table.
        _, alive = psutil.wait_procs(found, timeout=grace_s)
        _signal(alive, signal.SIGKILL)
        psutil.wait_procs(alive, timeout=TERMINATE_GRACE_S)
        found, grace_s = set(), 0.0
    return len(ended)


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _descendants() -> list[psutil.Process]:
    """Everything below the harness: it starts nothing else while an engine runs."""
    return psutil.Process().children(recursive=True)
