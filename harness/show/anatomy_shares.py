"""The first pages of the anatomy figure: shares against concurrency by both definitions, and stages of each process."""

from functools import partial

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from harness.analyse.anatomy_claim import CLAIMED
from harness.analyse.anatomy_series import STAGES_OF, CaseSplit
from harness.analyse.stats import Summary
from harness.record.anatomy_tables import (
    ADDED,
    ADDED_WITHOUT_SPIN,
    ATTRIBUTED,
    ATTRIBUTED_WITHOUT_SPIN,
    BY_CPU,
    BY_WALL,
    CPU_PARTS,
    SPIN_SHARE,
    WALL_COVERED,
    WALL_PARTS,
)
from harness.record.serving_trace import API, ENGINE, ROLES, WORKER
from harness.show.anatomy_looks import Bar, part_key, plus_minus, stacked
from harness.show.routing_looks import MARK, empty, few_ticks, key_beside_title, rows
from harness.show.study_page import PAGE_IN, Band
from harness.show.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, VERMILLION

_INSET = 1.0
_WIDTH_IN = PAGE_IN - 0.5 - _INSET - 0.14
_ROW_IN = 0.3
_MARKERS = ("o", "s", "^", "D", "v", "P")
_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, VERMILLION, BLACK)
_PROCESSES = {API: "API server", ENGINE: "engine core", WORKER: "worker"}
_SHORT = {ENGINE: "engine", WORKER: "worker", API: "API"}


def share_bands(data: CaseSplit) -> list[Band]:
    """Stacked shares: CPU seconds with the old sentence as a reference, and the wall clock."""
    count = len(data.concurrencies)
    return [
        Band("", [("share of the CPU seconds without spin", partial(_by_cpu, data=data))], _ROW_IN * (count + 1) + 0.1,
             inset=_INSET, gap=0.12),
        Band("", [("share of the wall clock", partial(_by_wall, data=data))], _ROW_IN * count + 0.1, inset=_INSET),
    ]  # fmt: skip


def _by_cpu(axes: Axes, data: CaseSplit) -> None:
    claimed = {part: Summary(1, share, None, None, None) for part, share in CLAIMED.items()}
    bars = [*_bars(data, BY_CPU), Bar("the old sentence*", claimed, is_reference=True)]
    stacked(axes, bars, CPU_PARTS, _WIDTH_IN, partial(plus_minus, scale=100, form=".1f"))
    axes.axhline(len(bars) - 1.5, color=BLACK, lw=0.6)
    axes.set_xlabel("% of the CPU seconds of API server, engine core and worker, waits that spin left out")
    key_beside_title(axes, part_key(CPU_PARTS))


def _by_wall(axes: Axes, data: CaseSplit) -> None:
    if not any(definition == BY_WALL for _, definition, _ in data.shares):
        empty(axes, "no interval in which all processes were seen")
        return
    stacked(axes, _bars(data, BY_WALL), WALL_PARTS, _WIDTH_IN, partial(plus_minus, scale=100, form=".1f"))
    axes.set_xlabel("% of the time; each instant belongs to the first part, from the left, that is busy")
    key_beside_title(axes, part_key(WALL_PARTS))


def _bars(data: CaseSplit, definition: str) -> list[Bar]:
    return [
        Bar(f"{concurrency} at once", {part: over for (at, of, part), over in data.shares.items()
                                       if (at, of) == (concurrency, definition)})
        for concurrency in data.concurrencies
    ]  # fmt: skip


def stage_bands(data: CaseSplit) -> list[Band]:
    """Stages of each process, and how well the tracer saw it."""
    shown = {role: _stages(data, role) for role in ROLES}
    most = max(map(len, shown.values()))
    panels = [
        (f"{_PROCESSES[role]}: CPU by stage", partial(_stage_marks, data=data, role=role))
        for role in ROLES
        if shown[role]
    ]
    seen = [
        ("CPU attributed to spans", partial(_process_marks, data=data, metrics=_ATTRIBUTED, goals=(98.0,), low=80.0)),
        ("CPU added by tracing", partial(_process_marks, data=data, metrics=_ADDED, goals=(1.0, 3.0), low=0.0)),
        ("CPU thrown away as spin", partial(_process_marks, data=data, metrics=_SPUN, goals=(), low=0.0)),
    ]
    return [
        Band("", panels, 0.145 * most + 0.1, between=1.12, inset=0.6, gap=0.1),
        Band("", seen, 0.9, between=1.12, inset=0.6),
    ]


