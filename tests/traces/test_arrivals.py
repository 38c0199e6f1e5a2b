"""When requests arrive: a Poisson process of conversations, exponential think times, all of it from the seed."""

from itertools import islice, pairwise
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.traces.arrivals import Arrivals, response_s


@pytest.mark.parametrize("rate", [0.5, 2.0, 100.0])
def test_conversations_begin_at_the_rate_with_the_spread_of_a_poisson_process(rate: float) -> None:
    starts = list(islice(Arrivals(rate, 7).starts(), 20_000))
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert fmean(gaps) == pytest.approx(1 / rate, rel=0.03)
    assert stdev(gaps) == pytest.approx(1 / rate, rel=0.05)  # an exponential's is its mean


def test_people_think_for_the_mean_time() -> None:
    arrivals = Arrivals(2.0, 7)
    gaps = [next(arrivals.gaps(number)) for number in range(20_000)]
    assert fmean(gaps) == pytest.approx(arrivals.think_s, rel=0.03)


@given(rate=st.floats(1e-6, 1e6), seed=st.integers(0, 2**40))
def test_times_never_go_backwards_and_come_again_from_the_same_seed(rate: float, seed: int) -> None:
    arrivals = Arrivals(rate, seed)
    starts = list(islice(arrivals.starts(), 50))
    assert starts == sorted(starts)
    assert starts == list(islice(arrivals.starts(), 50))
    assert starts != list(islice(Arrivals(rate, seed + 1).starts(), 50))
    assert all(gap >= 0 for gap in islice(arrivals.gaps(3), 50))


def test_each_conversation_thinks_on_its_own() -> None:
    arrivals = Arrivals(2.0, 0)
    assert next(arrivals.gaps(1)) != next(arrivals.gaps(2))
    assert next(arrivals.gaps(1)) == next(arrivals.gaps(1))


def test_a_longer_answer_is_assumed_to_take_longer() -> None:
    assert response_s(100) - response_s(50) == pytest.approx(1.0)
