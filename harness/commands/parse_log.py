"""``python3 harness parse-log FILE``: the paper's 18 quantities of one start, from its log."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.analyse.log_lines import START, Reading, read_lines
from harness.analyse.logs import quantities
from harness.door import json_errors
from harness.errors import HarnessError
from harness.record.bounded import UnreadableError
from harness.record.log_pieces import log_pieces
from harness.record.plain import printable
from harness.record.recorded_folder import read_label


@dataclass(frozen=True)
class ParsedLog:
    """One log's quantities in seconds; None = the log does not say."""

    file: str
    version: str | None  # vLLM's, by its banner
    label: tuple[str, str] | None  # model and setting by the file's name, if it is in the paper's form
    quantities: dict[str, float | None]
    start_s: float | None  # what the driver printed of the whole start (figures 1 and 12)
    notes: list[str] = field(default_factory=list)


def run_parse_log(path: Path, as_json: bool) -> int:
    """Parse and print; returns the exit code.

    Raises:
        HarnessError: no such file, a folder, or nothing of a start in it.
    """
    with json_errors(as_json):
        parsed = parse(path)
    _print(parsed, Console(stderr=as_json, highlight=False, soft_wrap=True))
    if as_json:
        print(json.dumps(_document(parsed), allow_nan=False))
    return 0


def parse(path: Path) -> ParsedLog:
    """Read the log, whatever its size. Errors as for ``run_parse_log``."""
    try:
        if path.is_dir():
            raise HarnessError(f"{path}: is a folder; name one log (a whole recording: python3 harness reparse DIR)")
        size = path.stat().st_size
        reading = read_lines(log_pieces(path))
    except UnreadableError as error:
        raise HarnessError(f"{path}: {error}; name a log") from None
    except OSError as error:
        raise HarnessError(f"{path}: {error.strerror}; name a log") from None
    found = quantities(reading)
    start_s = reading.values.get(START)
    if start_s is None and all(value is None for value in found.values()):
        what = "empty" if size == 0 else f"no line of a vLLM start in its {size} bytes"
        raise HarnessError(f"{path}: {what}; name the log of a start (VLLM_LOGGING_LEVEL=DEBUG says most)")
    label = read_label(path.name)
    return ParsedLog(
        file=str(path),
        version=reading.version,
        label=label,
        quantities=found,
        start_s=start_s,
        notes=_notes(reading, found, label[1] if label else ""),
    )


def _notes(reading: Reading, found: dict[str, float | None], setting: str) -> list[str]:
    """What a reader must know before using the numbers."""
    notes = []
    if found["init_engine"] is None and START not in reading.values:
        notes.append("no line says that the engine was ready: the log was cut off, or the start failed")
    named = setting.removeprefix("vllm=")
    if setting.startswith("vllm=") and reading.version and named != reading.version:
        notes.append(f"its name says vLLM {named}, its banner {reading.version}: the log of another start?")
    absent = sorted(name for name in reading.unnumbered if found.get(name) is None)
    if absent:
        notes.append(f"the line is there, but states no seconds: {', '.join(absent)}")
    return notes


def _document(parsed: ParsedLog) -> dict[str, Any]:
    return {
        "file": parsed.file,
        "version": parsed.version,
        "label": Path(parsed.file).name if parsed.label else None,
        "model": parsed.label[0] or None if parsed.label else None,
        "setting": parsed.label[1] if parsed.label else None,
        "quantities": parsed.quantities,
        "missing": [name for name, seconds in parsed.quantities.items() if seconds is None],
        START: parsed.start_s,
        "notes": parsed.notes,
    }


def _print(parsed: ParsedLog, console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("quantity")
    table.add_column("seconds", justify="right")
    rows = {**parsed.quantities, **({START: parsed.start_s} if parsed.start_s is not None else {})}
    for name, seconds in rows.items():
        table.add_row(name, "missing" if seconds is None else f"{seconds:.3f}")
    console.print(f"{printable(parsed.file)}: vLLM {parsed.version or 'of unknown version'}", markup=False)
    console.print(table)
    for note in parsed.notes:
        console.print(f"note: {printable(note)}", markup=False)
