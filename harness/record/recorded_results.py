"""The paper's result files: ``{"labels": [log names], "data": {quantity: [one value per label]}}``, seconds."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.record.bounded import HALF_CHARACTER, UnreadableError, read_bounded
from harness.record.plain import printable

_MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class RecordedResults:
    """One file as it stands there; what a cell or label holds is for the reader to judge."""

    labels: list[Any]
    data: dict[str, Any]


def read_results(path: Path) -> RecordedResults:
    """Read one result file, or the one a link leads to. NaN and infinity are kept: the recording says so.

    Raises:
        UnreadableError: not JSON, or not of this form.
        OSError: it cannot be read.
    """
    try:
        document = json.loads(read_bounded(Path(os.path.realpath(path)), _MAX_BYTES).decode("utf-8"))
    except RecursionError:
        raise UnreadableError("nested too deeply") from None
    except ValueError as error:
        raise UnreadableError(f"not JSON: {printable(str(error), 200)}") from None
    if not isinstance(document, dict):
        raise UnreadableError("not an object with labels and data")
    labels, data = document.get("labels"), document.get("data")
    if not isinstance(labels, list) or not isinstance(data, dict):
        raise UnreadableError("no list 'labels' or no object 'data'")
    return RecordedResults(labels, data)


def is_file_name(label: Any) -> bool:
    """Whether a label can name a log beside its file, and nothing elsewhere."""
    if not isinstance(label, str) or "\0" in label or HALF_CHARACTER.search(label):
        return False
    return Path(label).name == label and label not in ("", ".", "..")
