"""Simulated against real points: only the same points are compared, and what differs is named."""

from dataclasses import replace
from typing import Any

import pytest

from harness.analyse.headroom_agreement import Agreement, agreement, in_both, tiers_of
from harness.analyse.headroom_rows import HeadroomPoint, point_rows
from harness.record.headroom_tables import PACED, REAL, REPLAYED, SECONDS, STEPS
from tests.headroom_slot import made_point


def rows_of(*points: HeadroomPoint) -> list[tuple[Any, ...]]:
    return [row for point in points for row in point_rows(point)]


def both(search: str, parameter: float, arrivals: str) -> list[HeadroomPoint]:
    return [made_point("original", 0, search, parameter, tier=tier, arrivals=arrivals) for tier in (REPLAYED, REAL)]


def test_equal_counts_are_counted_and_throughput_is_compared_by_the_clock():
    tiers = tiers_of(rows_of(*both("none", 0, STEPS), *both("naive", 2, STEPS), *both("naive", 2, SECONDS)))
    found = agreement(tiers)
    assert (found.compared, found.equal, found.unequal) == (2, 2, ())
    (throughput,) = in_both(tiers, "output_throughput", SECONDS)
    assert found.throughput_errors == (pytest.approx(throughput.simulated / throughput.real - 1),)
    assert 0 < abs(throughput.simulated - throughput.real) < 0.05 * throughput.real
    assert found.paced_errors == ()


def test_replays_at_the_machines_pace_are_compared_apart_from_those_at_the_calibrations():
    replayed, real = both("naive", 2, SECONDS)
    paced = replace(real, case="paced", tier=PACED)
    found = agreement(tiers_of(rows_of(replayed, real, paced)))
    assert found.paced_errors == (0.0,)
    assert found.throughput_errors != (0.0,)


def test_a_count_that_differs_is_named_with_its_point():
    simulated, real = both("naive", 2, STEPS)
    real = replace(real, counters={**real.counters, "recomputed_tokens": 5})
    found = agreement(tiers_of(rows_of(*both("none", 0, STEPS), simulated, real)))
    assert (found.compared, found.equal) == (2, 1)
    (unequal,) = found.unequal
    assert (unequal.metric, unequal.real, unequal.simulated) == (
        "recomputed_tokens",
        5,
        simulated.counters["recomputed_tokens"],
    )
    assert (unequal.setting.search, unequal.setting.parameter) == ("naive", 2)


def test_points_of_one_tier_or_of_other_arrivals_are_not_compared():
    simulated, _ = both("naive", 2, STEPS)
    _, real = both("naive", 2, SECONDS)
    found = agreement(tiers_of(rows_of(simulated, real, made_point("original", 1, "naive", 2))))
    assert (found.compared, found.throughput_errors) == (0, ())


def test_a_real_count_of_zero_has_no_relative_error():
    simulated, real = both("naive", 12, SECONDS)
    (found,) = in_both(tiers_of(rows_of(simulated, real)), "preemptions", SECONDS)
    assert (found.real, found.error) == (0, None)


def test_the_usual_error_of_an_even_number_of_points_is_the_mean_of_the_two_in_the_middle():
    found = Agreement(4, 4, (), throughput_errors=(-0.1, 0.4, 0.2, -0.8), paced_errors=())
    assert found.usual_throughput_error == pytest.approx(0.3)
