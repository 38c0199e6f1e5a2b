"""Rows of a file of dialogues, one at a time: one JSON array of any size, or one JSON object a line (JSONL)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.traces.json_array import array_items
from harness.traces.lines import RowError, json_object, kind_of, numbered_lines

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
Found = dict[str, Any] | RowError


def rows_of(path: Path) -> Iterator[tuple[str, Found]]:
    """Place ("line 17" of JSONL, "row 17" of an array) and what stands there: an object, or why it is none.

    Raises:
        HarnessError: the file cannot be read, is neither kind, or is a trace already.
    """
    if _first_byte(path) == b"[":
        numbered = ((f"row {number}", found) for number, found in _array_rows(path))
    else:
        numbered = ((f"line {number}", found) for number, found in _line_rows(path))
    for place, found in numbered:
        if isinstance(found, dict) and {"hash_ids", "prompt_token_ids"} & found.keys():
            kind = "a Mooncake trace" if "hash_ids" in found else "a trace of tokens already"
            raise HarnessError(f"{path}: {place}: this is {kind}; replay it directly: replay --trace {path.name}")
        yield place, found


def _first_byte(path: Path) -> bytes:
    """The first byte that is no white space: ``[`` or ``{``."""
    try:
        with path.open("rb") as file:
            head = file.read(1 << 16).removeprefix(BYTE_ORDER_MARK).lstrip()[:1]
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read: {error.strerror}; name a file of dialogues") from None
    if head not in (b"[", b"{"):
        what = "begins with neither [ nor {" if head else "is empty"
        raise HarnessError(f"{path}: {what}; dialogues are a JSON array or one JSON object a line (docs/traces.md)")
    return head


def _line_rows(path: Path) -> Iterator[tuple[int, Found]]:
    for number, line in numbered_lines(path):
        try:
            yield number, json_object(line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line)
        except RowError as error:
            yield number, error


def _array_rows(path: Path) -> Iterator[tuple[int, Found]]:
    number = 0
    try:
        for number, item in enumerate(array_items(path), start=1):
            yield number, item if isinstance(item, dict) else RowError(f"not a JSON object but {kind_of(item)}")
    except RowError as error:
        yield number + 1, error
