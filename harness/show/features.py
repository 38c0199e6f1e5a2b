"""The feature matrix in figure anatomy: a page, and what is printed. Public: ``feature_pages``, ``feature_notes``."""

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from rich.console import RenderableType

from harness.analyse.feature_series import Cell, cells_of_matrix
from harness.record.feature_tables import (
    ANSWERS,
    CPU,
    DIFFERENT,
    IDENTICAL,
    LARGEST_DIFFERENCE,
    NEAR_TIES,
    REFUSED,
    WALL,
)
from harness.show.features_text import caption, summary
from harness.show.routing_looks import empty, key_beside_title, rows
from harness.show.study_command import StudySide
from harness.show.study_page import Band, Page
from harness.show.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, SMALLEST_PT, VERMILLION, YELLOW, fitted

_ROW_IN = 0.155
_ACCEPTED = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK, YELLOW)
_MARKERS = "osD^vXP*"
_METRICS = {CPU: ("CPU seconds", BLUE, "o", -0.17), WALL: ("wall clock", ORANGE, "D", 0.17)}
_OUTPUTS = ((IDENTICAL, GREEN, ""), (NEAR_TIES, YELLOW, "....."), (DIFFERENT, VERMILLION, "/////"))
_REASON_IN = 3.4


def feature_pages(side: StudySide) -> list[Page]:
    """The matrix's page; none if the slot has no case with a baseline."""
    cells = cells_of_matrix(side.slot)
    compared = [cell for cell in cells if cell.baseline]
    if not compared:
        return []
    height = 0.1 + _ROW_IN * len(compared)
    bands = [
        Band("", [("speed-up", partial(_speedups, cells=compared))], height, inset=1.05),
        Band("", [("answers against the baseline's", partial(_outputs, cells=compared))], height, inset=1.05),
    ]
    drafting = [cell for cell in compared if cell.accepted_at]
    if drafting:
        bands.append(Band("", [("drafted tokens that were accepted", partial(_accepted, cells=drafting))], 1.3))
    return [Page("Engine features against their baselines", bands, caption(side, cells))]


def feature_notes(side: StudySide) -> list[RenderableType]:
    """The matrix as a table, and a sentence on what did not agree; nothing if the slot has none."""
    cells = cells_of_matrix(side.slot)
    return list(summary(cells)) if cells else []


def _speedups(axes: Axes, cells: Sequence[Cell]) -> None:
    """Marks with intervals on a logarithmic scale; where nothing ran, why."""
    axes.set_xscale("log")
    axes.axvline(1.0, color=BLACK, lw=0.6, ls=(0, (3, 2)), zorder=0)
    seen = [1.0]
    for row, cell in enumerate(cells):
        for metric, (_, colour, marker, shift) in _METRICS.items():
            found = cell.speedups.get(metric)
            if found is None:
                continue
            bounds = (found.low or found.ratio, found.high or found.ratio)
            seen += [found.ratio, *bounds]
            error = [[found.ratio - bounds[0]], [bounds[1] - found.ratio]]
            axes.errorbar([found.ratio], [row + shift], xerr=error, color=colour, marker=marker, ms=2.8, ls="",
                          elinewidth=0.7, capsize=1.1, capthick=0.6)  # fmt: skip
    rows(axes, [cell.feature for cell in cells])
    axes.set_xlim(min(seen) / 1.25, max(max(seen) * 1.25, 1.25))
    for row, cell in enumerate(cells):
        if not cell.speedups:
            word = (
                "refused" if cell.status == REFUSED else "failed" if cell.failed_runs else "no run beside its baseline"
            )
            text, points = fitted(f"{word}: {cell.reason}" if cell.reason else word, SMALLEST_PT, _REASON_IN)
            axes.text(0.01, row, text, transform=axes.get_yaxis_transform(), va="center", fontsize=points,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # fmt: skip
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("baseline ÷ feature (more than 1: the feature is faster)")
    marks = [Line2D([], [], color=colour, marker=marker, ms=2.8, ls="", label=name)
             for name, colour, marker, _ in _METRICS.values()]  # fmt: skip
    key_beside_title(axes, marks)


def _outputs(axes: Axes, cells: Sequence[Cell]) -> None:
    """Shares of the answers, with their numbers."""
    for row, cell in enumerate(cells):
        if cell.outputs is None:
            why = "answers are not compared" if cell.ok_runs else "no answers"
            axes.text(0.01, row, why, transform=axes.get_yaxis_transform(), va="center", fontsize=SMALLEST_PT)
            continue
        left, of = 0.0, max(1, cell.outputs[ANSWERS])
        for name, colour, hatch in _OUTPUTS:
            share = 100 * cell.outputs[name] / of
            axes.barh([row], [share], 0.62, left=left, color=colour, hatch=hatch, edgecolor=BLACK, lw=0.3)
            left += share
        largest = cell.outputs.get(LARGEST_DIFFERENCE)
        beside = f"{cell.outputs[IDENTICAL]:.0f} of {of:.0f}" + ("" if largest is None else f", Δ {largest:.1g}")
        axes.text(101, row, beside, va="center", fontsize=SMALLEST_PT)
    rows(axes, [cell.feature for cell in cells])
    axes.set_xlim(0, 126)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_xlabel("% of the answers")
    names = ("identical", "first difference at a near tie", "different")
    key_beside_title(axes, [Patch(facecolor=colour, hatch=hatch, edgecolor=BLACK, lw=0.3, label=name)
                            for name, (_, colour, hatch) in zip(names, _OUTPUTS, strict=True)])  # fmt: skip


def _accepted(axes: Axes, cells: Sequence[Cell]) -> None:
    """Share of the drafts with at least 1, 2, … tokens whose first ones were all accepted."""
    if not cells:
        empty(axes, "no drafts")
        return
    longest = max(len(cell.accepted_at) for cell in cells)
    for number, cell in enumerate(cells):
        shares = [100 * share for share in cell.accepted_at]
        at = [place + (number - (len(cells) - 1) / 2) * 0.06 for place in range(1, len(shares) + 1)]
        axes.plot(at, shares, color=_ACCEPTED[number % len(_ACCEPTED)], marker=_MARKERS[number % len(_MARKERS)], ms=3.2,
                  lw=0.8, label=cell.feature)  # fmt: skip
    axes.set_ylim(-4, 104)
    axes.set_xticks(range(1, longest + 1))
    axes.set_xlim(0.6, longest + 0.9)
    axes.grid(axis="y", color=GREY, lw=0.3)
    axes.set_xlabel("place in the draft, of the drafts that reach it")
    axes.set_ylabel("% of the drafts")
    axes.legend(loc="upper left", bbox_to_anchor=(0.82, 1.0), fontsize=SMALLEST_PT, frameon=False, borderaxespad=0)
