"""The third page of the anatomy figure: a few engine steps, span by span, in all processes."""

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator

from harness.analyse.anatomy_series import CaseSplit
from harness.analyse.anatomy_timeline import MAIN
from harness.record.anatomy_tables import API_SERVER, ENGINE_REST, EXECUTION, NONE, SCHEDULE_UPDATE, WORKER_HOST
from harness.record.serving_trace import API, CONTAINER, ENGINE, ROLES, WORKER
from harness.record.tables import Cells
from harness.show.anatomy_looks import LOOKS, part_of_stage
from harness.show.routing_looks import few_ticks
from harness.show.study_page import Band
from harness.show.style import BLACK, SMALLEST_PT, text_width_in

_NAMES = {API: "API server", ENGINE: "engine core", WORKER: "worker"}
_LANE_IN, _WIDTH_IN = 0.34, 5.52
_OUTLINED_IN = 0.03  # narrower spans have no outline: it would be all that is seen of them
SHOWN = (EXECUTION, WORKER_HOST, SCHEDULE_UPDATE, API_SERVER, ENGINE_REST, NONE)

Lane = tuple[str, str]  # process, thread


def timeline_bands(data: CaseSplit) -> list[Band]:
    """One panel; none without a timeline."""
    lanes = _lanes(data)
    if not lanes:
        return []
    title = f"consecutive engine steps at {data.timeline[0]['concurrency']} requests at once"
    return [Band("", [(title, partial(_draw, data=data, lanes=lanes))], _LANE_IN * len(lanes), inset=1.0)]


def _lanes(data: CaseSplit) -> list[Lane]:
    """Main threads above the others of their process, processes in the order of a request's way."""
    there = {(row["process"], row["thread"]) for row in data.timeline}
    return sorted(there, key=lambda lane: (ROLES.index(lane[0].partition(" ")[0]), lane[0], lane[1] != MAIN))


def _draw(axes: Axes, data: CaseSplit, lanes: Sequence[Lane]) -> None:
    """Outer spans come first in timeline.csv, so inner ones lie on top of them."""
    end = max(row["end_s"] for row in data.timeline)
    for place, row in enumerate(data.timeline):
        lane = lanes.index((row["process"], row["thread"]))
        look = LOOKS[part_of_stage(row["stage"])]
        width = 1e3 * (row["end_s"] - row["begin_s"])
        inches = width / (1e3 * end) * _WIDTH_IN
        edge = 0.25 if inches > _OUTLINED_IN else 0
        axes.add_patch(Rectangle((1e3 * row["begin_s"], lane - 0.36), width, 0.72, facecolor=look.colour,
                                 hatch=look.hatch, edgecolor=BLACK, lw=edge))  # fmt: skip
        name = str(row["stage"]).replace("_", " ")
        fits = text_width_in(name, SMALLEST_PT) < inches - 0.04
        if row["span_kind"] != CONTAINER and fits and not _is_covered(row, data.timeline[place + 1 :]):
            box = {"facecolor": "white", "alpha": 0.75, "pad": 0.5, "edgecolor": "none"}
            axes.text(1e3 * row["begin_s"] + width / 2, lane, name, ha="center", va="center", fontsize=SMALLEST_PT,
                      bbox=box)  # fmt: skip
    axes.set(xlim=(0, 1e3 * end), ylim=(len(lanes) - 0.5, -0.5))
    axes.yaxis.set_major_locator(FixedLocator(range(len(lanes))))
    axes.set_yticklabels([_name(lane) for lane in lanes])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("ms since the first step's begin")
    few_ticks(axes.xaxis, 8)


def _is_covered(row: Cells, later: Sequence[Cells]) -> bool:
    """Whether a span within it lies where its name would stand."""
    middle = (row["begin_s"] + row["end_s"]) / 2
    same = (row["process"], row["thread"])
    return any((each["process"], each["thread"]) == same and each["begin_s"] < middle < each["end_s"] for each in later)


def _name(lane: Lane) -> str:
    role, _, number = lane[0].partition(" ")
    name = f"{_NAMES[role]}{f' {number}' if number else ''}"
    return name if lane[1] == MAIN else f"{name}: threads"
