"""Arithmetic of sets of time: half-open intervals of whole nanoseconds, ordered and disjoint.

``cover`` lays several sets over one another so that each instant belongs to exactly one: the parts add up.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

Interval = tuple[int, int]
Intervals = Sequence[Interval]  # ordered, disjoint, none empty, none touching the next


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The set that the intervals cover together, whatever their order; empty ones and reversed ones are nothing."""
    found: list[Interval] = []
    for begin, end in sorted(each for each in intervals if each[0] < each[1]):
        if found and begin <= found[-1][1]:
            if end > found[-1][1]:
                found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


def intersection(a: Intervals, b: Intervals) -> list[Interval]:
    """What is in both sets."""
    found: list[Interval] = []
    i = j = 0
    while i < len(a) and j < len(b):
        begin, end = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if begin < end:
            found.append((begin, end))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return found


def difference(a: Intervals, b: Intervals) -> list[Interval]:
    """What is in ``a`` and not in ``b``."""
    found: list[Interval] = []
    j = 0
    for begin, end in a:
        while j < len(b) and b[j][1] <= begin:
            j += 1
        at, k = begin, j
        while k < len(b) and b[k][0] < end:
            if at < b[k][0]:
                found.append((at, b[k][0]))
            at = max(at, b[k][1])
            k += 1
        if at < end:
            found.append((at, end))
    return found


def length(intervals: Intervals) -> int:
    """Nanoseconds in the set."""
    return sum(end - begin for begin, end in intervals)


def cover(layers: Mapping[str, Intervals], within: Intervals, rest: str) -> dict[str, list[Interval]]:
    """Each layer's share of ``within`` that no earlier layer has; ``rest``: what none has.

    The results are disjoint, and their union is ``within``: priority is the layers' order.
    """
    found: dict[str, list[Interval]] = {}
    left = list(within)
    for name, layer in layers.items():
        found[name] = intersection(layer, left)
        left = difference(left, layer)
    return found | {rest: left}


class Lengths:
    """How much of a set lies within any interval, in logarithmic time."""

    def __init__(self, intervals: Intervals) -> None:
        self._begins = [begin for begin, _ in intervals]
        self._ends = [end for _, end in intervals]
        self._before = [0, *accumulate(end - begin for begin, end in intervals)]

    def within(self, begin: int, end: int) -> int:
        """Nanoseconds of the set from ``begin`` to ``end``; 0 if they are reversed."""
        return max(0, self._until(end) - self._until(begin)) if begin < end else 0

    def _until(self, at: int) -> int:
        index = bisect_right(self._begins, at) - 1
        if index < 0:
            return 0
        return self._before[index] + min(at, self._ends[index]) - self._begins[index]
