"""What the routing figure draws of simulated runs: beside the real ones, and over numbers of replicas."""

from dataclasses import dataclass

from harness.analyse.routing_metrics import HIT_RATE
from harness.analyse.routing_series import Labelled
from harness.analyse.stats import CONFIDENCE, Summary, half_width_of_sum, summarise
from harness.record.routing_tables import COLD

OWN, FOLLOWED, MOONCAKE = "own", "followed", "mooncake"  # sources
CLOSE_POINTS = 2.0  # percentage points that simulated and real hit rates may be apart


@dataclass(frozen=True)
class Agreement:
    """Simulated − real hit rate in percentage points; ``half_width`` of its 95 % interval, None without a spread."""

    points: float
    half_width: float | None
    simulated: int  # runs
    real: int

    @property
    def is_close(self) -> bool:
        """Whether the means are at most ``CLOSE_POINTS`` apart."""
        return abs(self.points) <= CLOSE_POINTS


def simulated_over(data: Labelled, source: str, strategy: str, metric: str, replicas: int) -> Summary | None:
    """A metric of so many simulated replicas over the seeds."""
    return summarise(_by_seed(data, source, strategy, metric, replicas).values())


def agreement(data: Labelled, source: str, strategy: str) -> Agreement | None:
    """The simulated hit rate of as many replicas against the real one of phase cold; None if one of them is missing.

    ``followed`` repeats the decisions of each run, so it is paired with it; ``own`` has seeds of its own.
    """
    real = data.of(COLD, strategy, HIT_RATE)
    simulated = _by_seed(data, source, strategy, HIT_RATE, data.replicas)
    paired = source == FOLLOWED
    if paired:
        repeats = sorted(real.keys() & simulated.keys())
        a, b = [real[n] for n in repeats], [simulated[n] for n in repeats]
    else:
        a, b = list(real.values()), list(simulated.values())
    over_a, over_b = summarise(a), summarise(b)
    if over_a is None or over_b is None:
        return None
    half = half_width_of_sum(((-100, a), (100, b)), paired, CONFIDENCE)
    return Agreement(100 * (over_b.mean - over_a.mean), half, over_b.n, over_a.n)


def by_replicas(data: Labelled, strategy: str, metric: str) -> dict[int, Summary]:
    """Replicas, ascending → the metric on Mooncake's requests, over the seeds."""
    counts = {row["replicas"] for row in data.simulated if row["source"] == MOONCAKE}
    found = {count: simulated_over(data, MOONCAKE, strategy, metric, count) for count in sorted(counts)}
    return {count: over for count, over in found.items() if over is not None}


def _by_seed(data: Labelled, source: str, strategy: str, metric: str, replicas: int) -> dict[int, float]:
    wanted = {"source": source, "strategy": strategy, "metric": metric, "replicas": replicas}
    return {
        row["repeat"]: row["value"]
        for row in data.simulated
        if all(row[column] == value for column, value in wanted.items())
    }
