"""How fast weights were loaded, beside what the device could give: bytes per second, achieved ÷ possible.

achieved   bytes of the weights' files / seconds of ``load_weights``, of each start
possible   what a sequential read of the same disk gave right before that start

Both are rates, whose errors are factors (a disk gives a tenth less, not 0.2 GB/s less, whatever it gives): they are
averaged on the logarithm. So the mean of the ratios is the ratio of the means that stand beside it, its interval is
that of the logarithms and cannot reach below 0, and it is the same interval for possible ÷ achieved. Each start is held
against the probe before it, so what slows the disk for both cancels.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harness.analyse.dataset import MEASURED, CaseData, Repeat
from harness.analyse.spanlines import CLOCK_S
from harness.analyse.stats import Bounds, bounds_of_ratio, summarise


@dataclass(frozen=True)
class Mean:
    """A geometric mean over starts, and its 95 % interval; None for a single start."""

    n: int
    value: float
    interval: Bounds | None


@dataclass(frozen=True)
class Bandwidth:
    """One case's loading of weights."""

    weight_bytes: int
    achieved: Mean  # bytes per second
    possible: Mean | None  # of the starts that have a probe
    share: Mean | None  # achieved ÷ possible, of the same starts
    read: tuple[float, float] | None  # least and most of the weights' bytes that a start read from the device


def bandwidth(case: CaseData) -> Bandwidth | None:
    """Of the measured starts whose certificate tells of the weights; None if none does."""
    told = [(repeat, rate) for repeat in case.repeats if (rate := _log_rate(repeat)) is not None]
    achieved = _mean(rate for _, rate in told)
    if achieved is None:
        return None
    loadings = [repeat.loading for repeat, _ in told if repeat.loading]
    probed = [
        (rate, math.log(repeat.loading.probe_bytes_per_s))
        for repeat, rate in told
        if repeat.loading and repeat.loading.probe_bytes_per_s
    ]
    read = [each.read_bytes / each.weight_bytes for each in loadings if each.read_bytes is not None]
    return Bandwidth(
        weight_bytes=loadings[0].weight_bytes,
        achieved=achieved,
        possible=_mean(possible for _, possible in probed),
        share=_mean(rate - possible for rate, possible in probed),
        read=(min(read), max(read)) if read else None,
    )


def _log_rate(repeat: Repeat) -> float | None:
    seconds = repeat.value("load_weights") if repeat.kind == MEASURED and repeat.span and repeat.loading else None
    if repeat.loading is None or seconds is None or seconds < CLOCK_S:
        return None
    return math.log(repeat.loading.weight_bytes) - math.log(seconds)


def _mean(logarithms: Iterable[float]) -> Mean | None:
    found = summarise(logarithms)
    if found is None:
        return None
    value = math.exp(found.mean)
    return Mean(found.n, value, None if found.half_width is None else bounds_of_ratio(value, found.half_width))
