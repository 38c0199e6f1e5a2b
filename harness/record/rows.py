"""Tidy rows, one number of one run each, and their CSV form: the same rows make the same bytes, and read back equal."""

import csv
import io
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from harness.record.runcheck import MAX_SECONDS
from harness.record.slotcheck import KINDS, SOURCES, STATUSES, SlotError

MAX_CELL = 300


@dataclass(frozen=True)
class Row:
    """One number of one run.

    ``source`` is how it was measured (span, log, paper) and ``phase`` what it is: a leaf of the partition of
    exec→ready for ``span``, the paper's name of a quantity for ``log``. ``status`` is the run's.
    """

    figure: str
    slot: str
    case: str
    model: str
    run: str
    kind: str
    phase: str
    seconds: float
    source: str
    session: str = ""
    status: str = "ok"


COLUMNS = tuple(field.name for field in fields(Row))
_cells = attrgetter(*COLUMNS)  # dataclasses.astuple copies every cell: ten times as slow
_FIXED = COLUMNS[: COLUMNS.index("source") + 1]  # what every data.csv begins with


def to_csv(rows: Iterable[Row]) -> bytes:
    """The rows as CSV, in an order that depends on nothing but the rows. Raises SlotError naming a bad row."""
    ordered = sorted(rows, key=_order)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, row in enumerate(ordered, start=2):
        _check(row, f"data.csv:{number}")
        # repr is the shortest text that reads back as the same double.
        writer.writerow([repr(float(row.seconds)) if name == "seconds" else getattr(row, name) for name in COLUMNS])
    return text.getvalue().encode()


def from_csv(content: bytes, where: str) -> list[Row]:
    """The rows of one CSV file. Raises SlotError naming the line. Columns this version does not know are ignored."""
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise SlotError(f"{where}: not CSV: {error}") from None
    header = tuple(lines[0]) if lines else ()
    if header[: len(_FIXED)] != _FIXED or len(set(header)) != len(header):
        raise SlotError(f"{where}:1: columns must begin with {','.join(_FIXED)} (got {','.join(header)[:200]!r})")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(header):
            raise SlotError(f"{where}:{number}: {len(line)} fields, the header has {len(header)}")
        cells: dict[str, Any] = {name: cell for name, cell in zip(header, line, strict=True) if name in COLUMNS}
        try:
            cells["seconds"] = float(cells["seconds"])
        except ValueError:
            raise SlotError(f"{where}:{number}: seconds is not a number (got {cells['seconds'][:40]!r})") from None
        row = Row(**cells)
        _check(row, f"{where}:{number}")
        rows.append(row)
    return rows


def _check(row: Row, where: str) -> None:
    for name, cell in zip(COLUMNS, _cells(row), strict=True):
        if name == "seconds":
            # A log's quantity may be the difference of two others, what a span measured cannot be negative.
            least = 0.0 if row.source == "span" else -MAX_SECONDS
            if not math.isfinite(cell) or not least <= cell <= MAX_SECONDS:
                raise SlotError(f"{where}: seconds must be finite and possible (got {cell})")
        elif not cell.isprintable() or len(cell) > MAX_CELL or (not cell and name != "session"):
            raise SlotError(f"{where}: {name} must be printable text (got {cell[:80]!r})")
    for name, known in (("kind", KINDS), ("source", SOURCES), ("status", STATUSES)):
        if getattr(row, name) not in known:
            raise SlotError(f"{where}: {name} must be one of {', '.join(known)} (got {getattr(row, name)[:80]!r})")


def _order(row: Row) -> tuple[Any, ...]:
    """Warm-up first, run 2 before run 10, then every field: no two different rows compare equal."""
    number = re.search(r"\d+$", row.run)
    return (row.case, row.kind != "warmup", int(number[0]) if number else 0, *_cells(row))
