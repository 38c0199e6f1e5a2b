"""A replay folder in the making, hidden beside its place until it is complete. For a replay in ``1/``:

.1.partial.json  when it was begun, and by which harness: a later call may have to put it in place
.1.partial/      what the worker finished; it fills ``..1.partial.PID/`` before
1/               the replay folder (``replay.py``), whose replay.json takes the place of the worker's counters
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.record.atomic import write_json
from harness.record.bounded import UnreadableError, parse_json, read_bounded
from harness.record.replay import Counters, read_counters, read_replay
from harness.record.replay_rows import ReplayError

COUNTERS = "counters.json"
_MAX_BYTES = 1 << 20


class Facts(Protocol):
    """What says of a folder what it is."""

    def write(self, folder: Path) -> None:
        """Write it into the folder."""


@dataclass(frozen=True)
class Making:
    """The folder that is to lie at ``folder``: a replay's, unless ``read`` and ``counted`` are another kind's."""

    folder: Path
    read: Callable[[Path], object] = read_replay
    counted: str = COUNTERS  # the worker's file whose place the facts take

    @property
    def working(self) -> Path:
        """Where a worker puts it."""
        return self.folder.with_name(f".{self.folder.name}.partial")

    @property
    def _begun(self) -> Path:
        return self.working.with_name(f"{self.working.name}.json")

    @property
    def is_finished(self) -> bool:
        """Whether a worker finished it, and nobody has put it in place yet."""
        return self.working.is_dir() and self._begun.is_file() and not self.folder.exists()

    def begin(self, started_at: str, harness: dict[str, Any]) -> None:
        """Note what is known before the worker runs; what a killed call left is removed."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.discard()
        write_json(self._begun, {"started_at": started_at, "harness": harness})

    def begun(self) -> dict[str, Any]:
        """``started_at`` and ``harness``, as noted. Raises ReplayError."""
        try:
            found = parse_json(read_bounded(self._begun, _MAX_BYTES))
        except (OSError, UnreadableError) as error:
            raise ReplayError(f"{self._begun}: not readable ({error})") from None
        if not isinstance(found, dict) or found.keys() != {"started_at", "harness"}:
            raise ReplayError(f"{self._begun}: it does not say when the replay was begun, and by which harness")
        return found

    def counters(self) -> Counters:
        """What the worker counted. Raises ReplayError."""
        return read_counters(self.working / COUNTERS)

    def close(self, facts: Facts) -> None:
        """Put what the worker finished in place, checked.

        Raises:
            ReplayError: what the worker left contradicts itself; it stays under its hidden name.
            FileExistsError: it is there already; nothing is overwritten.
        """
        if self.folder.exists():
            raise FileExistsError(f"{self.folder} exists; replays are never overwritten")
        facts.write(self.working)
        self.read(self.working)
        (self.working / self.counted).unlink()
        self.working.rename(self.folder)
        self._begun.unlink()

    def discard(self) -> None:
        """Remove everything that is hidden."""
        self._begun.unlink(missing_ok=True)
        for left in self.folder.parent.iterdir():
            if left == self.working or left.name.startswith(f".{self.working.name}."):
                shutil.rmtree(left, ignore_errors=True)
