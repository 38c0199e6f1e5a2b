"""The simulator against the real engine: the same points in both tiers, number by number.

Where requests arrive by step, both must take the same decisions: counts are compared for equality. Where they arrive by
the clock, the simulator's seconds are its step-time model's, and the throughput's difference says how good that is;
with step times scaled to the other points' steps, how much of it is one factor for all: the machine's, or the model's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from harness.analyse.headroom_series import Points, Setting, points_of
from harness.record.headroom_tables import PACED, REAL, REPLAYED, SECONDS, STEPS
from harness.record.tables import Cell

EXACT = ("preemptions", "blocks_recomputed", "recomputed_tokens", "blocks_swapped_out", "blocks_swapped_in")


@dataclass(frozen=True)
class Both:
    """One metric of one point in both tiers."""

    setting: Setting
    repeat: int
    arrivals: str
    metric: str
    simulated: float
    real: float

    @property
    def error(self) -> float | None:
        """(Simulated − real) ÷ real; None if the real one is 0."""
        return (self.simulated - self.real) / self.real if self.real else None


Tiers = Mapping[str, tuple[Points, Points]]  # arrivals, or PACED → simulated and real points


def tiers_of(rows: Sequence[tuple[Cell, ...]]) -> Tiers:
    """The rows of points.csv by tier."""
    tiers = {
        arrivals: (points_of(rows, REPLAYED, arrivals), points_of(rows, REAL, arrivals))
        for arrivals in (SECONDS, STEPS)
    }
    return tiers | {PACED: (points_of(rows, PACED), points_of(rows, REAL))}


def in_both(tiers: Tiers, metric: str, arrivals: str) -> list[Both]:
    """The metric of every point that was simulated and run, in the order of points.csv."""
    simulated, real = tiers[arrivals]
    found = []
    for setting, metrics in real.items():
        others = simulated.get(setting, {}).get(metric, {})
        for repeat, value in metrics.get(metric, {}).items():
            if repeat in others:
                found.append(Both(setting, repeat, arrivals, metric, others[repeat], value))
    return found


@dataclass(frozen=True)
class Agreement:
    """``equal`` of ``compared`` points by step have all their counts equal; ``unequal`` names the others' metrics.

    ``throughput_errors``: of the points by clock, as shares of the real throughput; ``paced_errors``: at the
    other points' pace.
    """

    compared: int
    equal: int
    unequal: tuple[Both, ...]
    throughput_errors: tuple[float, ...]
    paced_errors: tuple[float, ...]

    @property
    def usual_throughput_error(self) -> float:
        """The median of the sizes of ``throughput_errors``, which has some."""
        return median(map(abs, self.throughput_errors))


def agreement(tiers: Tiers) -> Agreement:
    """All points that are in both tiers."""
    by_step = [both for metric in EXACT for both in in_both(tiers, metric, STEPS)]
    points = {(both.setting, both.repeat) for both in by_step}
    unequal = tuple(both for both in by_step if both.simulated != both.real)
    by_clock, paced = (
        tuple(both.error for both in in_both(tiers, "output_throughput", kind) if both.error is not None)
        for kind in (SECONDS, PACED)
    )
    return Agreement(
        compared=len(points),
        equal=len(points - {(both.setting, both.repeat) for both in unequal}),
        unequal=unequal,
        throughput_errors=by_clock,
        paced_errors=paced,
    )
