"""Lines of a file that somebody made, one at a time: numbered, bounded, decoded, and as JSON objects."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import HarnessError
from harness.record.plain import printable

MAX_LINE_BYTES = 64 << 20  # a prompt of 5 million tokens
MAX_TIME = 1e13  # in milliseconds three centuries


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


DECODER = json.JSONDecoder(parse_constant=_refuse)  # NaN and infinity are no JSON


class RowError(ValueError):
    """What is wrong with one row, in a few printable words, without its place."""


def wrong_row(path: Path, number: int, what: str, cure: str) -> HarnessError:
    """``FILE: line 17: what; cure``."""
    return HarnessError(f"{path}: line {number}: {what}; {cure}")


def numbered_lines(path: Path, seen: Callable[[bytes], object] = lambda _: None) -> Iterator[tuple[int, bytes]]:
    """Number (from 1) and bytes of each line, its end included; ``seen`` gets every byte, for a checksum.

    Raises:
        HarnessError: the file cannot be read, or a line is longer than ``MAX_LINE_BYTES``.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    cure = "one request or dialogue a line is expected (JSONL)"
                    raise wrong_row(path, number, f"longer than {MAX_LINE_BYTES >> 20} MiB", cure)
                seen(line)
                yield number, line
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read: {error.strerror}; name a readable file") from None


def json_object(line: bytes) -> dict[str, Any]:
    """The JSON object on this line, in UTF-8; NaN and infinity are refused.

    Raises:
        RowError: it is none; a line without an end that breaks off in the middle of its JSON is called truncated.
    """
    try:
        document = DECODER.decode(line.decode("utf-8"))
    except json.JSONDecodeError as error:
        if not line.strip():
            raise RowError("empty") from None
        if not line.endswith(b"\n") and line.lstrip().startswith(b"{"):
            raise RowError(f"truncated: the file ends after {len(line)} bytes of this line") from None
        raise RowError(f"not JSON ({printable(error.msg, 80)} at character {error.pos + 1})") from None
    except RecursionError:
        raise RowError("not JSON that can be read: nested too deeply") from None
    except ValueError as error:  # a byte that is not UTF-8, NaN, a number of thousands of digits
        raise RowError(f"not JSON ({printable(str(error), 120)})") from None
    if not isinstance(document, dict):
        raise RowError(f"not a JSON object but {kind_of(document)}")
    return document


def kind_of(value: Any) -> str:
    """What a JSON value is, for people."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def whole(row: dict[str, Any], key: str, least: int, most: int) -> int:
    """The whole number under ``key``.

    Raises:
        RowError: it is missing, no whole number, or outside ``least … most``.
    """
    value = present(row, key)
    if type(value) is not int or not least <= value <= most:
        raise RowError(f"{key} must be a whole number from {least} to {most} (got {shown(value)})")
    return value


def instant(row: dict[str, Any], key: str) -> float:
    """The time under ``key``: a number of at most ``MAX_TIME``, not negative. Raises RowError if there is none."""
    value = present(row, key)
    if type(value) not in (int, float) or not 0 <= value <= MAX_TIME:
        raise RowError(f"{key} must be a number from 0 to {MAX_TIME:.0e} (got {shown(value)})")
    return float(value)


def present(row: dict[str, Any], key: str) -> Any:
    """The value under ``key``. Raises RowError if there is none."""
    if key not in row:
        raise RowError(f"key '{key}' is missing")
    return row[key]


def shown(value: Any) -> str:
    """A value of somebody's file, short and printable."""
    return printable(json.dumps(value)[:200], 40)
