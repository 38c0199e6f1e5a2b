"""The folder of a case in the run store, ``runs/<node>/<study>/<case>/``, and its case.json, which says what it is of.

Of starts, whose runs say it themselves, it is ``store.py``'s.
"""

from pathlib import Path
from typing import Any

from harness.record.atomic import write_json
from harness.record.bounded import UnreadableError, parse_json, read_bounded
from harness.record.plain import printable
from harness.record.store import case_id

_CASE = "case.json"
_MAX_BYTES = 1 << 20


class CaseFolderError(ValueError):
    """A case's folder cannot be used; the message, one printable line, says what to do (door.py prints it)."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def case_folder(root: Path, node: str, study: str, readable: str, definition: dict[str, Any]) -> Path:
    """The place of a case below the store's root; its name ends in 8 hex digits over the definition."""
    return root / node / study / case_id(readable, definition)


def define(folder: Path, definition: dict[str, Any]) -> None:
    """Make the case's folder.

    Raises:
        CaseFolderError: it is of something else: two definitions with the same 8 digits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _CASE
    if path.exists() and _read(path) != definition:
        what = "of another case than its folder's name says"
        raise CaseFolderError(f"{path}: {what}; move the folder away and repeat")
    write_json(path, definition)


def _read(path: Path) -> Any:
    try:
        return parse_json(read_bounded(path, _MAX_BYTES))
    except (OSError, UnreadableError) as error:
        raise CaseFolderError(f"{path}: not readable ({error}); move the folder away and repeat") from None
