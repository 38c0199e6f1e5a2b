"""Replays in the run store: ``runs/<node>/<study>/<case>/1/``. A replay is exact, so that one run of a case is all.

case.json  what defines the case (``case_folder.py``)
1/         the replay folder (``replay.py``); while it is made: ``replay_making.py``
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.record.case_folder import case_folder, define


@dataclass(frozen=True)
class StoredReplay:
    """The place of one case's replay."""

    folder: Path  # of the case

    @classmethod
    def of(cls, root: Path, node: str, study: str, readable: str, definition: dict[str, Any]) -> "StoredReplay":
        """The place of a case below the store's root."""
        return cls(case_folder(root, node, study, readable, definition))

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
            CaseFolderError: the case's folder is of something else.
        """
        define(self.folder, definition)
