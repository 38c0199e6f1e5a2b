"""What the pages of the anatomy figure share: colours of parts, words for them, stacked bars."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter

from harness.analyse.stages import API_STAGES, EXECUTION, SCHEDULE, UPDATE, WAITS, WORKER_STAGES
from harness.analyse.stats import Summary
from harness.record.anatomy_tables import (
    API_SERVER,
    ENGINE_REST,
    NONE,
    OUTSIDE,
    PREFILL_PARTS,
    SCHEDULE_UPDATE,
    SCHEDULING,
    WORKER_HOST,
)
from harness.record.anatomy_tables import EXECUTION as EXECUTING
from harness.show.startup_colours import Look
from harness.show.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    HATCHES,
    ORANGE,
    PURPLE,
    SKY,
    SMALLEST_PT,
    VERMILLION,
    YELLOW,
    text_width_in,
    tint,
)

_PALE = 0.35
NAMES: Mapping[str, str] = {
    EXECUTING: "execution",
    SCHEDULING: "scheduling",
    API_SERVER: "API server",
    WORKER_HOST: "worker host work",
    SCHEDULE_UPDATE: "schedule + update",
    ENGINE_REST: "rest of an engine step, IPC",
    NONE: "none (idle)",
    OUTSIDE: "outside steps",
    "to_server": "to server",
    "tokenise_input": "HTTP, tokenise, input",
    "to_engine": "to engine",
    "queue": "queue",
    "prefill_execute": "prefill: execute",
    "prefill_sample": "sample",
    "prefill_prepare": "worker host work",
    "prefill_schedule": "schedule",
    "prefill_update": "update",
    "prefill_other": "rest of steps, IPC",
    "to_api": "to API server",
    "detokenise": "detokenise",
    "stream_out": "stream out",
}


def _look(colour: str, hatch: int = 0) -> Look:
    return Look(tint(colour, _PALE), HATCHES[hatch])


LOOKS: Mapping[str, Look] = {
    EXECUTING: _look(BLUE),
    SCHEDULING: _look(ORANGE),
    API_SERVER: _look(GREEN),
    WORKER_HOST: _look(SKY, 1),
    SCHEDULE_UPDATE: _look(ORANGE),
    ENGINE_REST: _look(PURPLE, 3),
    NONE: Look(tint(GREY, 0.6), ""),
    OUTSIDE: Look(tint(GREY, 0.6), ""),
    "to_server": Look(tint(GREY, 0.6), ""),
    "tokenise_input": _look(GREEN),
    "to_engine": _look(GREEN, 2),
    "queue": _look(YELLOW),
    **dict(
        zip(
            PREFILL_PARTS,
            (_look(BLUE), _look(BLUE, 2), _look(SKY, 1), _look(ORANGE), _look(ORANGE, 1), _look(PURPLE, 3)),
            strict=True,
        )
    ),
    "to_api": _look(VERMILLION, 1),
    "detokenise": _look(VERMILLION),
    "stream_out": _look(VERMILLION, 2),
}


@dataclass(frozen=True)
class Bar:
    """A row of stacked parts: part → its value; widths are shares of their sum. ``note``: at the right end."""

    name: str
    parts: Mapping[str, Summary]
    note: str = ""
    is_reference: bool = False


def part_of_stage(stage: str) -> str:
    """Which of the wall clock's parts a stage's spans belong to."""
    if stage in EXECUTION:
        return EXECUTING
    if stage in WAITS:
        return NONE
    if stage in WORKER_STAGES:
        return WORKER_HOST
    if stage in (SCHEDULE, UPDATE):
        return SCHEDULE_UPDATE
    return API_SERVER if stage in API_STAGES else ENGINE_REST


def part_key(parts: Sequence[str]) -> list[Patch]:
    """A patch for each part."""
    return [
        Patch(facecolor=LOOKS[part].colour, hatch=LOOKS[part].hatch, edgecolor=BLACK, label=NAMES[part])
        for part in parts
    ]


def stacked(
    axes: Axes, bars: Sequence[Bar], parts: Sequence[str], width_in: float, number: Callable[[Summary], str]
) -> None:
    """Horizontal bars of 100 %, first row on top; numbers where they fit, whiskers at each part's end.

    ``width_in``: of the axes. ``number``: a part's text.
    """
    for row, bar in enumerate(bars):
        total = sum(bar.parts[part].mean for part in parts if part in bar.parts)
        left = 0.0
        for at, part in enumerate(part for part in parts if part in bar.parts and total > 0):
            over = bar.parts[part]
            share = 100 * over.mean / total
            look = LOOKS[part]
            axes.barh(row, share, 0.62, left, color=look.colour, hatch=look.hatch, edgecolor=BLACK, lw=0.4,
                      alpha=0.55 if bar.is_reference else 1.0)  # fmt: skip
            _write(axes, (left + share / 2, row), share / 100 * width_in, number(over))
            left += share
            if over.half_width is not None:
                y = row + (0.24 if at % 2 else -0.24)  # beside the numbers, and not on the neighbour's whisker
                axes.errorbar([left], [y], xerr=100 * over.half_width / total, color=BLACK, elinewidth=0.6, capsize=1.0,
                              capthick=0.5, fmt="none", clip_on=False)  # fmt: skip
        if bar.note:
            axes.text(101, row, bar.note, ha="left", va="center", fontsize=SMALLEST_PT)
    axes.set(xlim=(0, 100), ylim=(len(bars) - 0.5, -0.5))
    axes.yaxis.set_major_locator(FixedLocator(range(len(bars))))
    axes.set_yticklabels([bar.name for bar in bars])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(FixedLocator(range(0, 101, 20)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))


def _write(axes: Axes, at: tuple[float, float], room_in: float, text: str) -> None:
    """The text in its part; without the interval where only the value fits, and not at all where that does not."""
    for shown in (text, text.partition(" ±")[0]):
        if text_width_in(shown, SMALLEST_PT) < room_in - 0.04:
            box = {"facecolor": "white", "alpha": 0.75, "pad": 0.6, "edgecolor": "none"}
            axes.text(*at, shown, ha="center", va="center", fontsize=SMALLEST_PT, bbox=box)
            return


def plus_minus(over: Summary, scale: float, form: str) -> str:
    """``12.3 ± 0.4``; without an interval the mean alone."""
    half = f" ± {scale * over.half_width:{form}}" if over.half_width is not None else ""
    return f"{scale * over.mean:{form}}{half}"
