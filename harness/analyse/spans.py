"""Span files of one start → processes with their main thread's timeline.

A span file is written by the tracer (patches/tracer): a header line, then span lines. A span's begin line has
``end_ns: null``; the line with the same thread, begin and name that has an end supersedes it.
"""

import os
import re
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from harness.analyse.spanlines import FOREVER_NS as FOREVER_NS
from harness.analyse.spanlines import Span as Span
from harness.analyse.spanlines import SpanFileError as SpanFileError
from harness.analyse.spanlines import header_of, lines_of, span_of
from harness.record.bounded import UnreadableError, open_regular
from harness.record.plain import printable

# A start of 13 processes leaves 2 MB. What is larger than these was not written by the tracer.
SAME_START_NS = 20_000_000  # the kernel tells when a process began in ticks of 10 ms, and each file by its own clock
MAX_FILES = 4096
MAX_FILE_BYTES = 64 << 20
MAX_BYTES = 128 << 20
MAX_STACKED = 20_000_000  # spans of the main thread, each counted with those around it: what its slices take
_FILE = re.compile(r"([A-Za-z0-9_-]{1,64}?)-(\d{1,10})(?:-[2-4])?\.jsonl")  # role, pid; -2: what replaced its program


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of a thread's time during which the same spans were open, outermost first."""

    begin_ns: int
    end_ns: int
    stack: tuple[Span, ...]


@dataclass(slots=True)
class Process:
    """One traced process. Times are ns on CLOCK_MONOTONIC, the same clock for all processes of a machine."""

    pid: int
    parent_pid: int
    role: str
    exec_ns: int  # start of the process, to the kernel's 10 ms
    traced_ns: int  # the tracer's first instruction
    spans: list[Span] = field(default_factory=list)  # all threads, by begin
    malformed_lines: int = 0
    _slices: list[Slice] = field(default_factory=list)

    def main_thread(self, begin_ns: int, end_ns: int) -> list[Slice]:
        """The main thread's time in [begin_ns, end_ns), without gaps: slices with an empty stack fill the rest."""
        if not self._slices:
            self._slices = _flatten(self.timeline())
        result: list[Slice] = []
        cursor = begin_ns
        first = bisect_left(self._slices, begin_ns, key=lambda s: s.end_ns)
        for piece in self._slices[first:]:
            if piece.begin_ns >= end_ns:
                break
            begin, end = max(piece.begin_ns, begin_ns), min(piece.end_ns, end_ns)
            if begin >= end:
                continue
            if begin > cursor:
                result.append(Slice(cursor, begin, ()))
            result.append(Slice(begin, end, piece.stack))
            cursor = end
        if cursor < end_ns:
            result.append(Slice(cursor, end_ns, ()))
        return result

    def timeline(self) -> list[Span]:
        """The main thread's spans, outer ones before inner ones."""
        spans = [s for s in self.spans if s.tid == self.pid and s.kind != "note"]
        return sorted(spans, key=lambda s: (s.begin_ns, -(s.end_ns or FOREVER_NS)))

    def notes(self, name: str) -> list[dict[str, Any]]:
        """What the tracer said about itself under ``name``."""
        return [s.attrs for s in self.spans if s.kind == "note" and s.name == name]


def _flatten(spans: list[Span]) -> list[Slice]:
    """Spans, outer before inner → consecutive slices with the stack that was open. An open span ends never."""
    slices: list[Slice] = []
    stack: list[tuple[Span, int]] = []
    cursor = 0

    def advance(to_ns: int) -> None:
        nonlocal cursor
        if to_ns > cursor:
            if stack:
                slices.append(Slice(cursor, to_ns, tuple(span for span, _ in stack)))
            cursor = to_ns

    for span in spans:
        while stack and stack[-1][1] <= span.begin_ns:
            advance(stack[-1][1])
            stack.pop()
        advance(span.begin_ns)
        end = span.end_ns or FOREVER_NS
        stack.append((span, min(end, stack[-1][1]) if stack else end))
    while stack:
        advance(stack[-1][1])
        stack.pop()
    return slices


