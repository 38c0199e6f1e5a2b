"""The second page of the routing figure: what time to first token is made of, and what routing changes in it."""

from functools import partial
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from harness.analyse.routing_findings import TTFT_MEAN
from harness.analyse.routing_metrics import HIT_RATE, IMBALANCE, PARTS
from harness.analyse.routing_series import Labelled, gain_points, prefill_token_s
from harness.analyse.routing_series_simulated import FOLLOWED, OWN, simulated_over
from harness.show.routing_looks import (
    LEAST_PERCENT,
    MARK,
    Look,
    empty,
    few_ticks,
    from_zero,
    interval,
    key_beside_title,
    mark,
    phase_marks,
    rows,
)
from harness.show.study_page import Band
from harness.show.style import BLACK, GREY, ORANGE, SKY, SMALLEST_PT, VERMILLION

_LOOKS = (
    ("router", VERMILLION, "/////"),
    ("queue", ORANGE, "....."),
    ("prefill", SKY, ""),
    ("rest", GREY, "\\\\\\\\\\"),
)
_PART_LOOKS = dict(zip(PARTS, _LOOKS, strict=True))
_SIMULATED = {OWN: ("simulated", "o"), FOLLOWED: ("simulated, real decisions", "d")}


def why_bands(data: Labelled) -> list[Band]:
    """Parts of TTFT by phase; hit rate, imbalance and gains."""
    parts = [(phase, partial(ttft_parts, data=data, phase=phase)) for phase in data.phases]
    hits = [("prefix cache hit rate", partial(hit_rates, data=data))]
    apart = [
        ("hit rate against imbalance", partial(hits_and_imbalance, data=data)),
        ("gain explained", partial(gain_explained, data=data)),
    ]
    row_in = 0.08 + 0.06 * (len(data.phases) + len(_sources(data)))
    return [
        Band("Mean TTFT in its parts", parts, 0.15 + 0.17 * len(data.strategies), between=0.9, inset=0.25),
        Band("", hits, 0.1 + row_in * len(data.strategies), inset=0.25),
        Band("", apart, 1.9, between=0.62),
    ]


def ttft_parts(axes: Axes, data: Labelled, phase: str) -> None:
    """Means over the repeats, stacked; the error bar is the interval of the client's mean TTFT."""
    for row, strategy in enumerate(data.strategies):
        left = 0.0
        for part in PARTS:
            over = data.over(phase, strategy, part)
            if over is not None:
                _, colour, hatch = _PART_LOOKS[part]
                axes.barh([row], [over.mean], 0.62, left=left, color=colour, hatch=hatch, edgecolor=BLACK, lw=0.3)
                left += over.mean
        total = data.over(phase, strategy, TTFT_MEAN)
        if total is not None:
            interval(axes, total, row, {"color": BLACK, "marker": "|", "ms": 5.0, "ls": ""})
        else:
            axes.text(0.01, row, "no run", transform=axes.get_yaxis_transform(), va="center", fontsize=SMALLEST_PT)
    rows(axes, data.strategies)
    axes.set_xlim(0, max(axes.get_xlim()[1], 1e-9))
    axes.set_xlabel("seconds of a request's TTFT (mean)")
    few_ticks(axes.xaxis)
    handles = [
        Patch(facecolor=colour, hatch=hatch, edgecolor=BLACK, lw=0.3, label=name)
        for name, colour, hatch in _PART_LOOKS.values()
    ]
    key_beside_title(axes, handles)


def hit_rates(axes: Axes, data: Labelled) -> None:
    """Real ones with their intervals; hollow ones below them are simulated, with their standard deviation."""
    sources = _sources(data)
    lanes = len(data.phases) + len(sources)
    for row, strategy in enumerate(data.strategies):
        heights = (row - 0.5 + (lane + 0.5) / lanes for lane in range(lanes))
        for phase in data.phases:
            y = next(heights)
            if over := data.over(phase, strategy, HIT_RATE):
                interval(axes, over, y, mark(strategy, phase), 100)
        for source in sources:
            y = next(heights)
            if over := simulated_over(data, source, strategy, HIT_RATE, data.replicas):
                axes.errorbar([100 * over.mean], [y], xerr=100 * (over.sd or 0.0), elinewidth=0.5, **_hollow(source))
    rows(axes, data.strategies)
    axes.set_xlabel("hit rate (% of the queried prompt tokens)")
    from_zero(axes, "x", LEAST_PERCENT)
    simulated = [Line2D([], [], label=_SIMULATED[source][0], **_hollow(source)) for source in sources]
    key_beside_title(axes, [*phase_marks(data.phases), *simulated])


def _sources(data: Labelled) -> list[str]:
    """Those of the simulated runs that send what the real ones sent."""
    there = {row["source"] for row in data.simulated}
    return [source for source in _SIMULATED if source in there]


def _hollow(source: str) -> Look:
    return {"color": BLACK, "marker": _SIMULATED[source][1], "ls": "", "ms": MARK - 0.4, "mfc": "white", "mew": 0.6}


def hits_and_imbalance(axes: Axes, data: Labelled) -> None:
    """One mark a run."""
    for strategy in data.strategies:
        for phase in data.phases:
            hits, loads = data.of(phase, strategy, HIT_RATE), data.of(phase, strategy, IMBALANCE)
            repeats = sorted(hits.keys() & loads.keys())
            axes.plot([loads[n] for n in repeats], [100 * hits[n] for n in repeats], **mark(strategy, phase))
    axes.set(xlabel="imbalance (most requests of a replica ÷ mean)", ylabel="hit rate (%)")
    axes.margins(0.1)
    axes.set_xlim(left=min(0.98, axes.get_xlim()[0]), right=max(1.1, axes.get_xlim()[1]))
    from_zero(axes, "y", LEAST_PERCENT)
    few_ticks(axes.xaxis)
    if len(data.phases) > 1:
        axes.legend(
            handles=phase_marks(data.phases), loc="best", fontsize=SMALLEST_PT, frameon=False, handletextpad=0.2
        )


def gain_explained(axes: Axes, data: Labelled) -> None:
    """One small mark a repeat, a large one their mean; above the dashed line queueing ate what prefill gained."""
    for strategy in data.strategies:
        for phase in data.phases:
            found = gain_points(data, phase, strategy)
            if not found:
                continue
            saved, lost = zip(*found, strict=True)
            looks = mark(strategy, phase)
            axes.plot(saved, lost, **{**looks, "ms": 2.0, "mew": 0.4})
            axes.plot([fmean(saved)], [fmean(lost)], **{**looks, "ms": MARK + 2.0})
    if not axes.lines:
        empty(axes, "nothing to compare: power-of-two or the others have no run")
        return
    axes.margins(0.12)
    axes.axhline(0, color=GREY, lw=0.5, zorder=0)
    axes.axvline(0, color=GREY, lw=0.5, zorder=0)
    limits = axes.get_xlim(), axes.get_ylim()
    for phase in data.phases[:1]:
        if (worth_s := prefill_token_s(data, phase)) is not None:
            axes.axline((0, 0), slope=worth_s, color=BLACK, lw=0.6, ls=(0, (3, 2)), zorder=0)
    axes.set(xlim=limits[0], ylim=limits[1])
    axes.set(xlabel="prefill tokens saved per request", ylabel="queueing lost per request (s)")
    few_ticks(axes.xaxis)
    few_ticks(axes.yaxis)
