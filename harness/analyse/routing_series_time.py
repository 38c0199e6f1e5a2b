"""What the routing figure draws over time: requests at each replica, and the hit rate so far, of one repeat."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from harness.analyse.routing_series import Labelled
from harness.record.tables import Cells


@dataclass(frozen=True)
class Steps:
    """``values[k]`` from ``times_s[k]`` (seconds since the phase began) until the next one."""

    times_s: list[float]
    values: list[float]


def shown_repeat(data: Labelled, phase: str) -> int | None:
    """The repeat that most strategies have samples of, the first of several; None if there are no samples."""
    counts: dict[int, int] = defaultdict(int)
    for (of, _), by_repeat in data.series.items():
        if of == phase:
            for repeat in by_repeat:
                counts[repeat] += 1
    return min(counts, key=lambda repeat: (-counts[repeat], repeat), default=None)


def load_of_replicas(data: Labelled, phase: str, strategy: str, repeat: int) -> dict[int, Steps]:
    """Replica → its requests, running and waiting."""
    found: dict[int, Steps] = {}
    for row in _samples(data, phase, strategy, repeat):
        steps = found.setdefault(row["replica"], Steps([], []))
        steps.times_s.append(row["t_s"])
        steps.values.append(row["running"] + row["waiting"])
    return dict(sorted(found.items()))


def hit_rate_so_far(data: Labelled, phase: str, strategy: str, repeat: int) -> Steps:
    """Hits ÷ queried tokens of all replicas since the phase began; empty until something was queried."""
    latest: dict[int, tuple[int, int]] = {}
    rates: dict[float, float] = {}  # replicas that are sampled at one time are seen at once
    for row in _samples(data, phase, strategy, repeat):
        latest[row["replica"]] = (row["queries"], row["hits"])
        queries, hits = map(sum, zip(*latest.values(), strict=True))
        if queries:
            rates[row["t_s"]] = hits / queries
    return Steps(list(rates), list(rates.values()))


def _samples(data: Labelled, phase: str, strategy: str, repeat: int) -> Iterable[Cells]:
    rows = data.series.get((phase, strategy), {}).get(repeat, [])
    return sorted(rows, key=lambda row: (row["t_s"], row["replica"]))
