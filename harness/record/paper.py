"""``paper.csv`` beside a figure's plot.py: numbers derived from the paper's recorded logs. No log line, host or path.

One row is one quantity of one recorded start. What a start did not log has no row.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from harness.record.bounded import UnreadableError, read_bounded
from harness.record.slotcheck import KINDS, SlotError

PAPER_CSV = "paper.csv"
_MAX_BYTES = 2 << 20


@dataclass(frozen=True)
class PaperRow:
    """``setting`` is what the label says besides the model (``load-format=tensorizer``; several joined by blanks)."""

    figure: str
    slot: str  # node0, gpu0, gpu1, cpu0, …
    model: str  # name in models.yaml
    setting: str
    kind: str  # warmup (the paper's "uncached" folder) or measured
    iteration: int  # 0 for the warm-up, 1…5
    phase: str  # one of harness/analyse/logs.py's quantities, or start_s (figure 1: the driver's own line)
    seconds: float


_COLUMNS = tuple(field.name for field in fields(PaperRow))


def paper_csv(rows: Iterable[PaperRow]) -> bytes:
    """The rows as CSV, in an order that depends on nothing but the rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(sorted(astuple(row) for row in rows))
    return text.getvalue().encode()


def read_lines(path: Path, columns: tuple[str, ...], max_bytes: int) -> Iterator[tuple[int, list[str]]]:
    """The lines of a CSV file with exactly these columns, each with its number in the file.

    Raises:
        SlotError: one line that names the file and what is wrong.
    """
    try:
        text = read_bounded(path, max_bytes).decode("utf-8")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except OSError as error:
        raise SlotError(f"{path}: cannot read: {error.strerror}") from None
    except (UnreadableError, UnicodeDecodeError, csv.Error) as error:
        raise SlotError(f"{path}: {error}") from None
    if not lines or tuple(lines[0]) != columns:
        raise SlotError(f"{path}:1: columns must be {','.join(columns)}")
    yield from enumerate(lines[1:], start=2)


def read_paper(path: Path) -> list[PaperRow]:
    """The rows of one paper.csv.

    Raises:
        SlotError: one line that names the file, the line and what is wrong.
    """
    rows = []
    for number, line in read_lines(path, _COLUMNS, _MAX_BYTES):
        try:
            figure, slot, model, setting, kind, iteration, phase, seconds = line
            row = PaperRow(figure, slot, model, setting, kind, int(iteration), phase, float(seconds))
        except ValueError:
            raise SlotError(f"{path}:{number}: not a row of {len(_COLUMNS)} fields with numbers where due") from None
        if not math.isfinite(row.seconds) or row.kind not in KINDS:
            raise SlotError(f"{path}:{number}: seconds must be finite, kind one of {', '.join(KINDS)}")
        rows.append(row)
    return rows
