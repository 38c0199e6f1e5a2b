"""Which starts of a sweep belong together, and which were recorded under another state and must not be averaged in.

The state of the weights' storage is declared and proved for our own starts. A recording does not say it: it is read off
the bandwidth that loading achieved, bytes of the checkpoint over seconds of ``load_weights``. Never by model names.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import geometric_mean, median
from typing import TypeVar

from harness.analyse.forecast_phases import LOAD
from harness.analyse.forecast_starts import DEFAULT_FORMAT, Start
from harness.record.plain import printable

# Neighbouring models (sorted by bandwidth) that differ by more than this factor were loaded from different storage.
# In the recorded sweeps neighbours of one state differ by at most 1.13, those of two states by at least 12.7; storage
# tiers (disk, solid-state disk, memory) are seldom nearer than 2.
FACTOR = 2.0
# Unless what they differ in is less than this part of the start: the fixed cost of opening a small model's files.
NEGLIGIBLE = 0.02
_LONGEST = 200  # characters of what tells a start apart

Key = TypeVar("Key")


@dataclass(frozen=True)
class State:
    """Storage level (declared, or None) with the achieved bandwidth of its starts (geometric mean), and load format."""

    load_format: str
    storage: str | None
    bytes_per_s: float | None

    def words(self) -> str:
        """For people: ``ssd, 0.55 GB/s``."""
        rate = "" if self.bytes_per_s is None else f"{self.bytes_per_s / 1e9:.2f} GB/s"
        named = "" if self.load_format == DEFAULT_FORMAT else self.load_format
        return ", ".join(part for part in (self.storage or "", rate, named) if part) or "unknown storage"


@dataclass(frozen=True)
class Flag:
    """A model (or some of its starts) that is not averaged in, and why; ``model`` as the data calls it."""

    model: str
    reason: str
    whole: bool  # False: other starts of the model are used


@dataclass(frozen=True)
class Sorted:
    """A sweep's starts by state: those to train on, the others' states, and what was set aside."""

    main: State | None  # None: no start to use
    used: tuple[Start, ...]
    others: dict[State, tuple[Start, ...]]
    flags: tuple[Flag, ...]


def sort_starts(starts: Iterable[Start]) -> Sorted:
    """The starts of one compile-cache state, sorted. What most models have in common is used, the rest is flagged."""
    all_of_them = list(starts)
    flags = _flags(all_of_them, lambda start: start.fault is None, lambda start: start.fault or "")
    every = [start for start in all_of_them if start.fault is None]
    known = [start for start in every if start.facts is not None]
    flags += [
        Flag(name, "not in models.yaml (or a twin of unrecorded size): nothing is known of it before a start", True)
        for name in dict.fromkeys(start.label for start in every if start.facts is None)
    ]
    usual = most_models(known, lambda start: start.work) or ()
    flags += _flags(known, lambda s: s.work == usual, lambda s: f"started in another way ({_apart(s.work, usual)})")
    alike = [start for start in known if start.work == usual]
    states, between = _states(alike)
    by_start = {id(start): state for state, group in states.items() for start in group}
    placed = sorted((start for start in alike if id(start) in by_start), key=lambda s: s.load_format != DEFAULT_FORMAT)
    main = most_models(placed, lambda start: by_start[id(start)])
    if main is None:
        return Sorted(None, (), {}, tuple(flags))

    def why(start: Start) -> str:
        if start.bytes_per_s and id(start) not in by_start:
            return f"loaded at {start.bytes_per_s / 1e9:.2f} GB/s, as under no storage state of the others"
        state = by_start[id(start)]
        if state.load_format != main.load_format:
            return f"loaded as {state.load_format}, the others as {main.load_format}"
        return f"recorded under another storage state: {state.words()}, the others {main.words()}"

    flags += _flags([*placed, *between], lambda start: by_start.get(id(start)) == main, why)
    others = {state: group for state, group in states.items() if state != main}
    return Sorted(main, states[main], others, tuple(flags))


def _apart(work: tuple[str, ...], usual: tuple[str, ...]) -> str:
    """What tells a way of starting from the usual one: what only it has, else what it lacks."""
    own = [part for part in work if part not in usual]
    return printable(", ".join(own or [f"without {part}" for part in usual if part not in work]), _LONGEST)


def most_models(starts: Sequence[Start], key: Callable[[Start], Key]) -> Key | None:
    """The key that most models have, of equal ones that of most starts, then the first; None without starts."""
    counts = Counter(map(key, starts))
    models = Counter(found for found, _ in {(key(start), start.label) for start in starts})
    return max(counts, key=lambda each: (models[each], counts[each]), default=None)


def _flags(starts: Sequence[Start], fits: Callable[[Start], bool], why: Callable[[Start], str]) -> list[Flag]:
    left_out = {start.label: why(start) for start in reversed(starts) if not fits(start)}
    partly = {start.label for start in starts if fits(start)}
    return [Flag(name, reason, name not in partly) for name, reason in sorted(left_out.items())]


def _states(starts: Sequence[Start]) -> tuple[dict[State, tuple[Start, ...]], list[Start]]:
    """The starts by state, and those whose rate is of no state of their sweep (weights partly in memory)."""
    groups: dict[tuple[str, str | None], list[Start]] = {}
    for start in starts:
        groups.setdefault((start.load_format, start.storage), []).append(start)
    out: dict[State, tuple[Start, ...]] = {}
    between: list[Start] = []
    for (load_format, storage), group in groups.items():
        parts, odd = _by_bandwidth(group) if storage is None else ([group], [])
        between += odd
        for part in parts:
            out[State(load_format, storage, mean_rate(part))] = tuple(part)
    return out, between


def mean_rate(starts: Iterable[Start]) -> float | None:
    """Geometric mean of the achieved bandwidths, in bytes per second: their errors are factors."""
    rates = [rate for start in starts if (rate := start.bytes_per_s)]
    return geometric_mean(rates) if rates else None


def _by_bandwidth(starts: Sequence[Start]) -> tuple[list[list[Start]], list[Start]]:
    """Clusters of starts: first of models by their median rate, then each start to one whose rates are near its own."""
    rates: dict[str, list[float]] = {}
    for start in starts:
        if start.bytes_per_s:
            rates.setdefault(start.label, []).append(math.log(start.bytes_per_s))
    if not rates:
        return [list(starts)], []
    models = sorted(median(found) for found in rates.values())
    clusters = [models[:1]]
    for before, here in pairwise(models):
        if here - before > math.log(FACTOR):
            clusters.append([])
        clusters[-1].append(here)
    main = max(range(len(clusters)), key=lambda number: len(clusters[number]))
    parts: list[list[Start]] = [[] for _ in clusters]
    between: list[Start] = []
    for start in starts:
        number = _cluster_of(start, clusters, main)
        (between if number is None else parts[number]).append(start)
    return [part for part in parts if part], between


def _cluster_of(start: Start, clusters: Sequence[Sequence[float]], main: int) -> int | None:
    """The cluster of a start: the main one if it could as well be of that, else the nearest within ``FACTOR``."""
    if not start.bytes_per_s or start.facts is None:
        return main
    expected_s = start.facts.checkpoint_bytes / math.exp(median(clusters[main]))
    if abs(start.seconds[LOAD] - expected_s) <= NEGLIGIBLE * start.total_s:
        return main
    rate = math.log(start.bytes_per_s)
    away = [max(cluster[0] - rate, rate - cluster[-1], 0.0) for cluster in clusters]
    nearest = min(range(len(clusters)), key=lambda number: away[number])
    return nearest if away[nearest] <= math.log(FACTOR) else None
