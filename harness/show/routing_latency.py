"""The first page of the routing figure: what a client sees, by strategy."""

from functools import partial

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from harness.analyse.routing_findings import TPOT_MEAN, TTFT_MEAN
from harness.analyse.routing_series import Labelled, latency_ecdfs
from harness.analyse.stats import Summary
from harness.record.routing_tables import TPOT, TTFT
from harness.show.routing_looks import LINE, empty, line, logarithmic, means
from harness.show.study_page import Band

_NAMES = {TTFT: "TTFT", TPOT: "TPOT"}
_SCALES = {TTFT: (1.0, "s", ".3f"), TPOT: (1e3, "ms", ".1f")}


def latency_bands(data: Labelled) -> list[Band]:
    """Distributions by phase, and the means."""
    bands = [
        Band("", [(f"{_NAMES[metric]}, {phase}", partial(distributions, data=data, phase=phase, metric=metric))
                  for metric in (TTFT, TPOT)], 1.75)
        for phase in data.phases
    ]  # fmt: skip
    row_in = 0.115 * len(data.phases) + 0.05
    panels = [
        (f"mean {_NAMES[metric]}", partial(means, data=data, metric=name, scale=_SCALES[metric][0],
                                           label=f"mean {_NAMES[metric]} ({_SCALES[metric][1]})",
                                           number=partial(_number, metric=metric)))
        for metric, name in ((TTFT, TTFT_MEAN), (TPOT, TPOT_MEAN))
    ]  # fmt: skip
    return [*bands, Band("", panels, 0.1 + row_in * len(data.strategies), between=0.9, inset=0.25)]


def distributions(axes: Axes, data: Labelled, phase: str, metric: str) -> None:
    """A thick line for all repeats of a strategy together, a thin one for each repeat."""
    scale, unit, _ = _SCALES[metric]
    lowest, highest = [], []
    for strategy in data.strategies:
        pooled, each = latency_ecdfs(data, phase, strategy, metric)
        if not pooled.seconds:
            continue
        looks = line(strategy)
        if len(each) > 1:
            for one in each:
                seconds = [scale * value for value in one.seconds]
                axes.plot(seconds, one.probability, color=looks["color"], lw=0.3, alpha=0.45, drawstyle="steps-post")
        seconds = [scale * value for value in pooled.seconds]
        axes.plot(seconds, pooled.probability, lw=LINE, drawstyle="steps-post", label=strategy, **looks)
        lowest.append(min((value for value in seconds if value > 0), default=scale * 1e-6))
        highest.append(seconds[-1])
    if not lowest:
        empty(axes, f"no request gave its {_NAMES[metric]}")
        return
    logarithmic(axes, min(lowest) / 1.1, max(*highest, 1.1 * min(lowest)) * 1.1)
    axes.set(xlabel=f"{_NAMES[metric]} ({unit})", ylabel="share of the requests", ylim=(0, 1.02))
    axes.yaxis.set_major_locator(FixedLocator((0, 0.25, 0.5, 0.75, 1)))


def _number(over: Summary, metric: str) -> str:
    scale, unit, form = _SCALES[metric]
    half = f" ± {scale * over.half_width:{form}}" if over.half_width is not None else ""
    return f"{scale * over.mean:{form}}{half} {unit}"
