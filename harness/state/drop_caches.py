"""Drop everything that the kernel keeps of files, of everybody's: only on request, for it slows the whole machine down.

Evicting files one by one needs no such right, and is what the harness does by itself.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from harness.errors import HarnessError

DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_ALL = "3\n"  # pages, and directory entries and inodes


def drop_all_caches(announce: Callable[[str], None]) -> None:
    """Write dirty pages to their disks, then drop all clean ones; ``announce`` gets one line before.

    Raises:
        HarnessError: neither this user nor ``sudo -n`` may.
    """
    announce(f"dropping the page cache of the whole machine, for all of its users (sync, then 3 to {DROP_CACHES})")
    os.sync()
    try:
        DROP_CACHES.write_text(_ALL, encoding="ascii")
    except OSError as error:
        if refused := _drop_by_sudo():
            raise HarnessError(
                f"--drop-caches=all: not permitted ({DROP_CACHES}: {error.strerror}; {refused}); leave it out: "
                "the files themselves are evicted without it"
            ) from None


def _drop_by_sudo() -> str | None:
    """Why it did not work; None = it did."""
    try:
        done = subprocess.run(
            ["sudo", "-n", "tee", str(DROP_CACHES)], input=_ALL, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"sudo: {error.strerror if isinstance(error, OSError) else 'no answer'}"
    return None if done.returncode == 0 else (done.stderr.strip() or f"sudo: exit code {done.returncode}")
