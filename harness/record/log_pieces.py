"""A log of any size, piece by piece: memory stays bounded, whatever the log holds."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

from harness.record.bounded import open_regular

_PIECE = 1 << 18  # characters
_LONGEST_LINE = 1 << 20  # characters; a longer line is cut into several
_ANY_SIZE = 1 << 62


def log_pieces(path: Path) -> Iterator[str]:
    """The log's text in pieces of whole lines; bytes that are not UTF-8 become the replacement character.

    A link is followed: recordings are assembled of links, and only numbers leave a log.

    Raises:
        UnreadableError: it is no regular file.
        OSError: it cannot be read.
    """
    log = open_regular(Path(os.path.realpath(path)), _ANY_SIZE)
    with io.TextIOWrapper(log, encoding="utf-8", errors="replace") as file:
        begun = ""  # of a line whose end is still to be read
        while text := file.read(_PIECE):
            end = text.rfind("\n") + 1
            if end or len(begun) > _LONGEST_LINE:
                yield begun + text[:end]
                begun = ""
            begun += text[end:]
        yield begun
