"""What engines leave in /dev/shm: memory that stays taken after their processes have ended.

Only told, never deleted: names do not say whose they are, and another program of the same user may use them.
"""

import os
import stat
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
