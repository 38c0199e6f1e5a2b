"""Replays in the run store: ``runs/<node>/<study>/<case>/1/``. A replay is exact, so that one run of a case is all.

case.json  what defines the case; the 8 hex digits of its name are over this
1/         the replay folder (``replay.py``); while it is made: ``replay_making.py``
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.record.atomic import write_json
from harness.record.bounded import UnreadableError, parse_json, read_bounded
from harness.record.replay_rows import ReplayError
from harness.record.store import case_id

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
    def is_there(self) -> bool:
        """Whether it was made before."""
        return self.run.is_dir()

    def define(self, definition: dict[str, Any]) -> None:
        """Make the case's folder.

        Raises:
            ReplayError: the case's folder is of something else: two definitions with the same 8 digits.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / _CASE
        if path.exists() and _read(path) != definition:
            raise ReplayError(f"{path}: of another case than its folder's name says; move the folder away and repeat")
        write_json(path, definition)


def _read(path: Path) -> Any:
    try:
        return parse_json(read_bounded(path, _MAX_BYTES))
    except (OSError, UnreadableError) as error:
        raise ReplayError(f"{path}: not readable ({error})") from None
