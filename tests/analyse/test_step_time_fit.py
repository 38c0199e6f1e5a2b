"""Step times are found again from steps that were timed with noise; a few wild steps change little."""

import random
from dataclasses import astuple, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analyse.step_time_fit import at_pace, fit_step_time, pace_of, predicted_seconds, step_errors
from harness.errors import HarnessError
from harness.record.real_point import StepRow
from harness.record.replay import StepTime

SMALL = StepTime(4e-3, 1.2e-5, 1e-4, 2.5e-7)  # of the order of a small model on a core
factors = st.builds(
    StepTime, st.floats(1e-3, 2e-2), st.floats(2e-6, 1e-4), st.floats(2e-5, 1e-3), st.floats(5e-8, 2e-6)
)


def steps(step_time: StepTime, seed: int, number: int = 600, noise: float = 0.0) -> list[StepRow]:
    """Prefills, batches that decode, and both in one step, each ``noise`` (a standard deviation, relative) off."""
    chance, rows, now = random.Random(seed), list[StepRow](), 0.0
    for step in range(number):
        kind = chance.randrange(3)
        prefill = 0 if kind == 0 else round(2048 ** chance.random())
        decode = 0 if kind == 1 else round(64 ** chance.random())
        context = prefill + decode * round(1500 ** chance.random())
        seconds = step_time.base_s + step_time.prefill_token_s * prefill
        seconds += step_time.decode_seq_s * decode + step_time.context_token_s * context
        seconds *= max(0.2, chance.gauss(1, noise))
        rows.append(StepRow(step, now, seconds, prefill, decode, context, 0))
        now += seconds
    return rows


@settings(max_examples=40)
@given(step_time=factors, seed=st.integers(0, 99))
def test_without_noise_the_factors_are_found_exactly(step_time: StepTime, seed: int):
    known = steps(step_time, seed)
    fit = fit_step_time(known, known)
    assert astuple(fit.step_time) == pytest.approx(astuple(step_time), rel=1e-6)
    assert fit.held_out.r2 == pytest.approx(1)
    assert fit.fitted.median_abs_pct_error < 1e-4


@settings(max_examples=40)
@given(step_time=factors, seed=st.integers(0, 99))
def test_with_noise_unseen_steps_are_predicted_within_it(step_time: StepTime, seed: int):
    fit = fit_step_time(steps(step_time, seed, noise=0.05), steps(step_time, seed + 100))
    assert fit.held_out.p90_abs_pct_error < 3
    assert abs(fit.held_out.total_pct_error) < 2


@settings(max_examples=40)
@given(seed=st.integers(0, 99), factor=st.sampled_from([0.3, 3.0, 100.0]), one_in=st.sampled_from([20, 50]))
def test_steps_that_something_else_disturbed_move_the_prediction_little(seed: int, factor: float, one_in: int):
    quiet = steps(SMALL, seed, noise=0.03)
    disturbed = [
        replace(row, seconds=row.seconds * factor) if random.Random(row.step + seed).randrange(one_in) == 0 else row
        for row in quiet
    ]
    honest, pulled = fit_step_time(quiet, quiet), fit_step_time(disturbed, quiet)
    before, after = (predicted_seconds(fit.step_time, quiet) for fit in (honest, pulled))
    assert max(abs(after / before - 1)) < 0.04
    assert pulled.outliers >= sum(a != b for a, b in zip(quiet, disturbed, strict=True)) > 0


def test_no_factor_is_below_zero_whatever_the_steps_say():
    falling = [replace(row, seconds=0.1 - 1e-5 * row.prefill_tokens) for row in steps(SMALL, 1)]
    fit = fit_step_time(falling, falling)
    assert min(astuple(fit.step_time)) == 0


def test_errors_are_of_the_seconds_that_were_measured():
    rows = [StepRow(0, 0.0, 0.010, 0, 1, 1, 0), StepRow(1, 0.1, 0.020, 0, 1, 1, 0), StepRow(2, 0.2, 0.050, 0, 1, 1, 0)]
    errors = step_errors(StepTime(0.020, 0.0, 0.0, 0.0), rows)
    assert errors.steps == 3
    assert errors.median_abs_pct_error == pytest.approx(60)
    assert errors.p90_abs_pct_error == pytest.approx(92)
    assert errors.total_pct_error == pytest.approx(-25)
    assert errors.r2 == pytest.approx(-2 / 13)  # squares: 10 of the errors, 26/3 around the mean


@given(pace=st.floats(0.2, 5))
def test_the_pace_of_a_machine_that_became_slower_or_faster_is_found(pace: float):
    later = [replace(row, seconds=row.seconds * pace) for row in steps(SMALL, 2, 50)]
    assert pace_of(SMALL, later) == pytest.approx(pace)
    assert pace_of(at_pace(SMALL, pace), later) == pytest.approx(1)


def test_warm_up_steps_count_nowhere():
    known = steps(SMALL, 3)
    slow = [replace(row, seconds=row.seconds * 50) for row in known[:30]]
    fit = fit_step_time([*slow, *known[30:]], [*slow, *known[30:]], warm_up=30)
    assert astuple(fit.step_time) == pytest.approx(astuple(SMALL), rel=1e-6)
    assert (fit.fitted.steps, fit.held_out.steps, fit.outliers) == (570, 570, 0)


@pytest.mark.parametrize(("known", "unseen"), [(19, 5), (40, 0), (0, 0)])
def test_too_few_steps_are_one_line(known: int, unseen: int):
    rows = steps(SMALL, 1, 40)
    with pytest.raises(HarnessError, match=rf"^{known} steps to fit step times to, {unseen} to check them with: "):
        fit_step_time(rows[:known], rows[:unseen])