_ATTRIBUTED = (
    ("API server", API, ATTRIBUTED),
    ("engine core", ENGINE, ATTRIBUTED),
    ("engine: no spin", ENGINE, ATTRIBUTED_WITHOUT_SPIN),
    ("engine: wall clock", ENGINE, WALL_COVERED),
    ("worker", WORKER, ATTRIBUTED),
    ("worker: no spin", WORKER, ATTRIBUTED_WITHOUT_SPIN),
)
_ADDED = tuple(
    (name, role, metric)
    for role in ROLES
    for name, metric in ((_PROCESSES[role], ADDED), (f"{_SHORT[role]}: no spin", ADDED_WITHOUT_SPIN))
    if role != API or metric == ADDED  # which does not spin
)
_SPUN = tuple((_PROCESSES[role], role, SPIN_SHARE) for role in (ENGINE, WORKER))


def concurrency_key(data: CaseSplit) -> list[Line2D]:
    """A mark for each concurrency."""
    return [
        Line2D([], [], label=f"{concurrency} at once", ls="", ms=MARK, marker=_MARKERS[at % 6], color=_COLOURS[at % 6])
        for at, concurrency in enumerate(data.concurrencies)
    ]


def _stages(data: CaseSplit, role: str) -> list[str]:
    """Those that took some CPU."""
    there = {stage for (_, of, stage), over in data.stages.items() if of == role and over.mean > 0}
    return [stage for stage in STAGES_OF[role] if stage in there]


def _stage_marks(axes: Axes, data: CaseSplit, role: str) -> None:
    names = _stages(data, role)
    for at, concurrency in enumerate(data.concurrencies):
        for row, stage in enumerate(names):
            _mark(axes, data.stages.get((concurrency, role, stage)), row, at, len(data.concurrencies))
    rows(axes, [name.replace("_", " ") for name in names])
    axes.set_xlabel("% of its CPU without spin")
    axes.set_xlim(left=0)
    few_ticks(axes.xaxis, 4)


def _process_marks(
    axes: Axes, data: CaseSplit, metrics: tuple[tuple[str, str, str], ...], goals: tuple[float, ...], low: float
) -> None:
    shown = [each for each in metrics if any((of, name) == each[1:] for _, of, name in data.processes)]
    values = []
    for at, concurrency in enumerate(data.concurrencies):
        for row, (_, role, metric) in enumerate(shown):
            over = data.processes.get((concurrency, role, metric))
            _mark(axes, over, row, at, len(data.concurrencies))
            values += [100 * over.mean] if over else []
    for goal in goals:
        axes.axvline(goal, color=BLACK, lw=0.5, ls=(0, (3, 2)), zorder=0)
    rows(axes, [name for name, _, _ in shown])
    axes.set_xlim(min([low, *values]) - (2 if low else 0), max([*values, *goals]) * 1.05)
    axes.set_xlabel("% of the CPU, of the wall" if low else "% of its CPU")
    few_ticks(axes.xaxis, 4)


def _mark(axes: Axes, over: Summary | None, row: int, at: int, of: int) -> None:
    if over is None:
        return
    y = row - 0.5 + (at + 0.5) / of
    half = 100 * over.half_width if over.half_width is not None else None
    axes.errorbar([100 * over.mean], [y], xerr=half, elinewidth=0.8, capsize=1.2, capthick=0.6, ms=MARK - 0.4,
                  marker=_MARKERS[at % 6], color=_COLOURS[at % 6])  # fmt: skip
