"""A weighted statistic is the plain one of the values written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.weighted import four_numbers, weighted

rows = st.lists(st.tuples(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), st.integers(0, 6)), max_size=30)


@given(rows, st.floats(0, 1))
def test_it_says_what_numpy_says_of_the_values_written_out(rows: list[tuple[float, int]], q: float):
    values, weights = [value for value, _ in rows], [weight for _, weight in rows]
    sample, long = weighted(values, weights), np.repeat(values, weights)
    assert sample.n == len(long)
    if not sample.n:
        assert set(four_numbers(sample).values()) == {None}
        return
    assert sample.mean == pytest.approx(long.mean(), abs=1e-6)
    for at in (0.0, 0.5, 0.99, 1.0, q):
        assert sample.quantile(at) == pytest.approx(np.quantile(long, at), abs=1e-6)
    assert (sample.quantile(0.0), sample.quantile(1.0)) == (long.min(), long.max())


@given(rows)
def test_an_ecdf_gives_each_value_the_share_that_is_no_larger(rows: list[tuple[float, int]]):
    values, weights = [value for value, _ in rows], [weight for _, weight in rows]
    found, shares = weighted(values, weights).ecdf()
    long = np.repeat(values, weights)
    assert list(found) == sorted(set(long))
    assert [float((long <= value).mean()) for value in found] == pytest.approx(list(shares))


def test_without_weights_every_value_counts_once():
    assert four_numbers(weighted([3, 1, 2, 2])) == {"mean": 2.0, "median": 2.0, "min": 1.0, "max": 3.0}
