"""How well the test part of a sequence was predicted, and whether a model beats the best baseline.

Neighbouring errors are dependent: windows overlap, and sequences have slow phases. So intervals of means are a circular
block bootstrap's (Politis and Romano, A circular block-resampling procedure for stationary data, 1992): blocks of
max(W, ⌈n^(1/3)⌉) neighbours, at most a fifth of the n targets, are drawn with a fixed seed. The accuracy of a
classification has Wilson's interval. Whether a model beats a baseline is said by the interval of the *paired*
difference, by blocks again.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analyse.sequences import Settings, Values
from harness.analyse.stats import CONFIDENCE, SIGNIFICANCE, Bounds

BLOCK_TOKENS = 16
TOLERANCE = 0.1
LEAST_TO_JUDGE = 30  # targets; fewer say nothing about dependent errors
_RESAMPLES, _AT_ONCE, _SEED = 2000, 50, 20_261_129

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A mean over the test part, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """How much better than the baseline a model is, in the task's main metric; positive = better.

    The interval is of the paired difference, at 95 % over all models compared (Bonferroni). ``beats`` is None where the
    test part is too short to tell.
    """

    model: str
    baseline: str
    gain: float
    low: float
    high: float
    beats: bool | None


@dataclass(frozen=True)
class Evaluation:
    """Scores of the predictors (name → metric → value) and what was compared."""

    targets: int
    block: int
    main: str
    scores: dict[str, dict[str, Metric]]
    best_baseline: str
    comparisons: list[Comparison]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def evaluate(
    truth: Values, baselines: Mapping[str, Values], models: Mapping[str, Values], settings: Settings
) -> Evaluation:
    """Score all predictions of the test part ``truth`` and hold the models against the baseline that is best *on it*.

    Choosing the baseline afterwards favours it: a model that beats it beats all of them.
    """
    block = block_length(len(truth), settings.window)
    score = _scored_classes if settings.task == "classification" else _scored_numbers
    scores = {name: score(truth, predicted, block) for name, predicted in (*baselines.items(), *models.items())}
    losses = {name: _losses(truth, each, settings) for name, each in (*baselines.items(), *models.items())}
    best = min(baselines, key=lambda name: losses[name].mean())
    confidence = 1 - SIGNIFICANCE / max(len(models), 1)
    comparisons = []
    for name in models:
        gains = losses[best] - losses[name]
        low, high = block_interval(gains, block, confidence)
        beats = None if len(truth) < LEAST_TO_JUDGE else low > 0
        comparisons.append(Comparison(name, best, float(gains.mean()), low, high, beats))
    main = "accuracy" if settings.task == "classification" else "mae"
    return Evaluation(len(truth), block, main, scores, best, comparisons)


def block_length(targets: int, window: int) -> int:
    """How many neighbours are drawn together."""
    return max(1, min(max(window, math.ceil(math.cbrt(targets))), targets // 5))


def block_interval(series: Floats, block: int, confidence: float = CONFIDENCE) -> Bounds:
    """The interval of the mean of a dependent series: percentiles of its means when blocks of it are drawn."""
    n = len(series)
    sums = np.concatenate([[0.0], np.cumsum(np.concatenate([series, series[: block - 1]]))])
    means = (
        sums[block:] - sums[:-block]
    ) / block  # of the block that begins at each place, the end joined to the begin
    blocks = math.ceil(n / block)
    random = np.random.default_rng(_SEED)
    drawn = [means[random.integers(n, size=(_AT_ONCE, blocks))].mean(axis=1) for _ in range(_RESAMPLES // _AT_ONCE)]
    low, high = np.quantile(np.concatenate(drawn), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def wilson(right: int, n: int) -> Bounds:
    """Wilson's 95 % interval of a share."""
    from scipy.stats import binomtest  # a second to import

    bounds = binomtest(right, n).proportion_ci(CONFIDENCE, method="wilson")
    return float(bounds.low), float(bounds.high)


def residual_quantiles(truth: Values, predicted: Values) -> list[int]:
    """The 0, 1, … 100 % quantiles of truth − prediction, whole numbers (the nearest residual that occurred)."""
    return [int(each) for each in np.quantile(truth - predicted, np.linspace(0, 1, 101), method="nearest")]


def _losses(truth: Values, predicted: Values, settings: Settings) -> Floats:
    """What is averaged, less is better: 1 for each wrong class, or the absolute error."""
    losses: Floats = np.abs(truth - predicted).astype(np.float64)
    return np.minimum(losses, 1.0) if settings.task == "classification" else losses


def _scored_classes(truth: Values, predicted: Values, _: int) -> dict[str, Metric]:
    right = int((truth == predicted).sum())
    return {"accuracy": Metric(right / len(truth), *wilson(right, len(truth)))}


def _scored_numbers(truth: Values, predicted: Values, block: int) -> dict[str, Metric]:
    errors = np.abs(truth - predicted).astype(np.float64)
    series = {
        "mae": errors,
        "within_10_percent": (errors <= TOLERANCE * truth).astype(np.float64),
        "within_16_tokens": (errors <= BLOCK_TOKENS).astype(np.float64),
    }
    return {name: Metric(float(each.mean()), *block_interval(each, block)) for name, each in series.items()}
