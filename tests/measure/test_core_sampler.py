"""Sampling every core while something runs. No assertion about speed: only about order, bounds and what is kept."""

import time

from harness.measure.core_sampler import CoreSamples, core_samples
from harness.record.tables import CORES, parse_table


def rows_of(samples: CoreSamples, until_ns: int | None = None) -> list[tuple[float, int, float]]:
    return parse_table(CORES, samples.csv(until_ns), "cores.csv")  # type: ignore[return-value]


def test_only_intervals_that_ended_by_ready_are_in_the_table() -> None:
    samples = CoreSamples(exec_ns=1_000_000_000)
    for number, percent in ((1, 10.0), (2, 20.0), (3, 30.0)):
        samples.add(1_000_000_000 + number * 100_000_000, [percent, 0.0])
    assert rows_of(samples, 1_200_000_000) == [(0.1, 0, 10.0), (0.1, 1, 0.0), (0.2, 0, 20.0), (0.2, 1, 0.0)]
    assert len(rows_of(samples)) == 6


def test_every_core_is_sampled_again_and_again_until_the_block_ends() -> None:
    exec_ns = time.monotonic_ns()
    with core_samples(exec_ns) as samples:
        while len({at for at, _, _ in rows_of(samples)}) < 2:
            time.sleep(0.01)
    rows = rows_of(samples, time.monotonic_ns())
    times = sorted({at for at, _, _ in rows})
    assert len(rows) == len(times) * len({core for _, core, _ in rows})  # each core at each time
    assert 0 < times[0] < times[-1] <= (time.monotonic_ns() - exec_ns) / 1e9
    time.sleep(0.15)
    assert rows_of(samples) == rows  # nothing is sampled any more


def test_a_block_that_fails_ends_the_sampling_too() -> None:
    try:
        with core_samples(time.monotonic_ns()) as samples:
            raise LookupError
    except LookupError:
        before = rows_of(samples)
    time.sleep(0.15)
    assert rows_of(samples) == before
