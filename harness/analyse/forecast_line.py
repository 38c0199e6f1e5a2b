"""A straight line over few facts from few starts, and how far a new point may lie from it.

Fitted with Huber's loss (P. J. Huber, Robust Estimation of a Location Parameter, Ann. Math. Stat. 35, 1964), so that
one odd model among twenty does not bend the line of all others: its pull is bounded, it is not left out. The
interval's spread is that of all points, the odd ones included.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analyse.stats import t_quantile

_HUBER = 1.345  # standard deviations: 95 % as efficient as least squares where errors are normal
_NORMAL_MAD = 1.4826  # standard deviation over median absolute deviation, of a normal distribution
_ROUNDS = 50
_ROUNDING = 1e-9

Row = Mapping[str, float]  # term → value
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """What a prediction interval needs: residual sd, its degrees of freedom, and (X'X)⁻¹ over ``terms``.

    ``sd`` None: too few points to know one.
    """

    terms: tuple[str, ...]
    inverse: tuple[tuple[float, ...], ...]
    sd: float | None
    freedom: int

    def variance(self, at: Row) -> float | None:
        """Of a new point about the line there, in seconds²: sd² · (1 + leverage)."""
        if self.sd is None:
            return None
        x = np.array([at[term] for term in self.terms])
        return float(self.sd**2 * (1 + max(0.0, x @ np.array(self.inverse) @ x)))

    def half_width(self, variance: float | None) -> float | None:
        """Half of the 95 % interval: Student's t times the root of the variance."""
        if variance is None:
            return None
        return t_quantile(self.freedom) * math.sqrt(variance)


@dataclass(frozen=True)
class Line:
    """Seconds = sum of coefficient · term."""

    terms: tuple[str, ...]
    coefficients: tuple[float, ...]
    spread: Spread

    def seconds(self, at: Row) -> float:
        """The line there; no phase takes less than nothing."""
        return max(0.0, sum(c * at[term] for term, c in zip(self.terms, self.coefficients, strict=True)))


def fit_line(rows: Sequence[Row], seconds: Sequence[float], terms: Sequence[str]) -> Line:
    """The line over those of ``terms`` that the points can tell apart, first terms first; at least their mean.

    A term goes in if it adds a direction and leaves a degree of freedom, and goes out again if its coefficient is
    negative: no phase gets shorter because a model is larger, and extrapolated, such a line ends below zero.
    """
    usable = distinct_terms(rows, terms)
    y = np.array(seconds, dtype=np.float64)
    while True:
        x = _matrix(rows, usable)
        coefficients = _huber(x, y)
        slopes = [(value, term) for value, term in zip(coefficients, usable, strict=True) if term != "one"]
        if not slopes or min(slopes)[0] >= 0:
            break
        usable = tuple(term for term in usable if term != min(slopes)[1])
    residuals = y - x @ coefficients
    return Line(usable, tuple(map(float, coefficients)), spread_of(rows, residuals.tolist(), usable))


def spread_of(rows: Sequence[Row], residuals: Sequence[float], terms: tuple[str, ...]) -> Spread:
    """The spread of residuals about a line (or a sum of lines) over ``terms``."""
    x = _matrix(rows, terms)
    freedom = len(rows) - len(terms)
    sd = math.sqrt(math.fsum(r * r for r in residuals) / freedom) if freedom > 0 else None
    inverse = np.linalg.pinv(x.T @ x)
    return Spread(terms, tuple(tuple(map(float, row)) for row in inverse), sd, freedom)


def distinct_terms(rows: Sequence[Row], terms: Sequence[str]) -> tuple[str, ...]:
    """The first of ``terms`` whose columns are independent, one fewer than there are points with different facts.

    (With as many terms as points, the line would pass through all of them and know no error.)
    """
    kept: tuple[str, ...] = ("one",)
    points = len({tuple(row[term] for term in terms) for row in rows})
    for term in terms:
        wider = (*kept, term)
        if term != "one" and len(wider) < points and _independent(_matrix(rows, wider)):
            kept = wider
    return kept


def _independent(x: Array) -> bool:
    scaled = x / np.maximum(np.abs(x).max(axis=0), _ROUNDING)
    return bool(np.linalg.matrix_rank(scaled, tol=1e-6) == x.shape[1])


def _matrix(rows: Sequence[Row], terms: Sequence[str]) -> Array:
    """Shape (points, terms)."""
    return np.array([[row[term] for term in terms] for row in rows], dtype=np.float64)


def _huber(x: Array, y: Array) -> Array:
    """Coefficients by iteratively reweighted least squares."""
    found = _least_squares(x, y)
    for _ in range(_ROUNDS):
        residuals = np.abs(y - x @ found)
        scale = _NORMAL_MAD * float(np.median(residuals))
        if scale <= _ROUNDING * float(np.abs(y).max()):  # half of the points lie on the line: there it stays
            break
        weights = np.sqrt(np.minimum(1.0, _HUBER * scale / np.maximum(residuals, _ROUNDING * scale)))
        before, found = found, _least_squares(x * weights[:, None], y * weights)
        if np.allclose(before, found, rtol=1e-7, atol=1e-9):
            break
    return found


def _least_squares(x: Array, y: Array) -> Array:
    return np.asarray(np.linalg.lstsq(x, y, rcond=None)[0], dtype=np.float64)
