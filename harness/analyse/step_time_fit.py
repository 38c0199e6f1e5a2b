"""Step times of the virtual clock, fitted to steps that a real engine was timed at.

Non-negative least squares of relative errors, so that short steps, of which a run has most, count as much as long ones;
each step is weighted by the seconds that the fit before gave it, not by its own, which would favour steps that happened
to be fast. Outliers are steps off by more than ``OUTLIER`` robust standard deviations: they keep their place in all
that is said about errors, but pull on the fit no more than a step at ``HUBER`` deviations would (Huber's weights).
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from harness.errors import HarnessError
from harness.record.real_point import StepRow
from harness.record.replay import StepTime

HUBER, OUTLIER = 1.345, 4.0  # robust standard deviations; the former costs 5 % of efficiency under normal errors
_MAD = 1.4826  # median absolute deviation → standard deviation of a normal distribution
_ROUNDS, _SETTLED = 50, 1e-9
_LEAST = 20  # steps; four numbers are fitted

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class StepErrors:
    """How well step times predict steps. Percentages are of each step's measured seconds."""

    steps: int
    r2: float  # of the seconds; 1 = all variance explained
    median_abs_pct_error: float
    p90_abs_pct_error: float
    total_pct_error: float  # of the sum of all steps: above 0, the prediction is too long


@dataclass(frozen=True)
class StepTimeFit:
    """What was fitted, on what, and how well it does there and on steps that it has not seen."""

    step_time: StepTime
    outliers: int  # of the steps that it was fitted on; see the module
    fitted: StepErrors
    held_out: StepErrors


def fit_step_time(steps: Sequence[StepRow], held_out: Sequence[StepRow], warm_up: int = 0) -> StepTimeFit:
    """Fit to ``steps`` without the first ``warm_up``; errors are also told of ``held_out``, without as many.

    Raises:
        HarnessError: too few steps to fit four numbers, or to tell an error of.
    """
    known, unseen = steps[warm_up:], held_out[warm_up:]
    if len(known) < _LEAST or not unseen:
        what = f"{len(known)} steps to fit step times to, {len(unseen)} to check them with"
        raise HarnessError(f"{what}: {_LEAST} and 1 are needed; give a longer calibration")
    terms, seconds = _terms(known), _seconds(known)
    factors, off = _fit(terms, seconds)
    step_time = StepTime(*(float(each) for each in factors))
    outliers = int((np.abs(off) > OUTLIER).sum())
    return StepTimeFit(step_time, outliers, step_errors(step_time, known), step_errors(step_time, unseen))


def predicted_seconds(step_time: StepTime, steps: Sequence[StepRow]) -> Array:
    """Seconds of each step on the virtual clock."""
    seconds: Array = _terms(steps) @ astuple(step_time)
    return seconds


def step_errors(step_time: StepTime, steps: Sequence[StepRow]) -> StepErrors:
    """How well ``step_time`` predicts these steps, at least one."""
    seconds, predicted = _seconds(steps), predicted_seconds(step_time, steps)
    percent = 100 * np.abs(predicted - seconds) / seconds
    spread = float(((seconds - seconds.mean()) ** 2).sum())
    return StepErrors(
        steps=len(steps),
        r2=1 - float(((predicted - seconds) ** 2).sum()) / spread if spread else 0.0,
        median_abs_pct_error=float(np.median(percent)),
        p90_abs_pct_error=float(np.quantile(percent, 0.9)),
        total_pct_error=100 * float(predicted.sum() / seconds.sum() - 1),
    )


def pace_of(step_time: StepTime, steps: Sequence[StepRow]) -> float:
    """How long these steps took for each second that ``step_time`` gives them.

    A machine that has other work, or another clock rate, than during its calibration is slower or faster at every
    step, and so is a model that is wrong for all steps alike: ``at_pace`` takes both out.
    """
    return float(_seconds(steps).sum() / predicted_seconds(step_time, steps).sum())


def at_pace(step_time: StepTime, pace: float) -> StepTime:
    """The same step times, each ``pace`` times as long."""
    return StepTime(*(pace * each for each in astuple(step_time)))


def _fit(terms: Array, seconds: Array) -> tuple[Array, Array]:
    """The four factors, and how far off each step is, in robust standard deviations."""
    weights, factors = 1 / seconds, np.zeros(terms.shape[1])
    for _ in range(_ROUNDS):
        before, factors = factors, nnls(terms * weights[:, None], seconds * weights)[0]
        expected = np.maximum(terms @ factors, np.finfo(float).tiny)
        relative = seconds / expected - 1
        deviation = max(_MAD * float(np.median(np.abs(relative - np.median(relative)))), np.finfo(float).eps)
        off = relative / deviation
        if np.allclose(factors, before, rtol=_SETTLED, atol=0):
            break
        weights = np.sqrt(HUBER / np.maximum(np.abs(off), HUBER)) / expected
    return factors, off


def _terms(steps: Sequence[StepRow]) -> Array:
    """Shape (steps, 4): the constant, and what ``StepTime`` counts."""
    return np.array([(1, each.prefill_tokens, each.decode_seqs, each.context_tokens) for each in steps], np.float64)


def _seconds(steps: Sequence[StepRow]) -> Array:
    return np.array([each.seconds for each in steps])
