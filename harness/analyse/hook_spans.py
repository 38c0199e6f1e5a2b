"""Which hook a piece of a timeline comes from: read from the run's spans, else what the hook table says of the phase.

Of a span file only the lines that state a phase are decoded (a start of four processes has ten thousand others, of
imports): a report reads hundreds of runs.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from harness.analyse.spanlines import MAX_LINE_BYTES, Span, header_of, span_of
from harness.analyse.spans import MAX_BYTES, MAX_FILE_BYTES, MAX_FILES
from harness.analyse.timeline import Piece
from harness.record.bounded import UnreadableError, read_bounded

_STATES_A_PHASE = b'"phase"'
_NS = 1e-9


@dataclass(frozen=True)
class PhaseSpan:
    """A hooked call of a process's main thread, seconds since the run's exec."""

    begin_s: float
    end_s: float
    name: str  # of the hook, as the hook table calls it


PhaseSpans = dict[tuple[str, str], list[PhaseSpan]]  # (phase, process) → its calls by begin


def read_phase_spans(folder: Path, exec_ns: int, most_lines: int) -> tuple[PhaseSpans, int]:
    """The calls of a run's ``spans/``, and how many lines were decoded for it; at most ``most_lines`` are.

    What cannot be read is left out: then the piece falls back to its phase's hooks.
    """
    found: PhaseSpans = {}
    decoded, left_bytes = 0, MAX_BYTES
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".jsonl"))[:MAX_FILES]
    except OSError:
        return {}, 0
    for name in names:
        try:
            content = read_bounded(folder / name, min(MAX_FILE_BYTES, left_bytes))
            left_bytes -= len(content)
            header = header_of(content[: content.find(b"\n") + 1])
        except (OSError, UnreadableError, ValueError):
            continue
        for line in _lines_with(_STATES_A_PHASE, content):
            if decoded >= most_lines:
                return {}, decoded
            decoded += 1
            _keep(line, header.pid, header.role, exec_ns, found)
    for spans in found.values():
        spans.sort(key=lambda span: span.begin_s)
    return found, decoded


def _lines_with(word: bytes, content: bytes) -> Iterator[bytes]:
    """The lines that hold ``word``; the others are not even cut out."""
    at = content.find(word)
    while at >= 0:
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end
        if end - (begin := content.rfind(b"\n", 0, at) + 1) <= MAX_LINE_BYTES:
            yield content[begin:end]
        at = content.find(word, end)


def _keep(line: bytes, pid: int, role: str, exec_ns: int, found: PhaseSpans) -> None:
    try:
        span: Span = span_of(line)
    except ValueError:
        return
    phase = span.attrs.get("phase")
    if span.end_ns is None or span.tid != pid or span.package is not None or not isinstance(phase, str):
        return
    begin_s, end_s = (span.begin_ns - exec_ns) * _NS, (span.end_ns - exec_ns) * _NS
    found.setdefault((phase, role), []).append(PhaseSpan(begin_s, end_s, span.name))


def hooks_of_pieces(pieces: Sequence[Piece], spans: PhaseSpans) -> list[str | None]:
    """For each piece the hook whose calls cover most of it; of calls around each other the innermost. None: no call.

    ``pieces`` are in the order of time.
    """
    over: dict[tuple[str, str], int] = {}  # how many of the calls, from the first one, ended before the piece
    found = []
    for piece in pieces:
        key = (piece.phase, piece.process)
        calls, first = spans.get(key, []), over.get(key, 0)
        while first < len(calls) and calls[first].end_s <= piece.begin_s:
            first += 1
        over[key] = first
        found.append(_hook_of(piece, islice(calls, first, None)))
    return found


def _hook_of(piece: Piece, spans: Iterable[PhaseSpan]) -> str | None:
    covered: dict[str, float] = {}
    innermost: dict[str, float] = {}
    for span in spans:
        if span.begin_s >= piece.end_s:
            break
        within_s = min(span.end_s, piece.end_s) - max(span.begin_s, piece.begin_s)
        if within_s > 0:
            covered[span.name] = covered.get(span.name, 0.0) + within_s
            length_s = span.end_s - span.begin_s
            innermost[span.name] = min(innermost.get(span.name, length_s), length_s)
    if not covered:
        return None
    most_s = max(covered.values())
    near = [name for name, seconds in covered.items() if seconds >= 0.9 * most_s]
    return min(near, key=lambda name: (innermost[name], name))
