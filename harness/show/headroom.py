"""The head-room figure, a set of pages for each slot.

1  the original study's plots, a page for each model: a policy's parameter against throughput, traffic, operations
2  preemptions against throughput, Pareto fronts, and what each policy costs at its best parameter
3  the simulator against the real engine; left out if nothing was run or calibrated
4  memory of traced points; left out if none was traced
"""

from collections.abc import Iterator, Sequence
from functools import partial

from matplotlib.figure import Figure
from rich.console import RenderableType

from harness.analyse.headroom_agreement import Tiers, tiers_of
from harness.analyse.headroom_series import Group, Points, complete, groups_of, slot_points
from harness.errors import HarnessError
from harness.record.headroom_tables import CALIBRATION, HEADROOM_TABLES, NONE, POINTS, REAL, SEARCHES, STUDY
from harness.record.study_slot import StudySlot
from harness.show import headroom_real as real
from harness.show import headroom_text as text
from harness.show import headroom_tradeoff as tradeoff
from harness.show.headroom_looks import MODES, mode_key, policy_key
from harness.show.headroom_memory_view import memory_bands, traced_cases
from harness.show.headroom_print import findings_tables, sentences
from harness.show.headroom_sweeps import sweep_bands
from harness.show.study_command import StudyPlot, StudySide
from harness.show.study_page import Band, Page
from harness.show.style import style


def draw(sides: Sequence[StudySide]) -> tuple[list[Figure], list[RenderableType]]:
    """The pages, and what is printed with them.

    Raises:
        HarnessError: a slot has no simulated point to draw.
    """
    figures: list[Figure] = []
    notes: list[RenderableType] = []
    for side in sides:
        tiers = tiers_of(side.slot.tables[POINTS.name])
        points = complete(slot_points(side.slot))
        if not points:
            raise HarnessError(
                f"slot {side.slot.manifest['slot']}: no workload has simulated points of the search none; bash "
                "run_figure.sh headroom makes them"
            )
        with style():
            figures += [page.draw() for page in pages(side, points, tiers)]
        notes += [*findings_tables(points), *sentences(points, tiers)]
    return figures, notes


def pages(side: StudySide, points: Points, tiers: Tiers) -> Iterator[Page]:
    """The slot's pages in order."""
    models = list(dict.fromkeys(group.model for group in groups_of(points)))
    for model in models:
        if bands := sweep_bands(points, model):
            title = f"KV head-room: how many blocks to keep free ({model})"
            yield Page(title, bands, text.sweeps_caption(side, model), mode_key())
    together, apart = _together(points), [_by_workload(points, model) for model in models]
    on_pages = [together + apart[0]] if len(models) == 1 else [together, *apart]  # one page does not hold two models
    for bands in on_pages:
        title = "KV head-room: preemptions against throughput"
        yield Page(title, bands, text.tradeoff_caption(side), policy_key())
    if _has_real(side.slot):
        panels = [
            ("preemptions", partial(real.preemptions, tiers=tiers)),
            ("throughput", partial(real.throughput, tiers=tiers)),
            ("engine steps", partial(real.step_times, slot=side.slot)),
        ]
        title = "KV head-room: the simulator against the real engine"
        yield Page(title, [Band("", panels, 2.0, between=0.62)], text.real_caption(side, tiers))
    if traced_cases(side.slot):
        yield Page("KV head-room: memory operations", memory_bands(side.slot), text.memory_caption(side))


def _together(points: Points) -> list[Band]:
    panels = [
        (f"all workloads, {mode}", partial(tradeoff.combined, points=points, mode=mode)) for mode in _modes(points)
    ]
    return [Band("All workloads, models and searches", panels, 1.7)]


def _by_workload(points: Points, model: str) -> list[Band]:
    groups = [group for group in groups_of(points) if group.model == model]
    workloads = list(dict.fromkeys(group.workload for group in groups))
    panels = [
        (workload, partial(tradeoff.of_workload, points=points, workload=workload, model=model))
        for workload in workloads
    ]
    bands = [Band(f"By workload ({model}): recompute filled and solid, swap hollow and dashed", panels, 1.3)]
    for mode in _modes(points):
        costs = [
            (f"{workload}, {mode}", partial(tradeoff.costs, points=points, group=group, searches=_searches()))
            for workload in workloads
            if (group := Group(workload, model, mode)) in groups
        ]
        heading = f"What each policy costs at its best parameter ({model})"
        bands.append(Band(heading, costs, 1.2, between=0.72, inset=0.16))
    return bands


def _modes(points: Points) -> list[str]:
    return [mode for mode in MODES if any(group.mode == mode for group in groups_of(points))]


def _searches() -> list[str]:
    return [search for search in SEARCHES if search != NONE]


def _has_real(slot: StudySlot) -> bool:
    at = list(POINTS.columns).index("tier")
    return bool(slot.tables[CALIBRATION.name]) or any(row[at] == REAL for row in slot.tables[POINTS.name])


PLOT = StudyPlot("headroom", STUDY, HEADROOM_TABLES, draw)
