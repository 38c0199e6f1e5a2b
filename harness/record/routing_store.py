"""Runs of the routing study in the store: ``runs/<node>/prefix_routing/<case>/<repeat>/``.

case.json       what defines the case; the 8 hex digits of its name are over this
1/, 2/, …       the run of each repeat (``routing_run.py``), once there is one that is ok
1.failed-1/, …  attempts that failed, with what they left; shown, never averaged
.1.partial/     the run in progress
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.record.replay_store import StoredReplay


@dataclass(frozen=True)
class StoredCase:
    """The place of one case."""

    folder: Path

    @classmethod
    def of(cls, root: Path, node: str, study: str, readable: str, definition: dict[str, Any]) -> "StoredCase":
        """The place of a case below the store's root, made.

        Raises:
            ReplayError: the case's folder is of something else.
        """
        stored = StoredReplay.of(root, node, study, readable, definition)
        stored.define(definition)
        return cls(stored.folder)

    @property
    def case(self) -> str:
        """The case's name."""
        return self.folder.name

    def run(self, repeat: int) -> Path:
        """Where the ok run of this repeat is, or will be."""
        return self.folder / str(repeat)

    def failed(self, repeat: int) -> list[Path]:
        """Attempts of this repeat that failed, oldest first."""
        found = self.folder.glob(f"{repeat}.failed-*")
        return sorted(found, key=_number)

    def shown(self, repeat: int) -> Path | None:
        """What is shown of this repeat: its ok run, else the last attempt that failed; None: it was never made."""
        return self.run(repeat) if self.run(repeat).is_dir() else next(reversed(self.failed(repeat)), None)

    def begin(self, repeat: int) -> Path:
        """An empty folder for the run in progress; what a killed call left there is removed."""
        working = self.folder / f".{repeat}.partial"
        shutil.rmtree(working, ignore_errors=True)
        working.mkdir(parents=True)
        return working

    def close(self, repeat: int, working: Path, is_ok: bool) -> Path:
        """Put the finished run in place; returns where. Raises FileExistsError: an ok run is there already."""
        last = next(reversed(self.failed(repeat)), None)
        number = 1 if last is None else _number(last) + 1
        place = self.run(repeat) if is_ok else self.folder / f"{repeat}.failed-{number}"
        if place.exists():
            raise FileExistsError(f"{place} exists; runs are never overwritten")
        working.rename(place)
        return place


def _number(failed: Path) -> int:
    return int(failed.name.rpartition("-")[2])
