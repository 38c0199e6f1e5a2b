import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.forecast_line import Row, distinct_terms, fit_line

TERMS = ("one", "layers")


def rows(*layers: float) -> list[Row]:
    return [{"one": 1.0, "layers": value, "checkpoint_gb": value * 2} for value in layers]


@given(
    st.lists(st.integers(1, 200), min_size=4, max_size=20, unique=True),
    st.floats(0, 50),
    st.floats(0, 5),
)
def test_points_on_a_line_give_that_line_and_no_spread(layers: list[int], intercept: float, slope: float) -> None:
    line = fit_line(rows(*layers), [intercept + slope * value for value in layers], TERMS)
    (at,) = rows(77)
    assert line.seconds(at) == pytest.approx(intercept + slope * 77, abs=1e-6)
    assert line.spread.sd == pytest.approx(0, abs=1e-6)


def test_one_odd_model_does_not_bend_the_line_but_widens_the_interval() -> None:
    layers = list(range(10, 30))
    seconds = [2 + 0.1 * value + 0.01 * (-1) ** value for value in layers]
    plain = fit_line(rows(*layers), seconds, TERMS)
    odd = fit_line(rows(*layers), [*seconds[:-1], seconds[-1] + 3], TERMS)
    (at,) = rows(15)
    assert odd.seconds(at) == pytest.approx(plain.seconds(at), abs=0.02)
    assert odd.spread.sd is not None
    assert plain.spread.sd is not None
    assert odd.spread.sd > 10 * plain.spread.sd


def test_no_phase_gets_shorter_because_a_model_is_larger() -> None:
    line = fit_line(rows(10, 20, 30, 40), [4.0, 3.0, 2.5, 2.0], TERMS)
    assert line.terms == ("one",)


@pytest.mark.parametrize(("layers", "terms"), [([24], 1), ([24, 32], 1), ([24, 24, 24, 24], 1), ([24, 32, 40], 2)])
def test_a_term_needs_models_that_tell_it_apart(layers: list[float], terms: int) -> None:
    assert len(fit_line(rows(*layers), [1.0 + value for value in layers], TERMS).terms) == terms


def test_terms_that_say_the_same_go_in_once() -> None:
    assert distinct_terms(rows(10, 20, 30, 40, 50), ("one", "layers", "checkpoint_gb")) == ("one", "layers")


def test_one_model_gives_a_mean_without_an_interval() -> None:
    line = fit_line(rows(24), [3.0], TERMS)
    assert line.seconds(rows(99)[0]) == 3.0
    assert line.spread.half_width(line.spread.variance(rows(99)[0])) is None


def test_intervals_hold_new_points_as_often_as_they_say() -> None:
    random = np.random.default_rng(7)
    inside = 0
    for _ in range(300):
        layers = random.uniform(16, 64, size=12)
        line = fit_line(rows(*layers), list(3 + 0.2 * layers + random.normal(0, 0.5, size=12)), TERMS)
        (at,) = rows(float(random.uniform(16, 64)))
        half = line.spread.half_width(line.spread.variance(at))
        assert half is not None
        inside += abs(line.seconds(at) - (3 + 0.2 * at["layers"] + random.normal(0, 0.5))) <= half
    assert 0.92 <= inside / 300 <= 0.98
