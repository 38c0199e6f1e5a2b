"""One JSON array of any size, item by item, with no more than one item in memory.

Python's own parser, on a window of the file that grows until it holds a whole item. Not ijson: it keeps the path of
every level that it is in, so that a hundred thousand brackets fill the memory, and replaces half character pairs
silently.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from harness.traces.lines import DECODER, MAX_LINE_BYTES, RowError

CHUNK = 1 << 20  # characters
_SPACE = " \t\n\r"
_LONGEST_ESCAPE = 6  # characters of \uXXXX: what is cut within one is an error at its beginning
LOST = ", and with it everything behind it"  # where a broken item ends cannot be known


def array_items(path: Path) -> Iterator[Any]:
    """The items of the array that the file is; bytes that are not UTF-8 become half character pairs.

    Raises:
        RowError: what follows is no item, or the file ends before the array does; nothing behind it can be read.
        OSError: the file cannot be read.
    """
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        window = _Window(file)
        window.take("[")
        first = True
        while window.next() != "]":
            if not first:
                window.take(",")
            first = False
            yield window.item()
        window.take("]")
        if window.next():
            raise RowError(f"not JSON{LOST}: something stands behind the array")


class _Window:
    """The part of a text file that is looked at."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._at = 0

    def next(self) -> str:
        """The next character that is no white space, without taking it; empty at the end of the file."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._grow():
                return ""

    def take(self, wanted: str) -> None:
        """Go past this character. Raises RowError if another one comes."""
        found = self.next()
        if found != wanted:
            raise RowError(f"truncated{LOST}" if not found else f"not JSON{LOST}: no '{wanted}' where one is needed")
        self._at += 1

    def item(self) -> Any:
        """The value that begins here. Raises RowError."""
        self.next()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
                # A number that ends with the window may go on behind it: 1.5e- and then 7.
                if len(self._text) - end > _LONGEST_ESCAPE or not self._grow():
                    self._at = end
                    return value
            except json.JSONDecodeError as error:
                behind, in_text = self._text[error.pos :], error.msg.startswith("Unterminated string")
                if len(behind) > _LONGEST_ESCAPE and not in_text:
                    raise RowError(f"not JSON{LOST}: {error.msg}") from None
                if not self._grow():
                    cut = in_text or not {"]", "}"} & set(behind)
                    raise RowError(f"{'truncated' if cut else 'not JSON'}{LOST}: {error.msg}") from None
            except RecursionError:
                raise RowError(f"not JSON that can be read{LOST}: nested too deeply") from None
            except ValueError as error:  # NaN, a number of thousands of digits
                raise RowError(f"not JSON{LOST}: {error}") from None

    def _grow(self) -> bool:
        """Read on, at least as much as is there: an item is parsed a few times only. False at the end of the file."""
        rest = self._text[self._at :]
        if len(rest) > MAX_LINE_BYTES:
            raise RowError(f"longer than {MAX_LINE_BYTES >> 20} MiB{LOST}")
        more = self._file.read(max(CHUNK, len(rest)))
        if more:
            self._text, self._at = rest + more, 0
        return bool(more)
