"""One column of whole numbers as CSV: read within bounds, and made from a trace or from a replay's event log."""

import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.analyse.sequences import MAX_VALUE, Values, as_values
from harness.errors import HarnessError
from harness.record.atomic import place_new
from harness.record.bounded import UnreadableError, read_bounded
from harness.record.event_log import read_events
from harness.record.plain import is_name, printable
from harness.record.replay_rows import ReplayError
from harness.traces.rows import MAX_TOKENS, read_trace

MAX_BYTES = 16 << 20  # of a CSV file: five million lengths
LENGTHS = ("output_tokens", "prompt_tokens", "total_tokens")
OPERATIONS = "operations"
COLUMNS = (*LENGTHS, OPERATIONS)
# What the events of blocks are called in the column `operations`; events of requests alone are no memory operations.
CODES = {"alloc": 0, "hit": 1, "evict": 2, "store": 3, "free": 4, "preempt": 5}
_OTHER_EVENTS = {"arrive", "admit", "first_token", "finish", "end", "swap_out", "swapped_out", "swap_in", "swapped_in"}


@dataclass(frozen=True)
class Series:
    """A column as read."""

    column: str
    values: Values


def read_series(path: Path) -> Series:
    """The column of a CSV file: a header, then one whole number a line.

    Raises:
        HarnessError: it cannot be read or is anything else; names the line.
    """
    cure = "one column of whole numbers with a header is expected; `python3 harness sequence extract` makes one"
    try:
        text = read_bounded(path, MAX_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read: {error.strerror}; {cure}") from None
    except UnreadableError as error:
        raise HarnessError(f"{path}: cannot be used: {error}; {cure}") from None
    except UnicodeDecodeError:
        raise HarnessError(f"{path}: not text in UTF-8; {cure}") from None
    lines = text.rstrip("\r\n").splitlines()
    header = lines[0].strip().strip('"') if lines else ""
    problem = _header_problem(header, text)
    if problem:
        raise HarnessError(f"{path}: {problem}; {cure}")
    for number, line in enumerate(lines[1:], start=2):
        if not _is_value(line):
            got = printable(line, 40) or "an empty line"
            raise HarnessError(f"{path}: line {number}: not a whole number from 0 to {MAX_VALUE} (got {got}); {cure}")
    if len(lines) < 2:
        raise HarnessError(f"{path}: no value below the header; {cure}")
    return Series(header, as_values([int(line) for line in lines[1:]]))


def _header_problem(header: str, text: str) -> str | None:
    if not text.strip():
        return "empty"
    if "," in header or ";" in header or "\t" in header:
        return "line 1: more than one column"
    if _is_number(header):
        return "line 1: a number, no header"
    return None if is_name(header) else "line 1: no header"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_value(line: str) -> bool:
    cell = line.strip()
    return cell.isascii() and cell.isdigit() and len(cell) <= 16 and int(cell) <= MAX_VALUE


def write_series(values: Iterable[int], column: str, out: Path, source: Path) -> int:
    """Write the column into the new file ``out``; returns how many values it has.

    Raises:
        HarnessError: ``out`` exists or cannot be written, or ``source`` has no values or too many to be read again.
    """
    if os.path.lexists(out):
        raise HarnessError(f"{out} exists already; name a new file")
    written, size = 0, len(column) + 1
    making = out.with_name(f".{out.name}.making-{secrets.token_hex(4)}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            with making.open("w", encoding="utf-8") as file:
                file.write(f"{column}\n")
                for value in values:
                    written, size = written + 1, size + file.write(f"{value}\n")
                    if size > MAX_BYTES:
                        many = f"more than {written:,} values of {column}"
                        raise HarnessError(f"{source}: {many}, which is too much for one file; give a part of it")
            if not written:
                raise HarnessError(f"{source}: it has no {column}; name another column or file")
            place_new(making, out)
        finally:
            making.unlink(missing_ok=True)
    except OSError as error:
        raise HarnessError(f"{out}: cannot be written: {error.strerror}; name another file") from None
    return written


def trace_values(trace: Path, column: str) -> list[int]:
    """A column of lengths of a trace (recorded tokens or Mooncake's), in order of arrival.

    Raises:
        HarnessError: it has no such column, or a row is no request.
    """
    if column not in LENGTHS:
        raise HarnessError(f"--column {column}: a trace has {', '.join(LENGTHS)}; operations are in --events")
    rows = [(row.arrival_s, _length(column, row.prompt_tokens, row.output_tokens)) for _, row in read_trace(trace)]
    rows.sort(key=lambda row: row[0])  # stable: equal arrivals stay in the file's order
    return [length for _, length in rows]


def event_values(events: Path, column: str) -> Iterator[int]:
    """Memory operations (``CODES``) of an event log, or lengths of its requests, in the order of the log.

    Raises:
        HarnessError: the log cannot be read, or has an event that is not known.
    """
    try:
        for number, event in read_events(events):
            kind = event.get("event")
            if kind not in CODES and kind not in _OTHER_EVENTS:
                raise ReplayError(f"{events}: line {number}: no event is called {kind}")
            if column == OPERATIONS and kind in CODES:
                yield CODES[kind]
            elif column != OPERATIONS and kind == "arrive":
                prompt, output = (_tokens(event.get(key)) for key in ("prompt_tokens", "output_tokens"))
                if prompt is None or output is None:
                    raise ReplayError(f"{events}: line {number}: an arrival without prompt_tokens and output_tokens")
                yield _length(column, prompt, output)
    except ReplayError as error:
        raise HarnessError(f"{error}; name a log of `python3 harness replay --events`") from None


def _tokens(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= MAX_TOKENS else None


def _length(column: str, prompt: int, output: int) -> int:
    return {"prompt_tokens": prompt, "output_tokens": output, "total_tokens": prompt + output}[column]
