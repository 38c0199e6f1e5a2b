"""Statistics over the repeats of one measurement: mean, 95 % interval, run-to-run variation.

The interval is Student's t (the repeats' own spread, unknown variance): mean ± t(0.975, n − 1) · s / √n. It says how
well the mean of such starts on this machine is known, not where a single start will fall.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import stdev

from scipy.special import stdtrit  # the t quantile alone: scipy.stats takes a second to import

CONFIDENCE = 0.95


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
    quantile = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2))
    return Summary(n, mean, quantile * sd / math.sqrt(n), sd, sd / abs(mean) if mean else None)
