"""Cores, memory, shared memory and rights of this machine, and whether it is quiet now."""

import os
import shutil
from collections.abc import Iterable

from harness.doctor.check import Check
from harness.state import drop_caches, limits, quiet, staging

# Of the machine whose minutes are told where nothing was measured here (harness/commands/figure/plan.py).
USUAL_CORES = 2
ENOUGH_WAIT_S = 600

# What ends a disturbance, by the kind of its mark; processes of others end when they end.
_CURES = {
    "governor": "{sudo}cpupower frequency-set --governor performance",
    "swap": "{sudo}swapoff --all && {sudo}swapon --all",
}


def machine_checks(needed_bytes: int, usual_bytes: int, copy_bytes: int) -> Iterable[Check]:
    """Of the machine itself.

    Args:
        needed_bytes: memory without which a start of the default figure cannot succeed.
        usual_bytes: memory that such a start takes when it has it.
        copy_bytes: its model, for a copy in memory.
    """
    yield _cores()
    yield memory_check(needed_bytes, usual_bytes)
    yield _shared_memory(copy_bytes)
    yield _rights()
    yield _quiet(needed_bytes)


def _cores() -> Check:
    usable, machine = limits.cores(), os.cpu_count() or 1
    found = f"{usable:g} of {machine}" if usable < machine else f"{machine}"
    needed = f"{USUAL_CORES}; with less everything works, and takes longer than the minutes told here"
    return Check("cores", "ok" if usable >= USUAL_CORES else "warn", found, needed)


def memory_check(needed_bytes: int, usual_bytes: int, name: str = "memory") -> Check:
    """Whether there is memory for a start, within the limit of a container too."""
    memory = limits.memory()
    limit = f" (limit {gib(memory.limit_bytes)})" if memory.limit_bytes else ""
    needed = f"{gib(usual_bytes)}: engine, KV cache, weights"
    if memory.available_bytes is None:
        return Check(name, "warn", "unknown", needed)
    found = f"{gib(memory.available_bytes)} available{limit}"
    if memory.available_bytes < needed_bytes:
        return Check(name, "cannot", found, f"{needed}; at least {gib(needed_bytes)}")
    if memory.available_bytes < usual_bytes:
        return Check(name, "warn", found, f"{needed}; with less the kernel may end a start, or drop its weights")
    return Check(name, "ok", found, needed)


def _shared_memory(copy_bytes: int) -> Check:
    needed = f"{gib(copy_bytes)} for --storage tmpfs, only there"
    try:
        free = shutil.disk_usage(staging.SHARED_MEMORY).free
    except OSError:
        return Check("shared memory", "warn", f"no {staging.SHARED_MEMORY}", needed, _mount("mount -t tmpfs tmpfs"))
    if free >= copy_bytes:
        return Check("shared memory", "ok", f"{gib(free)} free", needed)
    return Check("shared memory", "warn", f"{gib(free)} free", needed, _mount("mount -o remount,size=50%"))


def _mount(command: str) -> str:
    return f"{_sudo()}{command} {staging.SHARED_MEMORY}"


def _rights() -> Check:
    """Writing to the kernel's file is not tried: it would drop the machine's caches."""
    needed = "the right to drop all caches, for --drop-caches all, only there"
    if os.access(drop_caches.DROP_CACHES, os.W_OK):
        return Check("rights", "ok", "may drop all caches", needed)
    fix = "sudo -v" if os.geteuid() != 0 and shutil.which("sudo") else None
    return Check("rights", "warn", f"{drop_caches.DROP_CACHES} is not writable", needed, fix)


def _quiet(needed_bytes: int) -> Check:
    marks = [mark for mark in quiet.look_around(needed_bytes, gpus=1).marks if not mark.startswith("memory:")]
    needed = "an idle machine: a start that something disturbs is marked, and counts all the same"
    if not marks:
        return Check("quiet", "ok", "nothing disturbs", needed)
    kind = marks[0].partition(":")[0]
    waits = f"bash run_figure.sh 2 --quiet-wait {ENOUGH_WAIT_S}" if kind in quiet.WAITABLE else None
    cure = _CURES[kind].format(sudo=_sudo()) if kind in _CURES else waits
    return Check("quiet", "warn", "; ".join(marks), needed, cure)


def _sudo() -> str:
    return "" if os.geteuid() == 0 else "sudo "


def gib(size: int) -> str:
    """Bytes for people."""
    return f"{size / 2**30:.1f} GiB"
