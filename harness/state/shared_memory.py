"""What engines leave in /dev/shm: memory that stays taken after their processes have ended.

Names do not say whose they are, and another program of the same user may use them: of a start they are only told. Where
many starts follow each other (``remove_unused``), what came meanwhile and no process has mapped is removed.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from harness.record.plain import printable

SHM = Path("/dev/shm")
# Python's shared memory and semaphores, torch's tensors between processes, NCCL's channels, vLLM's own.
PREFIXES = ("psm_", "sem.", "torch_", "nccl-", "vllm")
MAX_ENTRIES = 5_000  # looked at, tens of ms; of what lies there beyond nothing is told


def inventory() -> dict[str, int]:
    """Name → bytes that it takes, of this user's files with such names; a file's size says less, most is never used."""
    found = {}
    try:
        with os.scandir(SHM) as entries:
            for _, entry in zip(range(MAX_ENTRIES), entries, strict=False):
                if entry.name.startswith(PREFIXES) and (taken := _taken_bytes(entry)) is not None:
                    found[printable(entry.name)] = taken
    except OSError:  # no such folder: then nothing was left in it
        return {}
    return found


def left_behind(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """What of ``after`` is not of ``before``: made meanwhile, by the run or by another program of this user."""
    return {name: taken for name, taken in after.items() if name not in before}


def _taken_bytes(entry: os.DirEntry[str]) -> int | None:
    """None: not a file of this user, or gone meanwhile."""
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    return facts.st_blocks * 512 if stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid() else None


def remove_unused(before: dict[str, int]) -> list[str]:
    """Remove what has come since ``before`` and no process has mapped; returns the names."""
    mapped = _mapped()
    removed = [name for name in left_behind(before, inventory()) if str(SHM / name) not in mapped]
    for name in removed:
        with suppress(OSError):
            (SHM / name).unlink()
    return removed


def _mapped() -> set[str]:
    """Files below ``SHM`` that a process of this user has mapped or open."""
    found: set[str] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for line in (folder / "maps").read_text(encoding="utf-8", errors="replace").splitlines():
                _, _, path = line.partition(f"{SHM}/")
                if path:
                    found.add(f"{SHM}/{path.removesuffix(' (deleted)')}")
        with suppress(OSError):
            for name in os.listdir(folder / "fd"):
                with suppress(OSError):  # closed meanwhile
                    found.add(os.readlink(folder / "fd" / name))
    return found
