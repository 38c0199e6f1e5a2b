"""Sampling every core while something runs. No assertion about speed: only about order, bounds and what is kept."""

import itertools
import time

import pytest

from harness.analyse.cores import core_use
from harness.measure import core_sampler
from harness.measure.core_sampler import CoreSamples, core_samples
from harness.record.tables import CORES, parse_table


def rows_of(samples: CoreSamples, until_ns: int | None = None) -> list[tuple[float, int, float]]:
    return parse_table(CORES, samples.csv(until_ns), "cores.csv")  # type: ignore[return-value]


def test_only_intervals_that_ended_by_ready_are_in_the_table() -> None:
    samples = CoreSamples(exec_ns=1_000_000_000)
    for number, percent in ((1, 10.0), (2, 20.0), (3, 30.0)):
        samples.add(1_000_000_000 + number * 100_000_000, [percent, 0.0])
    assert rows_of(samples, 1_200_000_000) == [(0.1, 0, 10.0), (0.1, 1, 0.0), (0.2, 0, 20.0)]
    assert len(rows_of(samples)) == 4


def test_idle_cores_are_left_out_but_every_time_and_every_core_is_named() -> None:
    samples = CoreSamples(exec_ns=0)
    for number, percents in enumerate(([0.0, 0.0, 0.0], [0.0, 0.0, 9.1], [0.0, 0.0, 0.0]), start=1):
        samples.add(number * 100_000_000, percents)
    rows = rows_of(samples)
    assert rows == [(0.1, 0, 0.0), (0.1, 1, 0.0), (0.1, 2, 0.0), (0.2, 0, 0.0), (0.2, 2, 9.1), (0.3, 0, 0.0)]
    use = core_use(rows)
    assert (use.cores, use.percent) == ((0, 1, 2), ((0.0, 0.0, 0.0), (0.0, 0.0, 9.1), (0.0, 0.0, 0.0)))


def test_a_sample_that_fails_costs_neither_the_others_nor_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = itertools.cycle([OSError("too many open files"), [5.0, 0.0]])

    def cpu_percent(**_: bool) -> list[float]:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(core_sampler.psutil, "cpu_percent", cpu_percent)
    with core_samples(time.monotonic_ns()) as samples:
        while len(rows_of(samples)) < 3:
            time.sleep(0.01)
    assert {percent for _, core, percent in rows_of(samples) if core == 0} == {5.0}


def test_every_core_is_sampled_again_and_again_until_the_block_ends() -> None:
    exec_ns = time.monotonic_ns()
    with core_samples(exec_ns) as samples:
        while len({at for at, _, _ in rows_of(samples)}) < 2:
            time.sleep(0.01)
    rows = rows_of(samples, time.monotonic_ns())
    times = sorted({at for at, _, _ in rows})
    assert [at for at, core, _ in rows if core == 0] == times
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
