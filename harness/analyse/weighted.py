"""Statistics of values that stand for many equal ones each: run-length rows, histograms. Weights are whole numbers.

All of them say what the same statistic says of the values written out one by one; nothing is written out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Weighted:
    """Values in ascending order, each once, and how many there are up to and including each."""

    values: Floats
    counts: Integers  # cumulative

    @property
    def n(self) -> int:
        """How many values, written out."""
        return int(self.counts[-1]) if len(self.counts) else 0

    @property
    def mean(self) -> float | None:
        """Arithmetic mean; None of nothing."""
        if self.n == 0:
            return None
        return float(np.dot(self.values, np.diff(self.counts, prepend=0)) / self.n)

    def quantile(self, q: float) -> float | None:
        """The ``q`` quantile (0 to 1), interpolated linearly as numpy does by default; None of nothing."""
        if self.n == 0:
            return None
        at = (self.n - 1) * q
        below, above = self.values[np.searchsorted(self.counts, [np.floor(at), np.ceil(at)], side="right")]
        return float(below + (above - below) * (at - np.floor(at)))

    def ecdf(self) -> tuple[Floats, Floats]:
        """Each value, and the share of values that are at most as large: the steps of the distribution function."""
        return self.values, self.counts / max(self.n, 1)


def weighted(values: Sequence[float] | Floats, weights: Sequence[int] | Integers | None = None) -> Weighted:
    """The values with how often each is meant (once, without ``weights``); what is meant 0 times is left out."""
    given = np.asarray(values, dtype=np.float64)
    times = np.ones(len(given), dtype=np.int64) if weights is None else np.asarray(weights, dtype=np.int64)
    kept = times > 0
    unique, place = np.unique(given[kept], return_inverse=True)
    each = np.zeros(len(unique), dtype=np.int64)
    np.add.at(each, place, times[kept])
    return Weighted(unique, np.cumsum(each))


def four_numbers(sample: Weighted) -> dict[str, Any]:
    """Mean, median, min and max; each None of nothing."""
    return {
        "mean": sample.mean,
        "median": sample.quantile(0.5),
        "min": sample.quantile(0.0),
        "max": sample.quantile(1.0),
    }
