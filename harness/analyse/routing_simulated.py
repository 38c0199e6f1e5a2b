"""Simulated runs as rows of the slot's table, and how far their hit rates are from real runs'.

A router that decides by chance gives another hit rate with every seed, so that a simulated number is a mean over seeds.
Followed decisions have no chance in them: what is left between both hit rates is the replicas' own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from harness.errors import HarnessError
from harness.record.simulated import Simulated
from harness.record.tables import Cell

OWN_LOAD, OWN_DECISIONS, MOONCAKE = "load", "load, real decisions followed", "mooncake"  # sources
LEAST_SEEDS = 20
UNITS = {
    "hit_rate": "share",
    "imbalance": "ratio",
    "queries": "tokens",
    "hits": "tokens",
    "preemptions": "requests",
    "ttft_mean_s": "s",
    "ttft_median_s": "s",
    "ttft_p99_s": "s",
}

Rates = Mapping[str, Mapping[int, float]]  # strategy → repeat → hit rate, 0 to 1


@dataclass(frozen=True)
class Agreement:
    """One strategy in both worlds; differences are simulated − real, in percentage points of hit rate."""

    strategy: str
    repeats: int  # that both have
    seeds: int  # of the router, in each simulated repeat
    real: float
    simulated: float
    difference_points: float  # of the means over repeats
    largest_followed_points: float | None  # of a repeat, with the real decisions followed; None: none was simulated


def simulated_rows(label: str, source: str, repeat: int, runs: Sequence[Simulated]) -> list[tuple[Cell, ...]]:
    """Rows of SIMULATED: means over runs that differ in nothing but the router's seed.

    Raises:
        HarnessError: they differ in more.
    """
    kinds = {(run.facts.parameters.strategy, run.facts.parameters.replicas, run.facts.trace["sha256"]) for run in runs}
    if len(kinds) != 1:
        raise HarnessError(f"{label}, {source}: simulated runs of different kinds cannot be averaged; average each kind")
    strategy, replicas, _ = kinds.pop()
    results = [asdict(run.facts.result) for run in runs]
    return [
        (label, source, strategy, replicas, repeat, metric, fmean(result[metric] for result in results), unit)
        for metric, unit in UNITS.items()
    ]


def agreement(
    real: Rates, simulated: Mapping[str, Mapping[int, Sequence[float]]], followed: Rates
) -> list[Agreement]:
    """Each strategy that was run and simulated, over the repeats that both have.

    Args:
        real: hit rates of real runs.
        simulated: hit rates of the same loads under the router's own decisions, one of each seed.
        followed: hit rates of the same loads with the real decisions followed; may lack any.

    Raises:
        HarnessError: a repeat was simulated with fewer than 20 seeds.
    """
    found = []
    for strategy, of_repeats in real.items():
        both = sorted(of_repeats.keys() & simulated.get(strategy, {}).keys())
        if not both:
            continue
        seeds = min(len(simulated[strategy][repeat]) for repeat in both)
        if seeds < LEAST_SEEDS:
            raise HarnessError(f"{strategy}: simulated with {seeds} seeds of the router, at least {LEAST_SEEDS}")
        real_mean = fmean(of_repeats[repeat] for repeat in both)
        simulated_mean = fmean(fmean(simulated[strategy][repeat]) for repeat in both)
        exactly = followed.get(strategy, {})
        apart = [100 * (exactly[repeat] - of_repeats[repeat]) for repeat in both if repeat in exactly]
        found.append(
            Agreement(
                strategy=strategy,
                repeats=len(both),
                seeds=seeds,
                real=real_mean,
                simulated=simulated_mean,
                difference_points=100 * (simulated_mean - real_mean),
                largest_followed_points=max(apart, key=abs, default=None),
            )
        )
    return found
