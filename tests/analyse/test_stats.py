import math

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.stats import summarise

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
