"""Figure 1: start-up time of one model over vLLM releases, in the order of their release."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from packaging.version import InvalidVersion, Version
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.dataset import TOTAL, Side
from harness.analyse.paper_average import mean_seconds
from harness.analyse.stats import Summary
from harness.record.plain import printable
from harness.show.caption import CAPTION_PT, about, whose
from harness.show.command import FigureData
from harness.show.panel import RIGHT_IN, draw_block
from harness.show.sheet import WHOSE_LOOK, Section, sheet
from harness.show.startup_colours import Look
from harness.show.style import BLACK, FONT_PT, HATCHES, drawable, text_width_in, tint

PAPER_QUANTITY = "start_s"  # what the paper's driver printed: creating the engine, imports not included
# The paper's log of this release is that of the one before, with another last line: nothing supports the number.
UNSUPPORTED = "0.7.0"
_LEFT_IN = 0.4
_LEAST_COLUMNS = 4  # room for so many: a single release is no wall
_DOUBTFUL = Look(tint(BLACK, 1), HATCHES[4])


@dataclass(frozen=True)
class Release:
    """One release's bar: seconds over its measured starts."""

    version: str
    seconds: Summary
    doubtful: bool


def draw(data: FigureData) -> tuple[Figure, list[RenderableType]]:
    """One section for each model of each side."""
    shown = [(side, model, releases(side, model)) for side in data.sides for model in _models(side)]
    return sheet([_section(*each) for each in shown]), [_table(*each) for each in shown]


def releases(side: Side, model: str) -> list[Release]:
    """The model's releases from the oldest to the newest; own starts are exec→ready."""
    quantity = PAPER_QUANTITY if side.whose == "paper" else TOTAL
    found = [
        Release(case.engine, seconds, side.whose == "paper" and case.engine == UNSUPPORTED)
        for case in side.cases
        if case.model == model and (seconds := mean_seconds(case, quantity))
    ]
    return sorted(found, key=lambda release: _age(release.version))


def _models(side: Side) -> list[str]:
    return list(dict.fromkeys(case.model for case in side.cases))


def _age(version: str) -> tuple[int, Version, str]:
    try:
        return (0, Version(version), version)
    except InvalidVersion:
        return (1, Version("0"), version)  # after all releases: what has no number is somebody's own build


def _section(side: Side, model: str, found: Sequence[Release]) -> Section:
    title = f"start-up of {model} by vLLM version, {whose(side)}"
    if not found:
        return Section(title, [f"{side.slot}: no measured start counts."])
    ordered = replace(side, cases=tuple(sorted(side.cases, key=lambda case: _age(case.engine))))
    caption = about(ordered, (release.seconds.n for release in found))
    if side.whose == "paper":
        caption.append("Engine creation as the paper's driver timed it: interpreter start and imports are not in it.")
    else:
        caption.append("Cached starts, exec→ready: interpreter start and imports are in it.")
    if any(release.doubtful for release in found):
        caption.append(
            f"* {UNSUPPORTED}: its log is a copy of the log of 0.6.0 with another last line; nothing else supports it."
        )
    unit = "seconds to create the engine" if side.whose == "paper" else "seconds, exec→ready"
    paint = partial(_draw_columns, releases=found, look=WHOSE_LOOK[side.whose], unit=unit)
    below = 0.3 + _turned_in(_names(found))
    return Section(title, caption, paint, height=1.5, left=_LEFT_IN, below=below)


def _names(releases: Sequence[Release]) -> list[str]:
    return [drawable(release.version, 16) + ("*" if release.doubtful else "") for release in releases]


def _turned_in(names: Sequence[str]) -> float:
    """Inches that the names need below the bars because they stand upright; 0 if they fit side by side."""
    longest = max(text_width_in(name, FONT_PT - 0.5) for name in names)
    return longest if longest + 0.04 > (RIGHT_IN - _LEFT_IN) / max(len(names), _LEAST_COLUMNS) else 0.0


def _draw_columns(axes: Axes, releases: Sequence[Release], look: Look, unit: str) -> None:
    tops = [release.seconds.mean + (release.seconds.half_width or 0) for release in releases]
    names = _names(releases)
    axes.set(xlim=(-0.5, max(len(releases), _LEAST_COLUMNS) - 0.5), ylim=(0, max(tops) * 1.15 or 1), ylabel=unit)
    axes.set_xticks(range(len(releases)), names, rotation=90 if _turned_in(names) else 0)
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("vLLM version, in order of release", labelpad=1)
    for at, (release, top) in enumerate(zip(releases, tops, strict=True)):
        seconds = release.seconds
        draw_block(axes, (at - 0.35, 0), 0.7, seconds.mean, _DOUBTFUL if release.doubtful else look)
        if seconds.half_width is not None:
            axes.errorbar(at, seconds.mean, yerr=seconds.half_width, color=BLACK, capsize=2, lw=0.7, capthick=0.7)
        axes.annotate(
            f"{seconds.mean:.1f}", (at, top), (0, 2), textcoords="offset points", ha="center", fontsize=CAPTION_PT
        )


def _table(side: Side, model: str, found: Sequence[Release]) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("vLLM", "seconds", "±95 %", "n", "/ the oldest"):
        table.add_column(name, justify="left" if name == "vLLM" else "right", no_wrap=True)
    for release in found:
        seconds = release.seconds
        half = f"{seconds.half_width:.3f}" if seconds.half_width is not None else "–"
        first = found[0].seconds.mean
        ratio = f"{seconds.mean / first:.3f}" if first else "–"
        name = printable(release.version, 30) + (" (log is a copy)" if release.doubtful else "")
        table.add_row(Text(name), f"{seconds.mean:.3f}", half, str(seconds.n), ratio)
    return Group(Text(printable(f"{side.slot}, {whose(side)}: {model}"), "bold"), table)
