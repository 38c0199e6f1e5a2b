"""The tables of a replay folder: one dataclass per file, whose fields are the file's columns.

    requests.csv    one row per request, in order of arrival; times are virtual seconds
    reuse_gaps.csv  reuses in the order in which they happened; equal neighbours are one row, ``blocks`` its weight
    block_hits.csv  how many contents were reused how often, never included
    occupancy.csv   blocks in use and requests waiting, over equal intervals of virtual time

Their definitions: docs/prefix-sharing.md. A folder may come from anywhere, so every cell is checked.
"""

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TypeVar

from harness.record.bounded import UnreadableError, open_regular
from harness.record.plain import is_name, printable

MAX_TABLE_BYTES = 64 << 30  # what a replay of our own writes is never refused: its rows fill the memory before
MAX_COUNT = 10**15
_MAX_CELL = 300
_NUMBER = re.compile(r"[0-9]{1,40}(\.[0-9]{1,40})?(e[+-]?[0-9]{1,3})?", re.ASCII)
_TRUTH = {"0": False, "1": True}


class ReplayError(ValueError):
    """A replay folder that cannot be used; the message, one printable line, names the file and what is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request. ``hit_*`` are those of its first admission; ``session_id`` None: a session of its own."""

    request_id: str
    session_id: str | None
    turn: int | None
    arrival_s: float
    scheduled_s: float
    first_token_s: float
    finished_s: float
    prompt_tokens: int
    output_tokens: int
    prompt_blocks: int
    hit_tokens: int
    hit_blocks: int
    within_session_hit_blocks: int
    allocated_blocks: int
    preemptions: int


@dataclass(frozen=True, slots=True)
class GapRow:
    """``blocks`` reuses in a row, ``gap_s`` after their contents' previous use."""

    gap_s: float
    within_session: bool
    blocks: int


@dataclass(frozen=True, slots=True)
class HitRow:
    """``blocks`` contents that were reused ``hits`` times each."""

    hits: int
    blocks: int


@dataclass(frozen=True, slots=True)
class OccupancyRow:
    """An interval of virtual time."""

    begin_s: float
    end_s: float
    mean_blocks_in_use: float
    max_blocks_in_use: int
    mean_waiting: float
    max_waiting: int


TABLES: dict[type[Any], str] = {
    RequestRow: "requests.csv",
    GapRow: "reuse_gaps.csv",
    HitRow: "block_hits.csv",
    OccupancyRow: "occupancy.csv",
}

Row = TypeVar("Row")


def read_rows(folder: Path, kind: type[Row]) -> list[Row]:
    """The rows of one table of a replay folder, in the file's order.

    Raises:
        ReplayError: absent or too large, another header, or a cell that cannot be (the line is named).
    """
    return read_table(folder / TABLES[kind], kind)


def read_table(path: Path, kind: type[Row]) -> list[Row]:
    """The rows of a table whose columns are the fields of ``kind``. Raises as ``read_rows``."""
    try:
        with TextIOWrapper(open_regular(path, MAX_TABLE_BYTES), encoding="utf-8", newline="") as text:
            return list(_parse(kind, text, str(path)))
    except OSError as error:
        raise ReplayError(f"{path}: not readable ({error.strerror})") from None
    except (UnreadableError, UnicodeDecodeError) as error:
        raise ReplayError(f"{path}: not readable ({error})") from None


def _parse(kind: type[Row], text: TextIOWrapper, where: str) -> Iterator[Row]:
    columns = [(field.name, _CELLS[field.type]) for field in fields(kind)]  # type: ignore[arg-type]
    number = 0
    try:
        for number, line in enumerate(csv.reader(text, strict=True), start=1):
            if number == 1:
                if line != [name for name, _ in columns]:
                    raise ReplayError(f"{where}:1: columns must be {','.join(name for name, _ in columns)}")
                continue
            if len(line) != len(columns):
                raise ReplayError(f"{where}:{number}: {len(line)} fields, the header has {len(columns)}")
            yield kind(*(cell(name, found) for (name, cell), found in zip(columns, line, strict=True)))
    except csv.Error as error:
        raise ReplayError(f"{where}:{number + 1}: not CSV: {error}") from None
    except _CellError as error:
        raise ReplayError(f"{where}:{number}: {error}") from None
    if number == 0:
        raise ReplayError(f"{where}: empty")


class _CellError(ValueError):
    pass


def _name(column: str, text: str) -> str:
    if not is_name(text, _MAX_CELL):
        raise _CellError(f"{column} must be printable text (got {text[:80]!r})")
    return text


def _count(column: str, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= MAX_COUNT:
        return int(text)
    raise _CellError(f"{column} must be a whole number from 0 to {MAX_COUNT} (got {text[:40]!r})")


def _number(column: str, text: str) -> float:
    if _NUMBER.fullmatch(text):
        with suppress(ValueError):
            if (value := float(text)) <= MAX_COUNT:
                return value
    raise _CellError(f"{column} must be a number from 0 to {MAX_COUNT} (got {text[:40]!r})")


def _truth(column: str, text: str) -> bool:
    if text not in _TRUTH:
        raise _CellError(f"{column} must be 0 or 1 (got {text[:40]!r})")
    return _TRUTH[text]


_CELLS: dict[Any, Callable[[str, str], Any]] = {
    str: _name,
    str | None: lambda column, text: _name(column, text) if text else None,
    int: _count,
    int | None: lambda column, text: _count(column, text) if text else None,
    float: _number,
    bool: _truth,
}
