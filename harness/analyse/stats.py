"""The statistics of this project, over the repeats of one measurement: means, 95 % intervals, what disturbs them.

Intervals are Student's t (the repeats' own spread, unknown variance): mean ± t(0.975, n − 1) · s / √n. They say how
well the mean of such starts on this machine is known, not where a single start will fall. Fewer than ten repeats cannot
say how they are distributed, so nothing else is tried with them; from ten on ``interval`` lets them say it (studentised
bootstrap, seeded). Ratios are intervals of logarithms, correlations of Fisher's z, so that no bound is impossible.

Nothing here drops a value. What looks like an outlier, or like a machine that gets slower, is named.
"""

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from statistics import fmean, stdev, variance
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONFIDENCE = 0.95
SIGNIFICANCE = 1 - CONFIDENCE
BOOTSTRAP_FROM = 10  # repeats
_RESAMPLES, _SEED = 4999, 20_260_607
_MOST_RUNS = 1000
_WIDEST = 300.0  # logarithms that scatter over many orders of magnitude say nothing; this keeps their bounds numbers

Bounds = tuple[float, float]
Scale = Literal["linear", "log", "correlation"]


@dataclass(frozen=True)
class Summary:
    """What repeats say about one quantity, in the quantity's own unit.

    ``half_width`` (of the 95 % interval), ``sd`` and ``cv`` (sd / mean) are None when they do not exist: one repeat
    has no spread, and a zero mean has no cv.
    """

    n: int
    mean: float
    half_width: float | None
    sd: float | None
    cv: float | None


def summarise(values: Iterable[float]) -> Summary | None:
    """Summary of the repeats; None if there are none. Raises ValueError if a value is not finite."""
    sample = list(values)
    if not sample:
        return None
    if not all(map(math.isfinite, sample)):
        raise ValueError("a repeat is not a finite number")
    n = len(sample)
    mean = math.fsum(sample) / n  # exact sum: the order in which runs are read must not change the mean
    if n == 1:
        return Summary(n, mean, None, None, None)
    sd = stdev(sample)
    return Summary(n, mean, t_quantile(n - 1) * sd / math.sqrt(n), sd, sd / abs(mean) if mean else None)


@cache
def t_quantile(freedom: float, confidence: float = CONFIDENCE) -> float:
    """How many standard errors wide one side of a t interval is."""
    # Here, because a plan or a message needs no statistics; not scipy.stats, which takes a second to import.
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))


def half_width_of_sum(terms: Sequence[tuple[float, Sequence[float]]], paired: bool, confidence: float) -> float | None:
    """Half the width of the interval of Σ weight · mean(values) over ``terms``; None if a spread is unknown.

    ``paired``: the k-th values of all terms were measured next to each other, and what they share cancels. Else the
    terms need not vary equally (Welch, with Satterthwaite's degrees of freedom).
    """
    if min(len(values) for _, values in terms) < 2:
        return None
    if paired:
        rounds = zip(*(values for _, values in terms), strict=True)
        weights = [weight for weight, _ in terms]
        sums = [math.fsum(map(operator.mul, weights, values)) for values in rounds]
        squared = variance(sums) / len(sums)
        freedom = float(len(sums) - 1)
    else:
        parts = [weight**2 * variance(values) / len(values) for weight, values in terms]
        squared = sum(parts)
        if squared == 0:
            return 0.0
        shares = [(part / squared) ** 2 / (len(values) - 1) for part, (_, values) in zip(parts, terms, strict=True)]
        freedom = 1 / sum(shares)
    return t_quantile(freedom, confidence) * math.sqrt(squared)


# A value on its scale, and back.
_SCALES: dict[Scale, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "linear": (float, float),
    "log": (math.log, math.exp),
    "correlation": (lambda r: math.atanh(max(-1 + 1e-12, min(1 - 1e-12, r))), math.tanh),
}


def interval(values: Sequence[float], scale: Scale = "linear", around: float | None = None) -> Bounds | None:
    """The 95 % interval of the mean of ``values`` on a scale; None if fewer than two, or the scale has not all of them.

    ``around``: a better known centre, if there is one: the spread is that of the values, the place is this one. (A
    correlation of means is less attenuated by noise than the mean of the repeats' correlations.)
    """
    to, back = _SCALES[scale]
    if len(values) < 2 or (scale == "log" and min(*values, 1 if around is None else around) <= 0):
        return None
    sample = [to(value) for value in values]
    below, above = _bootstrapped(sample) if len(sample) >= BOOTSTRAP_FROM else _students(sample)
    middle = fmean(sample) if around is None else to(around)
    return back(middle - below), back(middle + above)


