"""The least-squares line through named points, how well it fits, and which points do not belong to it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import correlation, linear_regression

from harness.analyse.stats import SIGNIFICANCE, t_quantile

_PARAMETERS = 2  # slope and intercept
_ROUNDING = 1e-9  # of the residuals' scale: less than this is arithmetic, not data


@dataclass(frozen=True)
class Fit:
    """y = ``slope`` · x + ``intercept`` over ``n`` points; ``r`` is Pearson's, ``r2`` its square.

    ``outliers``: the points that the line through all others does not explain (`_outliers`).
    """

    slope: float
    intercept: float
    r: float
    r2: float
    n: int
    outliers: tuple[str, ...]

    def predict(self, x: float) -> float:
        """The line's y at ``x``."""
        return self.slope * x + self.intercept


def fit(points: Sequence[tuple[str, float, float]]) -> Fit | None:
    """The line through (name, x, y); None if fewer than 3 points, or no spread in x or in y: r does not exist then.

    Raises:
        ValueError: a coordinate is not finite.
    """
    xs, ys = [x for _, x, _ in points], [y for _, _, y in points]
    if not all(map(math.isfinite, (*xs, *ys))):
        raise ValueError("a point of the line is not a finite number")
    if len(points) < 3 or _no_spread(xs) or _no_spread(ys):
        return None
    slope, intercept = linear_regression(xs, ys)
    r = max(-1.0, min(1.0, correlation(xs, ys)))
    return Fit(slope, intercept, r, r**2, len(points), _outliers(points, slope, intercept))


def _no_spread(values: Sequence[float]) -> bool:
    """Equal up to the last digits of their arithmetic."""
    return max(values) - min(values) <= 1e-12 * max(map(abs, values)) if values else True


def _outliers(points: Sequence[tuple[str, float, float]], slope: float, intercept: float) -> tuple[str, ...]:
    """Names of the points whose externally studentised residual is too large for chance, in the given order.

    Each point's residual is divided by its standard error under the line through the *other* points, so an outlier
    cannot hide by widening the spread it is judged by. It follows Student's t with n - 3 degrees of freedom; the level
    is divided by the number of points, because each of them is tried (Bonferroni). Source: R. D. Cook and S. Weisberg,
    Residuals and Influence in Regression, Chapman and Hall 1982, section 2.2; R's ``car::outlierTest`` is the same.
    """
    n = len(points)
    freedom = n - _PARAMETERS - 1
    if freedom < 1:
        return ()
    limit = t_quantile(freedom, 1 - SIGNIFICANCE / n)
    xs = [x for _, x, _ in points]
    middle = math.fsum(xs) / n
    spread = math.fsum((x - middle) ** 2 for x in xs)
    residuals = [y - (slope * x + intercept) for _, x, y in points]
    squares = math.fsum(residual**2 for residual in residuals)
    noise = _ROUNDING * max(abs(y) for _, _, y in points)
    found = []
    for (name, x, _), residual in zip(points, residuals, strict=True):
        free = 1 - 1 / n - (x - middle) ** 2 / spread  # 1 - leverage: 0 if the line must pass through the point
        if free < _ROUNDING or abs(residual) <= noise:
            continue
        others = max(squares - residual**2 / free, 0.0) / freedom  # variance about the line through the others
        if abs(residual) > limit * math.sqrt(others * free):
            found.append(name)
    return tuple(found)
