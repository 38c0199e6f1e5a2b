"""What a load's client saw: a line for each request (JSONL), and a summary beside it. Meanings: docs/load.md.

    F.jsonl         ``ClientRecord``, in the load's order
    F.summary.json  ``ClientSummary``

Both are written when all requests have ended; the summary first, so that whoever finds F.jsonl finds both.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from harness.record.atomic import place_new, write_text
from harness.record.bounded import HALF_CHARACTER, UnreadableError, parse_json, read_bounded
from harness.record.load import LoadError, json_lines, number, optional, whole
from harness.record.plain import is_name, printable

# 1 (2026-11-29): first version.
SCHEMA_VERSION = 1
OK, FAILED, CANCELLED = "ok", "failed", "cancelled"
STATUSES = (OK, FAILED, CANCELLED)
MAX_ERROR = 300  # characters
_MAX_SUMMARY = 1 << 20
_DECIMALS = 7  # of a second
_COUNTS = ("requests", "completed", "failed", "cancelled", "held_back")


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """One request. Seconds are since the load's begin, but for latencies; absent is None, never 0."""

    request: int
    request_id: str  # header x-request-id
    conversation: int  # header x-session-id
    piece: int
    status: str  # of STATUSES
    http_status: int | None
    error: str | None  # of a failed one, one line
    planned_s: float
    sent_s: float
    ended_s: float
    sent_at: float  # wall clock
    prompt_tokens: int | None  # as the server says
    output_tokens: int  # as the server says, else chunks that held some
    cached_tokens: int | None  # as the server says
    ttft_s: float | None  # to the first chunk with a token
    e2e_s: float | None  # to the last one; without streaming, to the whole answer
    itl_s: list[float]  # between chunks with tokens
    phase: str | None = None  # of a run of several loads
    text: str | None = None  # what was answered, where it is kept


@dataclass(frozen=True)
class ClientSummary:
    """All of them, and what the client itself cost."""

    begin_at: float  # wall clock
    wall_s: float  # to the end of the last request
    cpu_s: float  # of the client's process
    send_error_s: dict[str, float] | None  # median, p99, max; None: every request was held back
    held_back: int  # requests that max_concurrency made wait, and whose send error is not counted
    requests: int
    completed: int
    failed: int
    cancelled: int
    parameters: dict[str, Any]  # how they were sent
    schema_version: int = SCHEMA_VERSION

    @property
    def cpu_share(self) -> float:
        """Of one core."""
        return self.cpu_s / self.wall_s if self.wall_s else 0.0

    def document(self) -> dict[str, Any]:
        """As JSON, schema version first."""
        return {"schema_version": self.schema_version, **asdict(self), "cpu_share": self.cpu_share}


def summary_path(output: Path) -> Path:
    """Where the summary of an output file lies."""
    return output.with_suffix(".summary.json")


def write_output(output: Path, records: Iterable[ClientRecord], summary: ClientSummary) -> None:
    """Write both files.

    Raises:
        FileExistsError: one is there; it is not overwritten.
        OSError: they cannot be written.
    """
    _place(summary_path(output), [json.dumps(summary.document(), indent=1, allow_nan=False) + "\n"])
    _place(output, _lines(records))


def _lines(records: Iterable[ClientRecord]) -> Iterator[str]:
    """The lines of an output file."""
    return (json.dumps(_document(record), separators=(",", ":"), allow_nan=False) + "\n" for record in records)


def write_records(path: Path, records: Iterable[ClientRecord]) -> None:
    """Write records as part of a run, atomically; what is there is replaced. Raises OSError."""
    write_text(path, "".join(_lines(records)))


def _place(target: Path, lines: Iterable[str]) -> None:
    filling = target.with_name(f".{target.name}.{os.getpid()}.making")
    try:
        with filling.open("w", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        place_new(filling, target)
    finally:
        filling.unlink(missing_ok=True)


def _document(record: ClientRecord) -> dict[str, Any]:
    found = asdict(record)
    for perhaps in ("phase", "text"):
        if found[perhaps] is None:
            del found[perhaps]
    rounded = {name: round(value, _DECIMALS) for name, value in found.items() if isinstance(value, float)}
    return found | rounded | {"itl_s": [round(each, _DECIMALS) for each in record.itl_s]}


def read_records(path: Path) -> list[ClientRecord]:
    """The records of an output file. Keys that this version does not know are ignored.

    Raises:
        LoadError: it cannot be read, or a line cannot be.
    """
    records = []
    for place, found in json_lines(path):
        try:
            records.append(_record(found))
        except (ValueError, KeyError) as error:
            what = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
            raise LoadError(f"{path}: line {place}: {what}") from None
    return records


def _record(found: dict[str, Any]) -> ClientRecord:
    status, itl_s = found["status"], found["itl_s"]
    if status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)} (got {printable(repr(status), 40)})")
    if not isinstance(itl_s, list):
        raise ValueError("itl_s must be a list")
    cells: dict[str, Any] = {name: check(found[name], name) for name, check in _CELLS.items()}
    cells |= {name: optional(check, found[name], name) for name, check in _PERHAPS.items()}
    gaps = [number(each, "itl_s") for each in itl_s]
    phase, text = optional(_text, found.get("phase"), "phase"), found.get("text")
    if not isinstance(text, str | None) or (text and HALF_CHARACTER.search(text)):
        raise ValueError("text must be text")
    return ClientRecord(status=status, itl_s=gaps, phase=phase, text=text, **cells)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not is_name(value, MAX_ERROR):
        raise ValueError(f"{name} must be printable text of at most {MAX_ERROR} characters")
    return value


def _count(value: Any, name: str) -> int:
    return whole(value, name, 0)


_CELLS: dict[str, Callable[[Any, str], Any]] = {
    "request_id": _text,
    **dict.fromkeys(("request", "conversation", "piece", "output_tokens"), _count),
    **dict.fromkeys(("planned_s", "sent_s", "ended_s", "sent_at"), number),
}
_PERHAPS: dict[str, Callable[[Any, str], Any]] = {
    "error": _text,
    **dict.fromkeys(("prompt_tokens", "cached_tokens", "http_status"), _count),
    **dict.fromkeys(("ttft_s", "e2e_s"), number),
}


def read_summary(path: Path) -> ClientSummary:
    """The summary in this file.

    Raises:
        LoadError: it cannot be read, or is none.
    """
    try:
        return summary_of(parse_json(read_bounded(path, _MAX_SUMMARY)))
    except OSError as error:
        raise LoadError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnreadableError, ValueError) as error:
        raise LoadError(f"{path}: {error}") from None


def summary_of(found: Any) -> ClientSummary:
    """The summary that a JSON document is. Raises ValueError."""
    if not isinstance(found, dict) or found.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"no summary of a load (schema_version {SCHEMA_VERSION})")
    missing = [field.name for field in fields(ClientSummary) if field.name not in found]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    errors = found["send_error_s"]
    if not isinstance(found["parameters"], dict) or not isinstance(errors, dict | None):
        raise ValueError("parameters and send_error_s must be objects")
    cells: dict[str, Any] = {name: number(found[name], name) for name in ("begin_at", "wall_s", "cpu_s")}
    cells |= {name: _count(found[name], name) for name in _COUNTS}
    return ClientSummary(send_error_s=optional(_send_error, errors), parameters=found["parameters"], **cells)


def _send_error(found: dict[str, Any]) -> dict[str, float]:
    return {name: number(found.get(name), f"send_error_s.{name}") for name in ("median", "p99", "max")}


def count(records: Sequence[ClientRecord], status: str) -> int:
    """How many of them ended so."""
    return sum(record.status == status for record in records)
