"""How fast weights come from a storage level that a forecast's line is not about: bytes over a bandwidth, and whose."""

import math
from collections.abc import Iterable, Sequence
from statistics import geometric_mean, median, stdev

from harness.analyse.forecast_seconds import Loading, count
from harness.analyse.forecast_starts import Start
from harness.analyse.forecast_states import FACTOR, Sorted, State, mean_rate, sort_starts

RAM = "ram"
RECORDED_LEVELS = (RAM, "ssd")


class UnknownLevelError(ValueError):
    """No start tells how fast that storage is. The message says what there is."""


def loading_at(level: str, found: Sorted, starts: Sequence[Start]) -> Loading | None:
    """Loading at a storage level (as records have it); None: the forecast's own line is of that level.

    ``found``: what the forecast was trained on; ``starts``: all of the node, of any compile-cache state. Taken from its
    starts at that level, else from the probe of the disk that one of them recorded.

    Raises:
        UnknownLevelError: neither is there.
    """
    if found.main is None or found.main.storage == level:
        return None
    alike = _alike(starts, found)
    declared = [start for start in alike if start.storage == level and start.load_format == found.main.load_format]
    if mean_rate(declared) is not None:
        return _of_starts(declared, f"bytes over the bandwidth of this node's starts from {level}")
    probes = [start.probe_bytes_per_s for start in starts if start.probe_bytes_per_s and level != RAM]
    if probes:
        source = f"bytes over the disk's own limit, probed before {len(probes)} starts (no start from {level} yet)"
        return Loading(median(probes), source, None, 0)
    if all(start.storage is None for start in starts):
        return _recorded(level, found.main, alike)
    raise UnknownLevelError(f"no start from {level} counts, and none recorded a probe of a disk")


def loading_as(load_format: str, found: Sorted, starts: Sequence[Start]) -> Loading | None:
    """Loading in another format than the forecast's, from the node's starts at the same level; None: it has none."""
    if found.main is None or load_format == found.main.load_format:
        return None
    alike = _alike(starts, found)
    told = [start for start in alike if (start.load_format, start.storage) == (load_format, found.main.storage)]
    if mean_rate(told) is None:
        return None
    return _of_starts(told, f"bytes over the bandwidth of this node's starts that load {load_format}")


def _alike(starts: Iterable[Start], found: Sorted) -> list[Start]:
    """Those that were made in the same way as the forecast's: another way may load otherwise."""
    return [start for start in starts if start.work == found.used[0].work]


def _recorded(level: str, main: State, starts: Sequence[Start]) -> Loading | None:
    """A recording does not name its levels: the fastest of several is memory, the slowest the disk."""
    states: list[tuple[float, tuple[Start, ...]]] = []
    for cache in sorted({start.cache for start in starts}):
        found = sort_starts(start for start in starts if start.cache == cache)
        every = found.others if found.main is None else {**found.others, found.main: found.used}
        states += [
            (s.bytes_per_s, of) for s, of in every.items() if s.bytes_per_s and s.load_format == main.load_format
        ]
    rates = [rate for rate, _ in states]
    if level not in RECORDED_LEVELS:
        raise UnknownLevelError(f"its starts are a recording, which only tells {' and '.join(RECORDED_LEVELS)} apart")
    if not rates or max(rates) < FACTOR * min(rates):
        raise UnknownLevelError(f"its starts were all recorded under one storage state, {main.words()}")
    extreme = max(rates) if level == RAM else min(rates)
    if _same(extreme, main.bytes_per_s or 0.0):
        return None
    alike = [start for rate, of in states if _same(rate, extreme) for start in of]
    which = "fastest" if level == RAM else "slowest"
    return _of_starts(alike, f"bytes over the bandwidth of the {which} recorded starts, taken as {level}")


def _same(rate: float, other: float) -> bool:
    return max(rate, other) < FACTOR * min(rate, other)


def _of_starts(starts: Sequence[Start], source: str) -> Loading:
    """The mean over models, whose own means scatter by ``relative_sd``."""
    by_model: dict[str, list[Start]] = {}
    for start in starts:
        by_model.setdefault(start.model, []).append(start)
    rates = [rate for group in by_model.values() if (rate := mean_rate(group))]
    rate = geometric_mean(rates)
    spread = stdev(map(math.log, rates)) * math.sqrt(1 + 1 / len(rates)) if len(rates) > 1 else None
    told = f"{source} ({rate / 1e9:.2f} GB/s, {count(len(rates), 'model')})"
    return Loading(rate, told, spread, len(rates) - 1, all(start.twin for start in starts))
