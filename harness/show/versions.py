"""Figure 1: start-up time of one model over vLLM releases, in the order of their release."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.analyse.dataset import Side
from harness.analyse.releases import (
    COMPILE,
    IMPORTS,
    INIT,
    LOADING,
    OTHER,
    STEPS,
    UNSTATED,
    UNSUPPORTED,
    WARM_UP,
    Release,
    age,
    by_source,
    releases,
)
from harness.record.plain import printable
from harness.show.caption import CAPTION_PT, about, whose
from harness.show.command import FigureData
from harness.show.panel import RIGHT_IN, draw_block
from harness.show.sheet import WHOSE_LOOK, Section, sheet
from harness.show.startup_colours import Look
from harness.show.style import (
    BLACK,
    BLUE,
    FONT_PT,
    GREEN,
    GREY,
    HATCHES,
    ORANGE,
    PURPLE,
    YELLOW,
    drawable,
    text_width_in,
    tint,
)

_LEFT_IN = 0.4
_LEAST_COLUMNS = 4  # room for so many: a single release is no wall
_DOUBTFUL = Look(tint(BLACK, 1), HATCHES[4])
_STEP_LOOK = {
    IMPORTS: Look(tint(BLUE, 0.2), ""),
    LOADING: Look(tint(GREEN, 0), HATCHES[1]),
    COMPILE: Look(tint(ORANGE, 0), HATCHES[2]),
    WARM_UP: Look(tint(PURPLE, 0), HATCHES[3]),
    INIT: Look(tint(ORANGE, 0.4), HATCHES[4]),
    OTHER: Look(tint(YELLOW, 0), HATCHES[5]),
    UNSTATED: Look(tint(GREY, 0), ""),
}
_SHORT = {
    IMPORTS: "imports",
    LOADING: "loading",
    COMPILE: "compile",
    WARM_UP: "warm-up",
    INIT: "init",
    OTHER: "other",
    UNSTATED: "unstated",
}
_REASON = 160  # characters of a gap's reason in the caption


def draw(data: FigureData) -> tuple[Figure, list[RenderableType]]:
    """One section for each model of each side."""
    shown = [(side, model, releases(side, model)) for side in data.sides for model in _models(side)]
    return sheet([_section(*each) for each in shown]), [_table(*each) for each in shown]


def _models(side: Side) -> list[str]:
    return list(dict.fromkeys(case.model for case in side.cases))


def _section(side: Side, model: str, found: Sequence[Release]) -> Section:
    title = f"start-up of {model} by vLLM version, {whose(side)}"
    gaps = [f"{release.version}: {printable(release.gap, _REASON)}." for release in found if release.gap]
    measured = [release.seconds for release in found if release.seconds]
    if not measured:
        return Section(title, [f"{side.slot}: no measured start counts.", *gaps])
    ordered = replace(side, cases=tuple(sorted(side.cases, key=lambda case: age(case.engine))))
    caption = about(ordered, (seconds.n for seconds in measured))
    if side.whose == "paper":
        caption.append("Engine creation as the paper's driver timed it: interpreter start and imports are not in it.")
    else:
        caption.append("Cached starts, exec→ready: interpreter start and imports are in it.")
    caption += _sources(found)
    if any(release.doubtful for release in found):
        caption.append(
            f"* {UNSUPPORTED}: its log is a copy of the log of 0.6.0 with another last line; nothing else supports it."
        )
    caption += [f"× {gap}" for gap in gaps]
    unit = "seconds to create the engine" if side.whose == "paper" else "seconds, exec→ready"
    paint = partial(_draw_columns, releases=found, look=WHOSE_LOOK[side.whose], unit=unit)
    below = 0.3 + _turned_in(_names(found))
    key = [(step, _STEP_LOOK[step]) for step in STEPS if any(step in release.steps for release in found)]
    return Section(title, caption, paint, height=1.5, left=_LEFT_IN, below=below, key=key)


def _sources(found: Sequence[Release]) -> list[str]:
    """Where each release's steps come from."""
    said = []
    if spans := by_source(found, "span"):
        said.append(f"Steps of {', '.join(spans)} by spans.")
    if logs := by_source(found, "log"):
        said.append(
            f"Steps of {', '.join(logs)} as far as the release's own log states them; imports before its first line, "
            "for one, are not stated."
        )
    return said


