"""Difference and ratio of two sets of starts: against SciPy, and by what must hold of any two sets."""

import math
import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.analyse.contrast import FASTER, NO_DIFFERENCE, NO_INTERVAL, SLOWER, Contrast, contrast

A = [30.78, 32.57, 30.60, 31.14, 29.02]
B = [31.99, 33.10, 31.52, 32.40, 31.60, 30.97]

seconds = st.floats(0.001, 1000)
samples = st.lists(seconds, min_size=2, max_size=8)


def test_unpaired_the_interval_of_the_difference_is_welchs() -> None:
    expected = stats.ttest_ind(B, A, equal_var=False).confidence_interval(0.95)
    assert contrast(A, B, False, 0.95).interval_s == pytest.approx((expected.low, expected.high))


def test_paired_the_interval_of_the_difference_is_students() -> None:
    expected = stats.ttest_rel(B[:5], A).confidence_interval(0.99)
    assert contrast(A, B[:5], True, 0.99).interval_s == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("paired", [True, False])
def test_where_starts_scatter_little_the_ratios_interval_is_that_of_the_logarithms(paired: bool) -> None:
    a, b = [[math.log(value) for value in sample[:5]] for sample in (A, B)]
    test = stats.ttest_rel(b, a) if paired else stats.ttest_ind(b, a, equal_var=False)
    low, high = map(math.exp, test.confidence_interval(0.95))
    assert contrast(A, B[:5], paired, 0.95).ratio_interval == pytest.approx((low, high), rel=0.002)


@pytest.mark.parametrize("paired", [True, False])
def test_the_ratios_interval_holds_the_true_ratio_in_19_of_20_cases(paired: bool) -> None:
    rng, held = random.Random(0), 0
    for _ in range(1000):
        a, b = ([rng.gauss(mean, 0.1 * mean) for _ in range(5)] for mean in (2.0, 2.5))
        bounds = contrast(a, b, paired, 0.95).ratio_interval
        assert bounds is not None
        held += bounds[0] < 1.25 < bounds[1]
    assert 930 <= held <= 970


@settings(max_examples=50)
@given(a=samples, b=samples, paired=st.booleans())
def test_swapping_the_sides_negates_the_difference_and_inverts_the_ratio(
    a: list[float], b: list[float], paired: bool
) -> None:
    n = min(len(a), len(b))
    a, b = (a[:n], b[:n]) if paired else (a, b)
    one, other = contrast(a, b, paired, 0.95), contrast(b, a, paired, 0.95)
    assert one.interval_s
    assert other.interval_s
    assert one.ratio
    assert other.ratio
    assert one.ratio_interval
    assert other.ratio_interval
    assert other.difference_s == -one.difference_s
    assert other.interval_s == pytest.approx((-one.interval_s[1], -one.interval_s[0]))
    assert other.ratio == pytest.approx(1 / one.ratio)
    assert other.ratio_interval == pytest.approx((1 / one.ratio_interval[1], 1 / one.ratio_interval[0]))
    assert {one.verdict, other.verdict} in ({SLOWER, FASTER}, {NO_DIFFERENCE})


@settings(max_examples=50)
@given(pairs=st.lists(st.tuples(seconds, seconds), min_size=2, max_size=8), seed=st.randoms(use_true_random=False))
def test_the_order_in_which_pairs_are_read_does_not_matter(
    pairs: list[tuple[float, float]], seed: random.Random
) -> None:
    shuffled = list(pairs)
    seed.shuffle(shuffled)
    one, other = (contrast([a for a, _ in p], [b for _, b in p], True, 0.95) for p in (pairs, shuffled))
    assert (one.a_mean_s, one.b_mean_s, one.interval_s) == (other.a_mean_s, other.b_mean_s, other.interval_s)


@settings(max_examples=50)
@given(a=samples, b=samples, factor=st.floats(0.01, 100))
def test_the_unit_does_not_matter(a: list[float], b: list[float], factor: float) -> None:
    assume(len(set(a)) > 1 or len(set(b)) > 1)
    one, other = contrast(a, b, False, 0.95), contrast([x * factor for x in a], [x * factor for x in b], False, 0.95)
    assert one.interval_s is not None
    assert other.interval_s == pytest.approx([x * factor for x in one.interval_s], rel=1e-6, abs=1e-9)
    assert other.ratio_interval == pytest.approx(one.ratio_interval, rel=1e-6)


def test_one_start_on_a_side_gives_a_difference_and_a_ratio_but_no_interval() -> None:
    for a, b in (([2.0], [3.0, 3.0]), ([2.0, 2.0], [3.0]), ([2.0], [3.0])):
        assert contrast(a, b, False, 0.95) == Contrast(2.0, 3.0, None, 1.5, None)
        assert contrast(a, b, False, 0.95).verdict == NO_INTERVAL


def test_a_quantity_that_a_start_spent_no_time_in_has_no_ratio() -> None:
    for a in ([0.0, 0.0], [0.0, 1.0], [1e-320, 1.0]):
        found = contrast(a, [1.0, 1.5], False, 0.95)
        assert (found.ratio, found.ratio_interval) == (None, None)
        assert found.interval_s is not None


def test_starts_without_any_spread_differ_if_their_values_do() -> None:
    assert contrast([1.0, 1.0], [1.0, 1.0], False, 0.95).verdict == NO_DIFFERENCE
    assert contrast([1.0, 1.0], [2.0, 2.0], False, 0.95).verdict == SLOWER
    assert contrast([1.0, 1.0], [0.0, 0.0], True, 0.95).verdict == FASTER


@settings(max_examples=50)
@given(a=samples, b=samples)
def test_the_higher_the_confidence_the_wider_the_interval(a: list[float], b: list[float]) -> None:
    assume(len(set(a)) > 1 or len(set(b)) > 1)
    narrow, wide = (contrast(a, b, False, confidence).interval_s for confidence in (0.95, 0.998))
    assert narrow
    assert wide
    assert wide[0] < narrow[0] <= narrow[1] < wide[1]