def read_process(path: Path) -> Process:
    """Read one span file. A line cut off by a kill, or damaged, is counted in ``malformed_lines``, the rest is used.

    Raises:
        SpanFileError: no usable header, no regular file, or one that is too large to be a start's.
    """
    name = printable(path.name, 100)
    try:
        with open_regular(path, MAX_FILE_BYTES) as file:
            return _read(file, name)
    except UnreadableError as error:
        raise SpanFileError(f"{name}: {error}") from None
    except OSError as error:
        raise SpanFileError(f"{name}: not readable ({error.strerror})") from None


def _read(file: BinaryIO, name: str) -> Process:
    lines = lines_of(file)
    try:
        header = header_of(next(lines, b""))
    except ValueError as error:
        raise SpanFileError(f"{name}:1: no span file header ({printable(str(error), 200)})") from None
    process = Process(header.pid, header.parent_pid, header.role, header.exec_ns, header.traced_ns)
    latest: dict[tuple[int, int, str], Span] = {}
    for line in lines:
        try:
            span = span_of(line)
        except ValueError:
            process.malformed_lines += 1
            continue
        latest[(span.tid, span.begin_ns, span.name)] = span
    process.spans = sorted(latest.values(), key=lambda s: s.begin_ns)
    if _stacked(process) > MAX_STACKED:
        raise SpanFileError(f"{name}: its spans are nested too deeply")
    return process


def _stacked(process: Process) -> int:
    """How many references the main thread's slices would hold at most."""
    ends: list[int] = []
    references = 0
    for span in process.timeline():
        while ends and ends[-1] <= span.begin_ns:
            ends.pop()
        end = span.end_ns or FOREVER_NS
        ends.append(min(end, ends[-1]) if ends else end)
        references += 2 * len(ends)
    return references


def read_processes(folder: Path) -> list[Process]:
    """Every process of one start that wrote something, by start time; the others: ``unwritten``.

    Raises:
        SpanFileError: a file that has content but no header, or files too large or too many to be a start's.
    """
    sizes = _sizes(folder)
    if len(sizes) > MAX_FILES or sum(sizes.values()) > MAX_BYTES:
        raise SpanFileError(
            f"{len(sizes)} span files of {sum(sizes.values())} bytes; a start has at most {MAX_FILES} of {MAX_BYTES}"
        )
    files = [path for path, size in sizes.items() if size > 0]
    return _joined(sorted(map(read_process, files), key=lambda p: (p.traced_ns, p.pid)))


def unwritten(folder: Path) -> dict[int, str]:
    """Processes of one start whose span file is empty, pid → role, by the file's name.

    Such a process was killed before it could write the header, or the disk was full: then it went on without a trace.

    Raises:
        SpanFileError: the folder is not readable.
    """
    names = [_FILE.fullmatch(path.name) for path, size in _sizes(folder).items() if size == 0]
    return {int(name[2]): name[1] for name in names if name}


def _sizes(folder: Path) -> dict[Path, int]:
    """Span files and their bytes; none where there is no folder. Raises SpanFileError."""
    try:
        found = [entry for entry in os.scandir(folder) if entry.name.endswith(".jsonl")]
        return {Path(entry.path): entry.stat(follow_symlinks=False).st_size for entry in found}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SpanFileError(f"the folder of span files is not readable ({error.strerror})") from None


def _joined(processes: list[Process]) -> list[Process]:
    """One process for files of the same pid and start: a launcher, and the program that it replaced itself by."""
    found: list[Process] = []
    for process in processes:
        who = (process.pid, process.role)
        same = (p for p in found if (p.pid, p.role) == who and abs(p.exec_ns - process.exec_ns) < SAME_START_NS)
        before = next(same, None)
        if before is None:
            found.append(process)
        else:
            _replace_program(before, process)
    return sorted(found, key=lambda p: (p.exec_ns, p.pid))


def _replace_program(process: Process, after: Process) -> None:
    """Go on with what ``process`` was replaced by: what was open in it ended there, and an interpreter started."""
    ended_ns = max((s.end_ns or s.begin_ns for s in process.spans), default=process.traced_ns)
    ended_ns = min(ended_ns, after.traced_ns)
    closed = [s if s.end_ns is not None else replace(s, end_ns=max(s.begin_ns, ended_ns)) for s in process.spans]
    start = Span("interpreter start", ended_ns, after.traced_ns, process.pid, "work", {"phase": "interpreter"})
    process.spans = sorted([*closed, start, *after.spans], key=lambda s: s.begin_ns)
    process.malformed_lines += after.malformed_lines