def _names(releases: Sequence[Release]) -> list[str]:
    return [drawable(release.version, 16) + ("*" if release.doubtful else "") for release in releases]


def _turned_in(names: Sequence[str]) -> float:
    """Inches that the names need below the bars because they stand upright; 0 if they fit side by side."""
    longest = max(text_width_in(name, FONT_PT - 0.5) for name in names)
    return longest if longest + 0.04 > (RIGHT_IN - _LEFT_IN) / max(len(names), _LEAST_COLUMNS) else 0.0


def _draw_columns(axes: Axes, releases: Sequence[Release], look: Look, unit: str) -> None:
    tops = [release.seconds.mean + (release.seconds.half_width or 0) if release.seconds else 0 for release in releases]
    names = _names(releases)
    axes.set(xlim=(-0.5, max(len(releases), _LEAST_COLUMNS) - 0.5), ylim=(0, max(tops) * 1.15 or 1), ylabel=unit)
    axes.set_xticks(range(len(releases)), names, rotation=90 if _turned_in(names) else 0)
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("vLLM version, in order of release", labelpad=1)
    for at, (release, top) in enumerate(zip(releases, tops, strict=True)):
        text = "×"  # a gap
        plain = _DOUBTFUL if release.doubtful else look
        if seconds := release.seconds:
            steps = release.steps.items() or [(None, seconds.mean)]
            _draw_bar(axes, at, [(_STEP_LOOK[step] if step else plain, part) for step, part in steps])
            if seconds.half_width is not None:
                axes.errorbar(at, seconds.mean, yerr=seconds.half_width, color=BLACK, capsize=2, lw=0.7, capthick=0.7)
            text = f"{seconds.mean:.1f}"
        axes.annotate(text, (at, top), (0, 2), textcoords="offset points", ha="center", fontsize=CAPTION_PT)


def _draw_bar(axes: Axes, at: int, blocks: Sequence[tuple[Look, float]]) -> None:
    """From the first block at the foot to the last."""
    foot = 0.0
    for look, seconds in blocks:
        draw_block(axes, (at - 0.35, foot), 0.7, seconds, look)
        foot += seconds


def _table(side: Side, model: str, found: Sequence[Release]) -> RenderableType:
    table = _empty_table("vLLM", "seconds", "±95 %", "n", "/ the oldest")
    first = next((release.seconds.mean for release in found if release.seconds), 0.0)
    for release in found:
        if not (seconds := release.seconds):
            continue
        half = f"{seconds.half_width:.3f}" if seconds.half_width is not None else "–"
        ratio = f"{seconds.mean / first:.3f}" if first else "–"
        name = printable(release.version, 30) + (" (log is a copy)" if release.doubtful else "")
        table.add_row(Text(name), f"{seconds.mean:.3f}", half, str(seconds.n), ratio)
    gaps = [Text(printable(f"{release.version}: no start to show; {release.gap}")) for release in found if release.gap]
    head = Text(printable(f"{side.slot}, {whose(side)}: {model}"), "bold")
    return Group(head, table, *_step_table(found), *gaps)


def _step_table(found: Sequence[Release]) -> list[Table]:
    """Mean seconds of each step; nothing where no release has steps."""
    steps = [step for step in STEPS if any(step in release.steps for release in found)]
    if not steps:
        return []
    table = _empty_table("vLLM, seconds", *(_SHORT[step] for step in steps))
    for release in found:
        if release.steps:
            parts = [f"{release.steps[step]:.3f}" if step in release.steps else "–" for step in steps]
            table.add_row(Text(printable(release.version, 30)), *parts)
    return [table]


def _empty_table(first: str, *numbers: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table
