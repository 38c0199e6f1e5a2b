"""Further tables of a run, and of a slot: one CSV each, read from anywhere, so every cell is checked.

    timeline.csv  in every ok run's folder: the critical path from exec to ready, piece by piece (to 10 ms)
    parts.csv     in the folders of ok runs whose spans state parts of a phase: what is not told has no row, and the
                  seconds of a phase's parts, ``other`` among them, add up to the phase
    cores.csv     in the folders of runs whose cores were sampled: use of each core, ten times a second; a core that a
                  time does not name was idle, and the first time names them all
    gpu.csv       in the folders of runs whose GPUs were sampled: ten times a second what the driver tells
                  (``gpu.py``); of a stretch of equal values only the first and the last, of what is not told nothing

A slot holds the parts of its runs, and the other tables of its sampled cases' runs, in one file each, with ``case``,
``run`` and ``kind`` in front.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.record.bounded import UnreadableError, read_bounded
from harness.record.runcheck import MAX_SECONDS
from harness.record.slotcheck import KINDS, SlotError

Cell = str | int | float
Cells = dict[str, Any]  # a row's, by column
MAX_CELL = 300
MAX_TABLE_BYTES = 64 << 20
_MAX_DIGITS = 40
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", re.ASCII)
RUN_COLUMNS = ("case", "run", "kind")  # in front of a slot's tables


@dataclass(frozen=True)
class Table:
    """A table's name and columns. What has no unit is a name or a number of something."""

    name: str
    columns: Mapping[str, type[Cell]]
    units: Mapping[str, str]
    largest: Mapping[str, float] = field(default_factory=dict)  # of a numeric column; else MAX_SECONDS

    def of_slot(self) -> "Table":
        """The same table as a slot has it."""
        return Table(self.name, {**dict.fromkeys(RUN_COLUMNS, str), **self.columns}, self.units, self.largest)


CORES = Table(
    "cores.csv",
    {"time_s": float, "core": int, "percent": float},  # time_s: end of the interval that percent is of
    {"time_s": "s since exec", "percent": "% busy"},
    {"core": 65_535, "percent": 100.0},
)
GPU = Table(
    "gpu.csv",
    {"time_s": float, "gpu": int, "quantity": str, "value": float},
    {"time_s": "s since exec", "value": "by the quantity's name"},
    {"gpu": 63, "value": 1e15},
)
TIMELINE = Table(
    "timeline.csv",
    {"begin_s": float, "end_s": float, "phase": str, "process": str},
    {"begin_s": "s since exec", "end_s": "s since exec"},
)
PARTS = Table(
    "parts.csv",
    {"phase": str, "part": str, "quantity": str, "value": float},  # quantity: calls, seconds, bytes, read_bytes
    {"value": "the quantity's: s for seconds, bytes for bytes and read_bytes"},
    {"value": float(1 << 53)},
)
SAMPLED = {"cores": CORES, "gpu": GPU}  # what a case can sample → its table; its timeline comes with any of them
SLOT_TABLES = {table.name: table.of_slot() for table in (CORES, TIMELINE, GPU, PARTS)}


def table_csv(table: Table, rows: Iterable[Sequence[Cell]]) -> bytes:
    """The rows as CSV, in the order given; floats in the shortest text that reads back as the same double."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def read_table(table: Table, path: Path) -> list[tuple[Cell, ...]]:
    """The rows of one run's table.

    Raises:
        SlotError: one line that names the file, the line and what is wrong.
    """
    try:
        return parse_table(table, read_bounded(path, MAX_TABLE_BYTES), str(path))
    except OSError as error:
        raise SlotError(f"{path}: cannot read: {error.strerror}") from None
    except UnreadableError as error:
        raise SlotError(f"{path}: {error}") from None


def parse_table(table: Table, content: bytes, where: str) -> list[tuple[Cell, ...]]:
    """The rows of a table's bytes, each cell in its column's type. Raises SlotError naming the line."""
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise SlotError(f"{where}: not CSV: {error}") from None
    if not lines or lines[0] != list(table.columns):
        raise SlotError(f"{where}:1: columns must be {','.join(table.columns)}")
    columns = [(name, kind, table.largest.get(name, MAX_SECONDS)) for name, kind in table.columns.items()]
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(columns):
            raise SlotError(f"{where}:{number}: {len(line)} fields, the header has {len(columns)}")
        try:
            rows.append(tuple(_cell(text, *column) for text, column in zip(line, columns, strict=True)))
        except ValueError as error:
            raise SlotError(f"{where}:{number}: {error}") from None
    return rows


def cells_of(table: Table, rows: Iterable[tuple[Cell, ...]], **wanted: Any) -> list[Cells]:
    """Rows as cells by column; only those that have the ``wanted`` cells."""
    found = (dict(zip(table.columns, row, strict=True)) for row in rows)
    return [row for row in found if all(row[column] == value for column, value in wanted.items())]


def _cell(text: str, name: str, kind: type[Cell], largest: float) -> Cell:
    if kind is str:
        if not text or not text.isprintable() or len(text) > MAX_CELL:
            raise ValueError(f"{name} must be printable text (got {text[:80]!r})")
        if name == "kind" and text not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)} (got {text[:80]!r})")
        return text
    if len(text) <= _MAX_DIGITS and _NUMBER.fullmatch(text):  # float() and int() also take "1_000", "٣" and " 1"
        with suppress(ValueError):
            number = float(text) if kind is float else int(text)
            if number <= largest:
                return number
    what = "number" if kind is float else "whole number"
    raise ValueError(f"{name} must be a {what} from 0 to {largest:.15g} (got {text[:40]!r})")
