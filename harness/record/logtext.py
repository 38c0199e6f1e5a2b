"""An engine's log, read within bounds: a start that fails in a loop can fill a disk with it."""

import io
import os
from dataclasses import dataclass
from pathlib import Path

from harness.record.bounded import open_regular

END_BYTES = 16 << 20  # of the beginning and of the end; a start at level DEBUG writes 0.3 MB
MAX_LINE = 2000  # characters of one line that are quoted
_ANY_SIZE = 1 << 62


@dataclass(frozen=True)
class LogText:
    """A log's text; of a very long one its beginning and end, in whole lines, with a line between that says so."""

    text: str

    def tail(self, lines: int) -> list[str]:
        """The last ``lines`` lines, each cut to a length that can be quoted."""
        return [line[:MAX_LINE] for line in self.text[-lines * MAX_LINE * 4 :].splitlines()[-lines:]]


def read_log(path: Path, end_bytes: int = END_BYTES) -> LogText:
    """The log at ``path``; bytes that are not UTF-8 become the replacement character.

    Raises:
        UnreadableError: it is no regular file.
        OSError: it cannot be read.
    """
    with open_regular(path, _ANY_SIZE) as file:
        head = file.read(end_bytes)
        size = os.fstat(file.fileno()).st_size
        if size <= 2 * end_bytes:
            return LogText(_text(head + file.read(end_bytes)))
        file.seek(size - end_bytes)
        tail = file.read(end_bytes)
    head, tail = head[: head.rfind(b"\n") + 1] or head, tail[tail.find(b"\n") + 1 :]
    omitted = size - len(head) - len(tail)
    between = "" if head.endswith(b"\n") else "\n"
    return LogText(f"{_text(head)}{between}[{omitted} bytes of this log were not read]\n{_text(tail)}")


def _text(content: bytes) -> str:
    """Decoded as a text file is: every kind of line end becomes a line feed."""
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors="replace").read()
