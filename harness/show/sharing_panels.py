"""The panels of the prefix-sharing figure about dialogues: each draws one view of a slot on axes that it is given."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from harness.analyse.sharing_rows import ACROSS, ALL, BLOCK_HITS, REUSE_GAP, SHARING_FRACTION, WITHIN
from harness.analyse.sharing_series import (
    Curve,
    Ratio,
    by_block_size,
    by_cache_size,
    distribution,
    occupancy,
    unlimited,
)
from harness.record.sharing_tables import MOONCAKE, MULTI, NONE, SINGLE
from harness.record.study_slot import StudySlot
from harness.show.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SMALLEST_PT, VERMILLION

Look = dict[str, Any]

LOOKS: dict[str, Look] = {
    SINGLE: {"color": BLUE, "linestyle": "-"},
    MULTI: {"color": VERMILLION, "linestyle": "-"},
    MOONCAKE: {"color": GREEN, "linestyle": "-."},
}
NO_CACHING: Look = {"color": BLACK, "linestyle": ":"}
POLICIES: dict[str, Look] = {
    "lru": {"color": BLUE, "marker": "o", "linestyle": "-"},
    "fifo": {"color": ORANGE, "marker": "s", "linestyle": "--"},
    "lfu": {"color": PURPLE, "marker": "^", "linestyle": "-."},
    "oracle": {"color": GREEN, "marker": "D", "linestyle": ":"},
}
POLICY_NAMES = {"lru": "LRU (vLLM's own)", "fifo": "FIFO", "lfu": "LFU", "oracle": "oracle"}
LINE, MARK = 0.9, 2.6


def sharing_fraction(axes: Axes, slot: StudySlot) -> None:
    """How much of a request's prompt was there already."""
    for workload, look in LOOKS.items():
        if curve := distribution(slot, SHARING_FRACTION, ALL, workload, "lru"):
            _steps(axes, curve, look, workload)
    axes.plot([0, 0, 1], [0, 1, 1], label="no caching (all 0)", lw=LINE, **NO_CACHING)
    axes.set(xlim=(-0.02, 1), ylim=(0, 1.02), xlabel="sharing fraction of a request", ylabel="share of requests ≤")
    key(axes, "lower right")


def block_hits(axes: Axes, slot: StudySlot) -> None:
    """How often a block was used again."""
    for workload, look in LOOKS.items():
        curve = distribution(slot, BLOCK_HITS, ALL, workload, "lru")
        if curve is None:
            continue
        # Of n blocks, a share below 1/n is no block.
        kept = [at for at, p in enumerate(curve.probability) if (1 - p) * curve.n >= 1 and curve.mean[at] >= 1]
        shares = [1 - curve.probability[at] for at in kept]
        axes.plot([curve.mean[at] for at in kept], shares, label=workload, lw=LINE, drawstyle="steps-post", **look)
        least, greatest = ([each[at] for at in kept] for each in (curve.least, curve.greatest))
        axes.fill_betweenx(shares, least, greatest, color=look["color"], alpha=0.2, lw=0)
    axes.set(xlabel="reuses of a block", ylabel="share of blocks ≥")
    logarithmic(axes, "xy")
    key(axes, "upper right")


def reuse_gap(axes: Axes, slot: StudySlot) -> None:
    """How long a reused block had been waiting."""
    for workload, look in LOOKS.items():
        parts = ((WITHIN, "-"), (ACROSS, "--")) if workload != MOONCAKE else ((ACROSS, "-."),)
        for part, line in parts:
            curve = distribution(slot, REUSE_GAP, part, workload, "lru")
            if curve and curve.greatest[-1] > 0:
                name = f"{workload}, {part}" if workload != MOONCAKE else f"{workload} (no sessions)"
                _steps(axes, curve, {**look, "linestyle": line}, name)
    axes.set(ylim=(0, 1.4), xlabel="reuse gap (virtual s)", ylabel="share of reuses ≤")
    axes.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    logarithmic(axes, "x")
    key(axes, "upper left")


