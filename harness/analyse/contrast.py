"""B against A in one quantity: difference of the means and ratio of the means, each with an interval.

unpaired   Welch: the two sides need not vary equally (Satterthwaite's degrees of freedom)
paired     starts made next to each other are compared with each other, so what both share (a machine that gets slower
           over the hours) cancels: Student's t of the differences

The ratio is that of the means, so that it agrees with the means that stand beside it. Its interval is the delta
method's on the logarithm: log(B/A) varies, to first order, like the difference of the starts over their own mean, so
it is the same interval of scaled starts, and swapping A and B inverts it exactly.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.analyse.spanlines import CLOCK_S
from harness.analyse.stats import Bounds, bounds_of_ratio, half_width_of_sum

SLOWER, FASTER, NO_DIFFERENCE, NO_INTERVAL = "slower", "faster", "no difference", "no interval"


@dataclass(frozen=True)
class Contrast:
    """One quantity of both sides, in seconds. Intervals are None where a side has too few starts.

    The ratio B/A is also None where a start spent no time in the quantity.
    """

    a_mean_s: float
    b_mean_s: float
    interval_s: Bounds | None
    ratio: float | None
    ratio_interval: Bounds | None

    @property
    def difference_s(self) -> float:
        """B − A."""
        return self.b_mean_s - self.a_mean_s

    @property
    def verdict(self) -> str:
        """What B is, as far as the interval of the difference says."""
        if self.interval_s is None:
            return NO_INTERVAL
        low, high = self.interval_s
        return SLOWER if low > 0 else FASTER if high < 0 else NO_DIFFERENCE


def contrast(a: Sequence[float], b: Sequence[float], paired: bool, confidence: float) -> Contrast:
    """B against A; ``a`` and ``b`` hold at least one start each, in the order of the pairs where ``paired``."""
    a_mean, b_mean = _mean(a), _mean(b)
    half = half_width_of_sum(((-1, a), (1, b)), paired, confidence)
    ratio = b_mean / a_mean if min(*a, *b) >= CLOCK_S else None
    ratio_interval = None
    if ratio is not None and half is not None:
        scaled = half_width_of_sum(((-1, [x / a_mean for x in a]), (1, [x / b_mean for x in b])), paired, confidence)
        ratio_interval = bounds_of_ratio(ratio, scaled or 0.0)
    difference = b_mean - a_mean
    return Contrast(
        a_mean, b_mean, None if half is None else (difference - half, difference + half), ratio, ratio_interval
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)  # exact sum: the order in which runs are read must not change the mean
