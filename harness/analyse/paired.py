"""One quantity of B against A over the repeats that both have, which are paired: what both share cancels.

Differences have Student's t interval, ratios that of their logarithms (``stats.py``). Each interval holds on its own
with 95 %: of twenty that are looked at, one misses.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean, geometric_mean

from harness.analyse.stats import CONFIDENCE, Bounds, half_width_of_sum, interval
from harness.record.findings import BASELINE_MEAN, DIFFERENCE_HALF_WIDTH, MEAN, RATIO, RATIO_HIGH, RATIO_LOW, N

ByRepeat = Mapping[int, float]


@dataclass(frozen=True)
class Paired:
    """``n`` paired repeats of A and B.

    ``half_width`` is that of the difference's 95 % interval; None for one repeat. ``ratio``: geometric mean of the
    repeats' ratios B/A; None where a value is 0.
    """

    n: int
    a_mean: float
    b_mean: float
    half_width: float | None
    ratio: float | None
    ratio_interval: Bounds | None

    @property
    def difference(self) -> float:
        """B − A."""
        return self.b_mean - self.a_mean

    @property
    def interval(self) -> Bounds | None:
        """Of the difference."""
        if self.half_width is None:
            return None
        return self.difference - self.half_width, self.difference + self.half_width

    def statistics(self) -> Iterator[tuple[str, float]]:
        """Name and value of each that exists, as findings.csv has them; A is the baseline."""
        low, high = self.ratio_interval or (None, None)
        found = {
            BASELINE_MEAN: self.a_mean,
            MEAN: self.b_mean,
            DIFFERENCE_HALF_WIDTH: self.half_width,
            RATIO: self.ratio,
            RATIO_LOW: low,
            RATIO_HIGH: high,
            N: float(self.n),
        }
        yield from ((name, value) for name, value in found.items() if value is not None)

    @property
    def sign(self) -> int | None:
        """1 or −1: the difference's interval is above or below 0; 0: it includes 0; None: there is no interval."""
        return _side(self.interval, 0.0)

    @property
    def sign_of_ratio(self) -> int | None:
        """The same of the ratio's interval and 1."""
        return _side(self.ratio_interval, 1.0)


def paired(a: ByRepeat, b: ByRepeat) -> Paired | None:
    """B against A, over the repeats of both; None if there are none."""
    repeats = sorted(a.keys() & b.keys())
    if not repeats:
        return None
    of_a, of_b = [a[repeat] for repeat in repeats], [b[repeat] for repeat in repeats]
    half = half_width_of_sum(((-1, of_a), (1, of_b)), True, CONFIDENCE)
    ratio = bounds = None
    if min(*of_a, *of_b) > 0:
        ratios = [y / x for x, y in zip(of_a, of_b, strict=True)]
        ratio, bounds = geometric_mean(ratios), interval(ratios, "log")
    return Paired(len(repeats), fmean(of_a), fmean(of_b), half, ratio, bounds)


def _side(bounds: Bounds | None, still: float) -> int | None:
    return None if bounds is None else int(bounds[0] > still) - int(bounds[1] < still)
