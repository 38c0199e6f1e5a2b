"""Bytes that were read from a block device: the side of a read that no process can tell otherwise.

Everybody's reads count, and what the device's own cache answered counts too.
"""

import re
from pathlib import Path

SYS = Path("/sys")
SECTOR_BYTES = 512  # of /sys/block/*/stat, whatever the device's own are
_SECTORS_READ = 2  # its third number


class DeviceReads:
    """Counts from its making on. ``device``: "major:minor", of a disk or of a partition."""

    def __init__(self, device: str) -> None:
        self._stat = SYS / "dev/block" / device / "stat" if re.fullmatch(r"\d+:\d+", device) else None
        self._before = self._sectors()

    def bytes(self) -> int | None:
        """Bytes read since; None where there is no device: tmpfs, overlay, network and some other file systems."""
        sectors = self._sectors()
        return None if sectors is None or self._before is None else (sectors - self._before) * SECTOR_BYTES

    def _sectors(self) -> int | None:
        try:
            return int(self._stat.read_text(encoding="ascii").split()[_SECTORS_READ]) if self._stat else None
        except (OSError, ValueError, IndexError):  # not there, or pulled out meanwhile
            return None
