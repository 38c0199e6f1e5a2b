"""What a container or a job may use of the machine: memory and processor time that its control groups leave it.

The tightest limit of all groups that this process is in counts. Both versions of the kernel's interface are read.
Absent is None.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.state import readings

# The first version has no word for "no limit": it writes the largest number of pages that it can count.
_NO_LIMIT_BYTES = 1 << 60
_CPU, _MEMORY = ("cpu", "cpu,cpuacct"), ("memory",)  # names of the first version's folders


@dataclass(frozen=True)
class Memory:
    """What a new process can get, without swapping."""

    available_bytes: int | None
    limit_bytes: int | None  # of the control group; None: only the machine's memory limits it


def memory() -> Memory:
    """The machine's available memory, or less where the control group's limit leaves less.

    What the group's page cache takes is counted as free: the kernel gives it back.
    """
    found = readings.memory_available_bytes()
    limit: int | None = None
    for group in _groups(_MEMORY):
        maximum = _number(group / "memory.max") or _number(group / "memory.limit_in_bytes")
        used = _number(group / "memory.current") or _number(group / "memory.usage_in_bytes")
        if maximum is None or maximum >= _NO_LIMIT_BYTES:
            continue
        left = max(0, maximum - max(0, (used or 0) - _page_cache(group / "memory.stat")))
        found = left if found is None else min(found, left)
        limit = maximum if limit is None else min(limit, maximum)
    return Memory(found, limit)


def cores() -> float:
    """Cores that this process can keep busy: those of its affinity set, or fewer where it has a quota of their time."""
    usable = float(len(os.sched_getaffinity(0)))
    return min([usable, *(quota for group in _groups(_CPU) if (quota := _quota(group)) is not None)])


def _quota(group: Path) -> float | None:
    """Processor seconds that the group may use in each second."""
    words = (_text(group / "cpu.max") or "").split()
    if not words:
        words = [_text(group / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
    quota, period = (_float(word) for word in (*words, "", "")[:2])
    if quota is None or period is None or quota <= 0 or period <= 0 or not math.isfinite(quota / period):
        return None
    return quota / period


def _groups(names: tuple[str, ...]) -> Iterator[Path]:
    """Folders of this process's control groups and of those around them.

    In a container, the path that the kernel tells may be the machine's, which cannot be seen from inside: then the root
    of what is mounted is the container's own group.
    """
    root = readings.SYS / "fs" / "cgroup"
    for line in (_text(readings.PROC / "self" / "cgroup") or "").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and not set(controllers.split(",")) & set(",".join(names).split(",")):
            continue
        bases = [root / name for name in names] if controllers else [root, root / "unified"]
        for base in bases:
            group = base / path.strip("/")
            inside = [group, *group.parents] if group.is_dir() else [base]
            yield from (each for each in inside if each == base or base in each.parents)


def _page_cache(statistics: Path) -> int:
    """Bytes of files that the group keeps in memory."""
    words = (line.split() for line in (_text(statistics) or "").splitlines())
    table = {line[0]: int(line[1]) for line in words if len(line) == 2 and line[1].isdecimal()}
    return table.get("inactive_file", 0) + table.get("active_file", 0)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # not there, or not for us
        return None


def _float(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:  # max
        return None


def _number(path: Path) -> int | None:
    """A number of bytes; None where there is none, or where it says ``max``."""
    text = _text(path) or ""
    return int(text) if text.isdecimal() else None
