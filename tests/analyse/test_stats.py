import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.stats import Scale, drift, interval, outliers, runs_needed, summarise, t_quantile

SECONDS = st.floats(min_value=1e-3, max_value=1e4)


@given(st.lists(SECONDS, min_size=2, max_size=50))
def test_mean_and_interval_are_scipys(values: list[float]) -> None:
    summary = summarise(values)
    assert summary is not None
    assert summary.n == len(values)
    assert summary.mean == pytest.approx(scipy.stats.tmean(values), rel=1e-12)
    assert summary.half_width is not None
    error = scipy.stats.sem(values)
    if error > 1e-9:  # below, both are rounding noise
        low, high = scipy.stats.t.interval(0.95, len(values) - 1, loc=summary.mean, scale=error)
        assert summary.mean - summary.half_width == pytest.approx(low, rel=1e-6, abs=1e-9)
        assert summary.mean + summary.half_width == pytest.approx(high, rel=1e-6, abs=1e-9)
        assert summary.cv == pytest.approx(scipy.stats.tstd(values) / summary.mean, rel=1e-6)


@given(st.lists(SECONDS, min_size=1, max_size=20), st.randoms())
def test_the_order_of_the_repeats_does_not_matter(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert summarise(shuffled) == summarise(values)


def test_one_repeat_has_no_interval() -> None:
    summary = summarise([3.5])
    assert summary is not None
    assert (summary.n, summary.mean) == (1, 3.5)
    assert summary.half_width is summary.sd is summary.cv is None


def test_no_repeat_has_no_summary() -> None:
    assert summarise([]) is None


def test_a_zero_mean_has_no_coefficient_of_variation() -> None:
    summary = summarise([0.0, 0.0])
    assert summary is not None
    assert summary.half_width == 0
    assert summary.cv is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_repeat_that_is_no_finite_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        summarise([1.0, value])


def coverage(draw: Callable[[np.random.Generator], Any], truth: float, scale: Scale, times: int) -> float:
    """Which share of simulated experiments has the truth in the interval of its repeats."""
    random = np.random.default_rng(7)
    hits = 0
    for _ in range(times):
        bounds = interval([float(value) for value in draw(random)], scale)
        assert bounds is not None
        hits += bounds[0] <= truth <= bounds[1]
    return hits / times


@pytest.mark.parametrize("n", [3, 5, 10])
def test_nominal_95_percent_intervals_of_a_mean_cover_93_to_97_percent(n: int) -> None:
    assert 0.93 <= coverage(lambda random: random.normal(20, 0.4, n), 20, "linear", 4000 if n < 10 else 2000) <= 0.97


@pytest.mark.parametrize("n", [3, 5, 10])
def test_nominal_95_percent_intervals_of_a_ratio_cover_93_to_97_percent(n: int) -> None:
    def ratios(random: np.random.Generator) -> Any:
        return random.lognormal(math.log(3), 0.2, n) / random.lognormal(math.log(2), 0.2, n)

    assert 0.93 <= coverage(ratios, 1.5, "log", 4000 if n < 10 else 2000) <= 0.97


@given(st.lists(SECONDS, min_size=2, max_size=9), st.floats(0.1, 10))
def test_an_interval_on_the_log_scale_scales_with_its_unit(values: list[float], unit: float) -> None:
    one, other = interval(values, "log"), interval([value * unit for value in values], "log")
    assert one is not None
    assert other is not None
    assert other == pytest.approx((one[0] * unit, one[1] * unit), rel=1e-6)


@given(st.lists(st.floats(-0.999, 0.999), min_size=2, max_size=20))
def test_an_interval_of_correlations_never_leaves_minus_one_to_one(values: list[float]) -> None:
    bounds = interval(values, "correlation")
    assert bounds is not None
    assert -1 <= bounds[0] <= bounds[1] <= 1


def test_fewer_than_two_values_have_no_interval() -> None:
    assert interval([1.0]) is interval([]) is None


def test_a_ratio_that_is_not_positive_has_no_interval() -> None:
    assert interval([1.0, 0.0], "log") is None


def test_the_same_ten_values_always_have_the_same_interval() -> None:
    values = [1.0, 1.2, 0.9, 1.1, 3.0, 1.0, 1.05, 0.95, 1.0, 1.1]
    bounds = interval(values)
    assert bounds == interval(values)
    assert bounds is not None
    assert bounds[1] - np.mean(values) > np.mean(values) - bounds[0], "the long tail is on the high side"


def test_values_that_are_mostly_equal_have_students_interval_around_their_mean() -> None:
    values = [1.0] * 10 + [0.8]
    bounds = interval(values)
    assert bounds is not None
    assert (1 - 0.2 / 11) - bounds[0] == pytest.approx(bounds[1] - (1 - 0.2 / 11))
    assert bounds[1] > 1


def test_an_odd_value_among_many_samples_must_be_odder() -> None:
    values = [10.0, 10.1, 9.9, 11.0, 10.05]
    assert outliers(values) == [3]
    assert outliers(values, samples=100) == []
    assert outliers([10.0, 10.1, 9.9, 30.0, 10.05], samples=100) == [3]


def test_the_interval_moves_to_a_better_known_centre_and_keeps_its_width() -> None:
    around = interval([1.0, 2.0, 3.0], around=10)
    plain = interval([1.0, 2.0, 3.0])
    assert around is not None
    assert plain is not None
    assert around[1] - around[0] == pytest.approx(plain[1] - plain[0])
    assert sum(around) == pytest.approx(20)


@given(st.floats(0.01, 10), st.floats(0.02, 10))
def test_the_runs_needed_are_the_fewest_that_are_enough(sd: float, half_width: float) -> None:
    n = runs_needed(sd, half_width)
    if n is None:
        assert t_quantile(999) * sd / math.sqrt(1000) > half_width
        return
    assert t_quantile(n - 1) * sd / math.sqrt(n) <= half_width
    assert n == 2 or t_quantile(n - 2) * sd / math.sqrt(n - 1) > half_width


def test_an_odd_value_is_named_by_its_position_and_kept() -> None:
    values = [10.0, 10.1, 9.9, 14.0, 10.05]
    assert outliers(values) == [3]
    summary = summarise(values)
    assert summary is not None
    assert summary.n == 5


def test_chance_alone_names_an_outlier_in_about_one_sample_of_twenty() -> None:
    random = np.random.default_rng(3)
    named = sum(bool(outliers([float(x) for x in random.normal(20, 1, 5)])) for _ in range(2000))
    assert 0.03 <= named / 2000 <= 0.07


@given(st.lists(SECONDS, min_size=5, max_size=12))
def test_drift_is_scipys_theil_sen_slope(values: list[float]) -> None:
    found = drift(values)
    assert found is not None
    assert found.per_repeat == pytest.approx(scipy.stats.theilslopes(values).slope)
    assert found.interval[0] <= found.per_repeat <= found.interval[1]


def test_a_machine_that_gets_slower_drifts_and_a_noisy_one_does_not() -> None:
    slower, noisy = drift([10, 10.2, 10.5, 10.6, 11]), drift([10, 10.5, 9.9, 10.4, 10.1])
    assert slower is not None
    assert noisy is not None
    assert slower.is_clear
    assert not noisy.is_clear


def test_four_repeats_cannot_tell_a_drift() -> None:
    assert drift([1.0, 2.0, 3.0, 4.0]) is None
