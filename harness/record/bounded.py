"""Files from elsewhere, read within bounds: a store or a slot may have been made, or damaged, by anybody."""

import json
import math
import os
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from harness.record.plain import printable

MAX_DEPTH = 32
MAX_DIGITS = 20  # as many as 64 bits take
HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # UTF-8 cannot hold these, JSON's \u escapes can


class UnreadableError(ValueError):
    """What was read is not what it should be. The message is one printable line, without the file's name."""


def open_regular(path: Path, max_bytes: int) -> BinaryIO:
    """A regular file (no link, no device, no pipe) of at most ``max_bytes``, open for reading.

    Raises:
        UnreadableError: another kind of file, or a larger one.
        OSError: it cannot be opened.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise UnreadableError("not a regular file")
    # What was looked at may have been exchanged since: do not follow a link, do not wait for the writer of a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    facts = os.fstat(descriptor)
    if stat.S_ISREG(facts.st_mode) and facts.st_size <= max_bytes:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise UnreadableError(f"{facts.st_size} bytes, it may have at most {max_bytes}")


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """The bytes of such a file. Raises as ``open_regular``."""
    with open_regular(path, max_bytes) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise UnreadableError(f"it grew beyond {max_bytes} bytes while it was read")
    return content


def read_object(path: Path, max_bytes: int) -> dict[str, Any]:
    """The JSON object in such a file. Raises UnreadableError: it cannot be read, or is none."""
    try:
        document = parse_json(read_bounded(path, max_bytes))
    except OSError as error:
        raise UnreadableError(f"not readable ({error.strerror})") from None
    except UnreadableError as error:
        raise UnreadableError(f"not readable ({error})") from None
    if not isinstance(document, dict):
        raise UnreadableError("not a JSON object")
    return document


def parse_json(content: bytes) -> Any:
    """A JSON document in UTF-8 whose numbers are finite, whole ones of at most 20 digits, and whose nesting is shallow.

    Raises:
        UnreadableError: it is none.
    """
    try:
        document = DECODER.decode(content.decode("utf-8"))
    except RecursionError:
        raise UnreadableError(f"nested deeper than {MAX_DEPTH}") from None
    except ValueError as error:
        raise UnreadableError(f"not JSON: {printable(str(error), 200)}") from None
    _check(document)
    return document


def _check(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and HALF_CHARACTER.search(value):
                raise UnreadableError(f"text with half of a character pair: {printable(value, 60)}")
        if not below:
            return
        level = below
    raise UnreadableError(f"nested deeper than {MAX_DEPTH}")


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:  # of the longest, Python would refuse some and spend seconds on others
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large for a number")
    return number


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


# Shared by readers of single lines, which have their own way to say what is wrong. Raises ValueError, RecursionError.
DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_finite, parse_constant=_refuse)
