"""Scores of predictions: intervals that respect dependence, and when a model is said to beat the best baseline."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.analyse.sequence_scores import (
    LEAST_TO_JUDGE,
    block_interval,
    block_length,
    evaluate,
    residual_quantiles,
    wilson,
)
from harness.analyse.sequences import Settings, Values, as_values

REGRESSION, CLASSES = Settings("regression", 4, None), Settings("classification", 4, 3)


def series(n: int, memory: float, seed: int) -> NDArray[np.float64]:
    """An autoregression of order 1."""
    random = np.random.default_rng(seed)
    out = np.zeros(n)
    for at, shock in enumerate(random.normal(size=n)):
        out[at] = memory * out[at - 1] + shock
    return out


def test_independent_values_have_nearly_the_t_interval() -> None:
    sample = series(400, 0.0, 3)
    low, high = block_interval(sample, 8)
    assert low < sample.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * sample.std() / 20, rel=0.25)


def test_dependent_values_have_a_wider_interval_and_it_holds_the_truth_most_of_the_time() -> None:
    held, wider = 0, 0
    for seed in range(40):
        sample = series(400, 0.7, seed)
        low, high = block_interval(sample, 20)
        held += low <= 0 <= high
        wider += high - low > 1.5 * 2 * 1.96 * sample.std() / 20
    assert held >= 34  # 95 % are 38; blocks are known to be a little short
    assert wider >= 38


@given(st.lists(st.integers(0, 50), min_size=2, max_size=60), st.integers(1, 30))
def test_an_interval_lies_within_the_values_and_is_the_same_each_time(sample: list[int], window: int) -> None:
    block = block_length(len(sample), window)
    assert 1 <= block <= max(1, len(sample) // 5)
    numbers = np.array(sample, dtype=float)
    low, high = block_interval(numbers, block)
    assert min(sample) - 1e-9 <= low <= high <= max(sample) + 1e-9
    assert (low, high) == block_interval(numbers, block)
    wider = block_interval(numbers, block, 0.99)
    assert wider[0] <= low <= high <= wider[1]


def test_wilsons_interval_is_the_textbooks() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_residual_quantiles_are_residuals_that_occurred_in_order() -> None:
    truth, predicted = as_values(list(range(50))), as_values([20] * 50)
    quantiles = residual_quantiles(truth, predicted)
    assert len(quantiles) == 101
    assert quantiles == sorted(quantiles)
    assert (quantiles[0], quantiles[50], quantiles[100]) == (-20, 4, 29)
    assert set(quantiles) <= set((truth - predicted).tolist())


def test_regression_is_scored_by_error_and_by_both_tolerances() -> None:
    truth = as_values([100, 100, 0, 10])
    found = evaluate(truth, {"some": as_values([110, 84, 0, 27])}, {}, REGRESSION)
    scores = found.scores["some"]
    assert scores["mae"].value == pytest.approx((10 + 16 + 0 + 17) / 4)
    assert scores["within_10_percent"].value == 0.5
    assert scores["within_16_tokens"].value == 0.75
    assert (found.best_baseline, found.comparisons, found.main) == ("some", [], "mae")


def three(n: int) -> tuple[Values, Values, Values]:
    """Classes, predictions right in nine of ten, predictions right in one of two."""
    truth = as_values(np.random.default_rng(0).integers(0, 3, n))
    near, far = truth.copy(), truth.copy()
    near[::10] = (near[::10] + 1) % 3
    far[::2] = (far[::2] + 1) % 3
    return truth, near, far


def test_a_model_is_held_against_the_baseline_that_is_best_on_the_test_part() -> None:
    truth, near, far = three(300)
    found = evaluate(truth, {"poor": far, "good": near}, {"perfect": truth, "same": near, "bad": far}, CLASSES)
    assert found.best_baseline == "good"
    assert [(each.model, each.baseline, each.beats) for each in found.comparisons] == [
        ("perfect", "good", True),
        ("same", "good", False),
        ("bad", "good", False),
    ]
    perfect, same, bad = found.comparisons
    assert perfect.gain == pytest.approx(0.1)
    assert (same.gain, same.low, same.high) == (0, 0, 0)
    assert bad.high < 0
    assert found.scores["perfect"]["accuracy"].value == 1
    assert found.scores["perfect"]["accuracy"].low < 1


def test_a_short_test_part_says_nothing_of_who_is_better() -> None:
    truth, _, far = three(LEAST_TO_JUDGE - 1)
    assert evaluate(truth, {"poor": far}, {"perfect": truth}, CLASSES).comparisons[0].beats is None
    truth, _, far = three(LEAST_TO_JUDGE)
    assert evaluate(truth, {"poor": far}, {"perfect": truth}, CLASSES).comparisons[0].beats is True


def test_models_without_skill_beat_nothing_more_often_than_the_level_says() -> None:
    beaten = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        truth, baseline, one, two = (as_values(random.integers(0, 100, 200)) for _ in range(4))
        found = evaluate(truth, {"random": baseline}, {"one": one, "two": two}, REGRESSION)
        beaten += any(each.beats for each in found.comparisons)
    assert beaten <= 6  # 2.5 % one-sided are 1.5 of 60
