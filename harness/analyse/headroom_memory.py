"""A traced point's event log → the memory view: blocks in use and moved over time, and the lanes of its first requests.

The log's events are those of docs/prefix-sharing.md, simulated or of a real engine. A transfer to the host holds blocks
until it is over; one from the host fills blocks that a request holds, and moves none.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.record.headroom_tables import ADMIT, FINISH, PREEMPT, RESUME
from harness.record.tables import Cell

MOST_BINS = 600
FIRST_REQUESTS = 150
MOVES = ("allocated", "freed", "hit", "evicted")  # blocks that an event moves
_MOVED_BY = {"alloc": "allocated", "free": "freed", "hit": "hit", "evict": "evicted", "swapped_out": "freed"}


@dataclass(frozen=True)
class Bin:
    """An interval of the log's time; ``moved`` by ``MOVES``, in blocks; ``preempted``: requests."""

    begin_s: float
    end_s: float
    mean_blocks_in_use: float
    max_blocks_in_use: int
    moved: Mapping[str, int]
    preempted: int

    @property
    def cells(self) -> tuple[Cell, ...]:
        """As memory.csv has them, without the point's own."""
        counts = (self.moved[name] for name in MOVES)
        return (self.begin_s, self.end_s, self.mean_blocks_in_use, self.max_blocks_in_use, *counts, self.preempted)


@dataclass(frozen=True)
class Lane:
    """One event of one request (its index in the order of arrival); ``blocks``: held after it, or lost by it."""

    request: int
    event: str
    t_s: float
    blocks: int

    @property
    def cells(self) -> tuple[Cell, ...]:
        """As lanes.csv has them, without the case."""
        return (self.request, self.event, self.t_s, self.blocks)


@dataclass(frozen=True)
class MemoryView:
    """``bins`` of equal width, at most ``MOST_BINS``; ``lanes`` of the first requests, in the order of the log."""

    bins: list[Bin]
    lanes: list[Lane]


def memory_view(
    events: Iterable[tuple[int, dict[str, Any]]], bins: int = MOST_BINS, first: int = FIRST_REQUESTS
) -> MemoryView:
    """One pass over the events, given with their line numbers (``record.event_log.read_events``)."""
    view = _Log(first)
    for _, event in events:
        view.add(event)
    return MemoryView(list(view.bins(bins)), view.lanes)


class _Log:
    def __init__(self, first: int) -> None:
        self.lanes: list[Lane] = []
        self._first = first
        self._number: dict[str, int] = {}  # request → its index
        self._held: dict[str, int] = {}  # request → blocks
        self._in_use: set[int] = set()
        self._times: list[float] = [0.0]
        self._levels: list[int] = [0]
        self._moves: dict[str, list[tuple[float, int]]] = {name: [] for name in (*MOVES, "preempted")}
        self._end = 0.0

    def add(self, event: dict[str, Any]) -> None:
        kind, now = event["event"], float(event["t"])
        self._end = now
        if kind in _MOVED_BY:
            blocks = event["blocks"]
            self._moves[_MOVED_BY[kind]].append((now, len(blocks)))
            if kind in ("free", "swapped_out"):
                self._in_use.difference_update(blocks)
                if kind == "free":
                    self._held.pop(event["request"], None)
            elif kind != "evict":
                self._in_use.update(blocks)
                self._held[event["request"]] = self._held.get(event["request"], 0) + len(blocks)
            self._times.append(now)
            self._levels.append(len(self._in_use))
        elif kind == "swap_out":
            self._in_use.update(event["blocks"])
            self._times.append(now)
            self._levels.append(len(self._in_use))
        elif kind == "arrive":
            self._number.setdefault(event["request"], len(self._number))
        elif kind == "preempt":
            self._moves["preempted"].append((now, 1))
            self._lane(event, PREEMPT, event["blocks"])
        elif kind == "admit":
            self._lane(event, RESUME if event["resumed"] else ADMIT, self._held.get(event["request"], 0))
        elif kind == "finish":
            self._lane(event, FINISH, self._held.get(event["request"], 0))

    def _lane(self, event: dict[str, Any], name: str, blocks: int) -> None:
        number = self._number[event["request"]]
        if number < self._first:
            self.lanes.append(Lane(number, name, float(event["t"]), blocks))

    def bins(self, most: int) -> Iterator[Bin]:
        if self._end <= 0:
            return
        edges = np.linspace(0.0, self._end, most + 1)
        times, levels = np.asarray(self._times), np.asarray(self._levels)
        changes = np.append(times, self._end)
        area = np.concatenate([[0.0], np.cumsum(levels * np.diff(changes))])  # block seconds until each change
        means = np.diff(np.interp(edges, changes, area)) / np.diff(edges)
        highest = _highest(times, levels, edges)
        counts = {name: _counted(moves, edges) for name, moves in self._moves.items()}
        for at in range(most):
            moved = {name: int(counts[name][at]) for name in MOVES}
            begin, end = float(edges[at]), float(edges[at + 1])
            yield Bin(begin, end, float(means[at]), int(highest[at]), moved, int(counts["preempted"][at]))


def _highest(times: NDArray[Any], levels: NDArray[Any], edges: NDArray[Any]) -> NDArray[Any]:
    """Of each bin, the highest of the levels that lasted for some time in it."""
    last = np.append(np.diff(times) > 0, True)  # of changes at one time the last one lasts
    times, levels = times[last], levels[last]
    found = np.zeros(len(edges) - 1, dtype=np.int64)
    carried = np.searchsorted(times, edges[:-1], side="right") - 1  # the level that a bin begins with
    np.maximum(found, np.where(carried >= 0, levels[np.maximum(carried, 0)], 0), out=found)
    inside = times < edges[-1]
    at = np.searchsorted(edges, times[inside], side="right") - 1
    np.maximum.at(found, at, levels[inside])
    return found


def _counted(moves: list[tuple[float, int]], edges: NDArray[Any]) -> NDArray[Any]:
    """Sums of the moves in each bin; what happens at the end is in the last."""
    found = np.zeros(len(edges) - 1, dtype=np.int64)
    if moves:
        times, counts = (np.asarray(column) for column in zip(*moves, strict=True))
        at = np.minimum(np.searchsorted(edges, times, side="right") - 1, len(found) - 1)
        np.add.at(found, at, counts)
    return found
