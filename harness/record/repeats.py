"""The repeats of one case in the run store: ``runs/<node>/<study>/<case>/<repeat>/``, of studies that repeat a case.

case.json       what defines the case (``case_folder.py``)
1/, 2/, …       the run of each repeat, once there is one that is ok; what lies in it is its study's
1.failed-1/, …  attempts that failed, with what they left; shown, never averaged
.1.partial/     the run in progress
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.record.case_folder import case_folder, define


@dataclass(frozen=True)
class Repeats:
    """The place of one case's repeats."""

    folder: Path

    @classmethod
    def of(cls, root: Path, node: str, study: str, readable: str, definition: dict[str, Any]) -> "Repeats":
        """The place of a case below the store's root, made.

        Raises:
            CaseFolderError: the case's folder is of something else.
        """
        folder = case_folder(root, node, study, readable, definition)
        define(folder, definition)
        return cls(folder)

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
