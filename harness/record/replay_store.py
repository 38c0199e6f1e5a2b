"""Replays in the run store: ``runs/<node>/<study>/<case>/1/``. A replay is exact, so that one run of a case is all.

    case.json  what defines the case; the 8 hex digits of its name are over this
    1/         the replay folder (``replay.py``)

A worker makes many replays in turn; each one's folder appears under a hidden name when it is complete, and is renamed
once it is checked. So what a killed worker had finished is kept, and only the replay in progress is made again.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.record.atomic import write_json
from harness.record.bounded import UnreadableError, parse_json, read_bounded
from harness.record.replay import Counters, ReplayFacts, read_counters, read_replay
from harness.record.replay_rows import ReplayError
from harness.record.store import case_id

COUNTERS = "counters.json"
_CASE = "case.json"
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class StoredReplay:
    """The place of one case's replay."""

    folder: Path  # of the case

    @classmethod
    def of(cls, root: Path, node: str, study: str, readable: str, definition: dict[str, Any]) -> "StoredReplay":
        """The place of a case below the store's root."""
        return cls(root / node / study / case_id(readable, definition))

    @property
    def case(self) -> str:
        """The case's name."""
        return self.folder.name

    @property
    def run(self) -> Path:
        """Where the replay lies when it is complete."""
        return self.folder / "1"

    @property
    def working(self) -> Path:
        """Where a worker puts it."""
        return self.folder / ".1.partial"

    @property
    def is_there(self) -> bool:
        """Whether it was made before."""
        return self.run.is_dir()

    @property
    def is_finished(self) -> bool:
        """Whether a worker finished it, and nobody has put it in place yet."""
        return self.working.is_dir()

    def begin(self, definition: dict[str, Any]) -> Path:
        """The name of a folder for a worker to make; what a killed one left of this case is removed.

        Raises:
            ReplayError: the case's folder is of something else: two definitions with the same 8 digits.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(f"*{self.working.name}*"):
            shutil.rmtree(left, ignore_errors=True)
        path = self.folder / _CASE
        if path.exists() and _read(path) != definition:
            raise ReplayError(f"{path}: of another case than its folder's name says; move the folder away and repeat")
        write_json(path, definition)
        return self.working

    def close(self, facts: ReplayFacts) -> None:
        """Put what a worker finished in place, checked.

        Raises:
            ReplayError: what the worker left contradicts itself; it stays under its hidden name.
            FileExistsError: it is there already; nothing is overwritten.
        """
        if self.is_there:
            raise FileExistsError(f"{self.run} exists; replays are never overwritten")
        facts.write(self.working)
        read_replay(self.working)
        (self.working / COUNTERS).unlink()
        self.working.rename(self.run)

    def counters(self) -> Counters:
        """What the worker counted. Raises ReplayError."""
        return read_counters(self.working / COUNTERS)


def _read(path: Path) -> Any:
    try:
        return parse_json(read_bounded(path, _MAX_BYTES))
    except (OSError, UnreadableError) as error:
        raise ReplayError(f"{path}: not readable ({error})") from None
