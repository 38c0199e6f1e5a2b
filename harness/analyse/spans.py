"""Span files of one start → processes with their main thread's timeline.

A span file is written by the tracer (patches/tracer): a header line, then span lines. A span's begin line has
``end_ns: null``; the line with the same thread, begin and name that has an end supersedes it.
"""

import json
from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class SpanFileError(ValueError):
    """A span file that cannot be used; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Span:
    """A named piece of work. ``end_ns`` is None for a span that was open when its process ended."""

    name: str
    begin_ns: int
    end_ns: int | None
    tid: int
    kind: str  # work | wait | container | note
    attrs: dict[str, Any]

    @property
    def package(self) -> str | None:
        """Top-level package of an import span, else None."""
        return self.attrs.get("package")


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
            spans = [s for s in self.spans if s.tid == self.pid and s.kind != "note"]
            self._slices = _flatten(spans)
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

    def notes(self, name: str) -> list[dict[str, Any]]:
        """What the tracer said about itself under ``name``."""
        return [s.attrs for s in self.spans if s.kind == "note" and s.name == name]


FOREVER_NS = 1 << 62


def _flatten(spans: list[Span]) -> list[Slice]:
    """Properly nested spans → consecutive slices with the stack that was open. An open span ends never."""
    slices: list[Slice] = []
    stack: list[tuple[Span, int]] = []
    cursor = 0

    def advance(to_ns: int) -> None:
        nonlocal cursor
        if to_ns > cursor:
            if stack:
                slices.append(Slice(cursor, to_ns, tuple(span for span, _ in stack)))
            cursor = to_ns

    for span in sorted(spans, key=lambda s: (s.begin_ns, -(s.end_ns or FOREVER_NS))):
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
    """Read one span file. A line cut off by a kill is counted in ``malformed_lines``, the rest is used.

    Raises:
        SpanFileError: no usable header.
    """
    with path.open(encoding="utf-8", errors="replace") as lines:
        try:
            header = json.loads(next(lines, ""))
            process = Process(
                pid=int(header["pid"]),
                parent_pid=int(header["parent_pid"]),
                role=str(header["role"]),
                exec_ns=int(header["exec_ns"]),
                traced_ns=int(header["traced_ns"]),
            )
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise SpanFileError(f"{path.name}:1: no span file header ({error!r})") from None
        latest: dict[tuple[int, int, str], Span] = {}
        for line in lines:
            try:
                raw = json.loads(line)
                end = raw["end_ns"]
                span = Span(
                    name=str(raw["name"]),
                    begin_ns=int(raw["begin_ns"]),
                    end_ns=None if end is None else int(end),
                    tid=int(raw["tid"]),
                    kind=str(raw["kind"]),
                    attrs=dict(raw["attrs"]),
                )
            except (ValueError, KeyError, TypeError, OverflowError):
                process.malformed_lines += 1
                continue
            latest[(span.tid, span.begin_ns, span.name)] = span
    process.spans = sorted(latest.values(), key=lambda s: s.begin_ns)
    return process


def read_processes(folder: Path) -> list[Process]:
    """Every process of one start, by start time. An empty file is a process killed before it could write its header.

    Raises:
        SpanFileError: a file that has content but no header.
    """
    files = [path for path in folder.glob("*.jsonl") if path.stat().st_size > 0]
    return sorted((read_process(path) for path in files), key=lambda p: (p.exec_ns, p.pid))
