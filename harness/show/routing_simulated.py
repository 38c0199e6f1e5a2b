"""The fourth page of the routing figure: the same routers over replicas without a model."""

from functools import partial

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from harness.analyse.routing_metrics import HIT_RATE, IMBALANCE
from harness.analyse.routing_series import Labelled
from harness.analyse.routing_series_simulated import CLOSE_POINTS, FOLLOWED, MOONCAKE, OWN, agreement, by_replicas
from harness.show.routing_looks import LEAST_PERCENT, LINE, MARK, few_ticks, from_zero, key_beside_title, look, rows
from harness.show.study_page import Band, Paint
from harness.show.style import BLACK, GREY

_SOURCES = {OWN: ("decisions of the simulation", True), FOLLOWED: ("decisions of the real run", False)}


def simulated_bands(data: Labelled) -> list[Band]:
    """Mooncake's requests over numbers of replicas, then agreement with the real runs, if simulated."""
    bands = []
    if any(row["source"] == MOONCAKE for row in data.simulated):
        panels: list[tuple[str, Paint]] = [
            ("hit rate", partial(over_replicas, data=data, metric=HIT_RATE, scale=100, label="hit rate (%)",
                                 least=LEAST_PERCENT)),
            ("imbalance", partial(over_replicas, data=data, metric=IMBALANCE, scale=1,
                                  label="most requests of a replica ÷ mean", least=1.2)),
        ]  # fmt: skip
        bands.append(Band("Mooncake's requests over more replicas", panels, 2.0, between=0.62))
    if any(agreement(data, source, strategy) for source in _SOURCES for strategy in data.strategies):
        panel = ("simulated − real", partial(differences, data=data))
        heading = f"The runs' own requests, {data.replicas} replicas, cold: simulated against real hit rate"
        bands.append(Band(heading, [panel], 0.1 + 0.24 * len(data.strategies), inset=0.25))
    return bands


def over_replicas(axes: Axes, data: Labelled, metric: str, scale: float, label: str, least: float) -> None:
    """A line for each strategy; bars are the standard deviation over the seeds. ``least``: where the scale may end."""
    counts: set[int] = set()
    for strategy in data.strategies:
        found = by_replicas(data, strategy, metric)
        counts |= found.keys()
        axes.errorbar(list(found), [scale * over.mean for over in found.values()],
                      yerr=[scale * (over.sd or 0.0) for over in found.values()], lw=LINE, ms=MARK - 0.6,
                      elinewidth=0.5, **look(strategy))  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(sorted(counts)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="replicas", ylabel=label)
    from_zero(axes, "y", least)


def differences(axes: Axes, data: Labelled) -> None:
    """Differences of the means in percentage points with their intervals; the band is how close they should be."""
    axes.axvspan(-CLOSE_POINTS, CLOSE_POINTS, color=GREY, alpha=0.45, lw=0)
    axes.axvline(0, color=BLACK, lw=0.5)
    for row, strategy in enumerate(data.strategies):
        for at, (source, (_, filled)) in enumerate(_SOURCES.items()):
            found = agreement(data, source, strategy)
            if found is not None:
                colour = look(strategy)["color"]
                axes.errorbar([found.points], [row - 0.2 + 0.4 * at], xerr=found.half_width, color=colour,
                              marker=look(strategy)["marker"], ms=MARK, ls="", mfc=colour if filled else "white",
                              mew=0.6, elinewidth=0.8, capsize=1.2, capthick=0.6)  # fmt: skip
    rows(axes, data.strategies)
    furthest = max(abs(bound) for bound in axes.get_xlim())
    axes.set_xlim(-max(furthest, 1.5 * CLOSE_POINTS), max(furthest, 1.5 * CLOSE_POINTS))
    axes.set_xlabel("difference of the hit rates (percentage points)")
    few_ticks(axes.xaxis, 8)
    handles = [
        Line2D([], [], color=BLACK, marker="o", ls="", ms=MARK, mfc=BLACK if filled else "white", mew=0.6, label=name)
        for name, filled in _SOURCES.values()
    ]
    key_beside_title(axes, handles)
