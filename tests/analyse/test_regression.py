import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.analyse.regression import fit

COORDINATE = st.floats(-1e4, 1e4).map(lambda value: round(value, 3))
POINTS = st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=30)
# A line with small, known residuals: alternating signs that are not themselves a line.
LINE = [(str(x), float(x), 2.0 * x + 1 + 0.01 * (-1) ** (x // 2)) for x in range(12)]


def named(points: list[tuple[float, float]]) -> list[tuple[str, float, float]]:
    return [(str(number), x, y) for number, (x, y) in enumerate(points)]


@given(POINTS)
def test_the_line_is_the_one_that_numpy_finds(points: list[tuple[float, float]]) -> None:
    xs, ys = zip(*points, strict=True)
    assume(np.std(xs) > 1e-2 and np.std(ys) > 1e-2)
    line = fit(named(points))
    assert line is not None
    slope, intercept = np.polyfit(xs, ys, 1)
    scale = max(map(abs, ys))
    for x in xs:
        assert line.predict(x) == pytest.approx(slope * x + intercept, abs=1e-6 * scale)
    assert line.r == pytest.approx(np.corrcoef(xs, ys)[0, 1], abs=1e-7)
    assert line.r2 == line.r**2 <= 1
    assert line.n == len(points)


@given(POINTS, st.floats(0.1, 10), st.floats(-100, 100), st.randoms(use_true_random=False))
def test_units_and_order_change_neither_r_nor_outliers(
    points: list[tuple[float, float]], unit: float, shift: float, random: object
) -> None:
    xs, ys = zip(*points, strict=True)
    assume(np.std(xs) > 1 and np.std(ys) > 1)
    line = fit(named(points))
    mixed = [(name, unit * x + shift, unit * y) for name, x, y in named(points)]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    other = fit(mixed)
    assert line is not None
    assert other is not None
    assume(1 - line.r2 > 1e-6)  # an exact line's residuals are nothing but rounding
    assert other.r == pytest.approx(line.r, abs=1e-6)
    assert set(other.outliers) == set(line.outliers)


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(1, 1), (2, 2)],
        [(3, 1), (3, 2), (3, 5)],
        [(1, 1.0), (2, 1.0), (3, 1.0)],
        [(0.1 + 0.2, 1), (0.3, 2), (0.3, 3)],
    ],
)
def test_there_is_no_line_without_three_points_that_differ_both_ways(points: list[tuple[float, float]]) -> None:
    assert fit(named(points)) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        fit([*LINE, ("bad", 1.0, bad)])


@given(st.integers(0, 11), st.sampled_from([-1.0, 1.0]))
def test_a_point_far_from_the_line_of_the_others_is_named_and_alone(which: int, side: float) -> None:
    moved = [(name, x, y + side * (number == which)) for number, (name, x, y) in enumerate(LINE)]
    line = fit(moved)
    assert line is not None
    assert line.outliers == (str(which),)


def test_ordinary_noise_names_a_set_in_twenty() -> None:
    rng = np.random.default_rng(1)
    sets = [[(str(x), float(x), x + noise) for x, noise in enumerate(rng.normal(size=10))] for _ in range(1000)]
    named_sets = sum(bool(line.outliers) for points in sets if (line := fit(points)))
    assert 25 <= named_sets <= 75


@given(st.floats(-100, 100), st.floats(-100, 100), st.integers(3, 20))
def test_points_on_a_line_have_no_outliers(slope: float, intercept: float, n: int) -> None:
    assume(abs(slope) > 1e-3)
    line = fit([(str(x), float(x), slope * x + intercept) for x in range(n)])
    assert line is not None
    assert abs(line.r) == pytest.approx(1)
    assert line.outliers == ()


def test_one_point_beside_an_exact_line_is_an_outlier() -> None:
    line = fit([(str(x), float(x), 2.0 * x + (x == 3)) for x in range(6)])
    assert line is not None
    assert line.outliers == ("3",)


def test_a_point_that_the_line_must_pass_through_is_no_outlier() -> None:
    line = fit([("a", 1, 1.0), ("b", 1, 1.1), ("c", 1, 0.9), ("d", 1, 1.05), ("far", 9, 100.0)])
    assert line is not None
    assert line.outliers == ()