def _students(sample: Sequence[float]) -> Bounds:
    half = t_quantile(len(sample) - 1) * stdev(sample) / math.sqrt(len(sample))
    return half, half


def _bootstrapped(sample: Sequence[float]) -> Bounds:
    """Distances of the bounds from the mean, by the studentised bootstrap.

    Plain percentiles of resampled means are too narrow for ten values. Values that are mostly equal (a share that is 1
    in most repeats) have resamples without any spread, which have no t: then it is Student's. Source: B. Efron and
    R. Tibshirani, An Introduction to the Bootstrap, Chapman and Hall 1993, section 12.5.
    """
    import numpy as np  # as scipy

    values = np.asarray(sample)
    n, mean = len(values), float(values.mean())
    error = float(values.std(ddof=1)) / math.sqrt(n)
    if error == 0:
        return 0.0, 0.0
    drawn = values[_positions_drawn(n)]
    spread = drawn.std(axis=1, ddof=1) / math.sqrt(n)
    if (spread == 0).any():
        return _students(sample)
    t = (drawn.mean(axis=1) - mean) / spread
    low, high = np.quantile(t, [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2])
    return float(high) * error, -float(low) * error


@lru_cache(maxsize=4)
def _positions_drawn(n: int) -> "NDArray[np.int64]":
    """Which of ``n`` values every resample has, shape (_RESAMPLES, n): the same for every sample of that size."""
    import numpy as np

    return np.random.default_rng(_SEED).integers(n, size=(_RESAMPLES, n))


def bounds_of_ratio(ratio: float, half_width: float) -> Bounds:
    """The interval of a ratio (or a rate) whose logarithm has this half width."""
    half = min(half_width, _WIDEST)
    return ratio * math.exp(-half), ratio * math.exp(half)


def to_scale(value: float, scale: Scale) -> float:
    """The value where ``interval`` takes its spread."""
    return _SCALES[scale][0](value)


def runs_needed(sd: float, half_width: float) -> int | None:
    """The least number of repeats whose interval is at most this wide on each side; None beyond a thousand."""
    for n in range(2, _MOST_RUNS + 1):
        if t_quantile(n - 1) * sd / math.sqrt(n) <= half_width:
            return n
    return None


def outliers(values: Sequence[float], samples: int = 1) -> list[int]:
    """Positions of the values that the others do not explain: their distance is judged by the spread of the others.

    Externally studentised deviation, Student's t with n − 2 degrees of freedom, the level divided by how many values
    are tried: all of this sample, and of so many ``samples`` like it. Four values are the least that can say so.
    Source: as ``regression.fit``'s outliers.
    """
    n = len(values)
    if n < 4:
        return []
    limit = t_quantile(n - 2, 1 - SIGNIFICANCE / (n * samples))
    found = []
    for at, value in enumerate(values):
        others = [*values[:at], *values[at + 1 :]]
        error = stdev(others) * math.sqrt(1 + 1 / (n - 1))
        if abs(value - fmean(others)) > max(limit * error, 1e-9 * abs(value)):
            found.append(at)
    return found


@dataclass(frozen=True)
class Drift:
    """How a quantity changed over the order of its repeats: Theil–Sen slope per repeat, with its 95 % interval."""

    per_repeat: float
    interval: Bounds

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes a machine that stays as it is."""
        return not self.interval[0] <= 0 <= self.interval[1]


def drift(values: Sequence[float]) -> Drift | None:
    """The values' drift in their order; None for fewer than five, which cannot tell a drift from chance.

    The median of all pairs' slopes, with the interval of Kendall's tau: one odd start does not make a drift. Source:
    P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, J. Am. Stat. Assoc. 63, 1968.
    """
    n = len(values)
    if n < 5:
        return None
    slopes = sorted((values[b] - values[a]) / (b - a) for a in range(n) for b in range(a + 1, n))
    steps = len(slopes)
    # How far Kendall's score of n values in no order strays, 95 % of the time.
    score = 1.959964 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    below, above = math.floor((steps - score) / 2), math.ceil((steps + score) / 2)
    middle = slopes[steps // 2] if steps % 2 else (slopes[steps // 2 - 1] + slopes[steps // 2]) / 2
    return Drift(middle, (slopes[max(below - 1, 0)], slopes[min(above, steps - 1)]))
