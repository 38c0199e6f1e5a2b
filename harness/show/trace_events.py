"""The trace-event format: complete (X), instant (i), counter (C) and metadata (M) events, as Perfetto reads them.

"Trace Event Format", docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU. Times are whole
microseconds since exec: Perfetto multiplies by 1000 and cuts, so fractions could make neighbours overlap by a
nanosecond, and an event that runs past the end of the one around it is dropped.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the trace viewer (a thread), and when the trace begins."""

    pid: int
    tid: int
    exec_ns: int

    def microseconds(self, ns: int) -> int:
        """Time since exec; what was before (an exec time is known to 10 ms) is 0."""
        return max(0, ns - self.exec_ns) // 1000


@dataclass(frozen=True, slots=True)
class Piece:
    """What becomes a complete event."""

    begin_ns: int
    end_ns: int
    name: str
    category: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Track:
    """A quantity over time. ``points``: seconds since exec, and the value from then on; None: it is not known."""

    group: str  # cores, or a GPU: tracks of one stand under each other
    name: str
    points: tuple[tuple[float, float | None], ...]


def complete(row: Row, pieces: Iterable[Piece]) -> Iterator[Event]:
    """Events that nest, outer ones first: a piece that runs past the end of the one around it is cut there."""
    ends: list[int] = []
    for piece in sorted(pieces, key=lambda p: (p.begin_ns, -p.end_ns)):
        while ends and ends[-1] <= piece.begin_ns:
            ends.pop()
        end_ns = max(piece.begin_ns, min([piece.end_ns, *ends[-1:]]))
        ends.append(end_ns)
        begin_us = row.microseconds(piece.begin_ns)
        yield {
            "name": piece.name,
            "cat": piece.category,
            "ph": "X",
            "ts": begin_us,
            "dur": row.microseconds(end_ns) - begin_us,
            "pid": row.pid,
            "tid": row.tid,
            "args": {**piece.args, "cut": True} if end_ns < piece.end_ns else piece.args,
        }


def instant(row: Row, name: str, category: str, at_ns: int, scope: str, args: dict[str, Any]) -> Event:
    """A moment; ``scope`` is how far its line is drawn: ``t`` the thread, ``g`` the whole trace."""
    at = {"ts": row.microseconds(at_ns), "pid": row.pid, "tid": row.tid}
    return {"name": name, "cat": category, "ph": "i", "s": scope, **at, "args": args}


def counter(pid: int, track: Track) -> Iterator[Event]:
    """Counter events (C). What is not known is 0 there: the format has no gaps in a counter."""
    for seconds, value in track.points:
        where = {"name": track.name, "ph": "C", "ts": round(seconds * 1e6), "pid": pid, "tid": pid}
        yield {**where, "args": {"value": float(value or 0)}}


def label(what: str, pid: int, tid: int, name: str, order: int) -> Iterator[Event]:
    """Name and place of a ``process`` or a ``thread`` in the viewer."""
    for suffix, args in (("name", {"name": name}), ("sort_index", {"sort_index": order})):
        yield {"name": f"{what}_{suffix}", "ph": "M", "pid": pid, "tid": tid, "args": args}