def policies(axes: Axes, slot: StudySlot, workload: str, block: str) -> None:
    """Hit ratio against cache size, one line for each policy, and what an unlimited cache gives."""
    for policy, look in POLICIES.items():
        found = by_cache_size(slot, workload, policy)
        if found:
            _points(axes, found, look, POLICY_NAMES[policy])
    logarithmic(axes, "x")
    if best := unlimited(slot, workload):
        axes.axhline(best.mean, label="unlimited cache", lw=0.7, **NO_CACHING)
    axes.set(xlabel=f"cache size (blocks of {block} tokens)", ylabel="hit ratio (of prompt tokens)")
    axes.set_ylim(0, 1.5 * axes.get_ylim()[1])
    key(axes, "upper left")


def block_sizes(axes: Axes, slot: StudySlot) -> None:
    """Hit ratio against the size of a block, at an unlimited cache."""
    sizes: list[int] = []
    for workload in (SINGLE, MULTI):
        found = by_block_size(slot, workload)
        sizes += [each.x for each in found]
        _points(axes, found, {**LOOKS[workload], "marker": "o"}, workload)
    axes.set(xlabel="block size (tokens)", ylabel="hit ratio (of prompt tokens)")
    logarithmic(axes, "x")
    axes.xaxis.set_major_locator(FixedLocator(sorted(set(sizes))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    key(axes, "upper right")


def blocks_in_use(axes: Axes, slot: StudySlot, workload: str) -> None:
    """KV blocks that requests hold over time, with and without prefix caching."""
    for policy, name in (("lru", "prefix caching"), (NONE, "no caching")):
        look = LOOKS[workload] if policy == "lru" else NO_CACHING
        if found := occupancy(slot, workload, policy):
            axes.stairs(found.blocks, found.times_s, label=name, lw=0.6, color=look["color"], ls=look["linestyle"])
    axes.set(xlabel="virtual time (s)", ylabel="KV blocks in use")
    axes.set_ylim(bottom=0, top=1.25 * axes.get_ylim()[1])
    key(axes, "upper right")


def logarithmic(axes: Axes, which: Literal["x", "xy"]) -> None:
    """Logarithmic axes around what is drawn; where nothing is, the panel says so."""
    spans = {}
    for name in which:
        drawn = (line.get_xdata() if name == "x" else line.get_ydata() for line in axes.lines)
        spans[name] = [float(value) for values in drawn for value in np.asarray(values) if value > 0]
    if not all(spans.values()):
        axes.text(0.5, 0.5, "nothing was reused", transform=axes.transAxes, ha="center", fontsize=SMALLEST_PT)
        return
    axes.set(xscale="log", xlim=(min(spans["x"]) / 1.3, max(spans["x"]) * 1.3))
    if which == "xy":
        axes.set(yscale="log", ylim=(min(spans["y"]) / 1.5, max(spans["y"]) * 1.5))
    for axis in (axes.xaxis, axes.yaxis)[: len(which)]:  # 0.01 and 10,000 rather than powers: no mathematical text here
        axis.set_major_formatter(FuncFormatter(_plain))
        axis.set_minor_formatter(NullFormatter())


def _plain(value: float, _: int | None = None) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:.10f}".rstrip("0")


def key(axes: Axes, place: Literal["upper left", "upper right", "lower right"]) -> None:
    """The panel's own key, small and without a frame."""
    axes.legend(loc=place, fontsize=SMALLEST_PT, frameon=False, handlelength=1.8, labelspacing=0.15, borderaxespad=0.1)


def _steps(axes: Axes, curve: Curve, look: Look, name: str) -> None:
    """A distribution function: mean over repeats, and the range of the repeats."""
    axes.plot(curve.mean, curve.probability, label=name, lw=LINE, drawstyle="steps-post", **look)
    axes.fill_betweenx(curve.probability, curve.least, curve.greatest, color=look["color"], alpha=0.2, lw=0)


def _points(axes: Axes, found: Sequence[Ratio], look: Look, name: str) -> None:
    """Means with their 95 % intervals."""
    values = [each.over.mean for each in found]
    half = [each.over.half_width or 0.0 for each in found]
    axes.errorbar([each.x for each in found], values, yerr=half, label=name, lw=LINE, ms=MARK, elinewidth=0.5, **look)
