"""The ladder: starts from nothing retained to everything, and what each kind of retained state saves, by phase."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from matplotlib.figure import Figure
from rich.console import RenderableType

from harness.analyse.dataset import CaseData, Side
from harness.analyse.ladder import INTERACTION, REST, Ladder, ladder
from harness.analyse.phases import UNATTRIBUTED
from harness.analyse.rungs import EVERYTHING, NOTHING, Rungs, rungs_of
from harness.errors import HarnessError
from harness.show.caption import about, whose
from harness.show.command import FigureData
from harness.show.ladder_bars import Stack, draw_stacks, stacks_height
from harness.show.ladder_print import tables
from harness.show.ladder_text import (
    amount,
    each_alone,
    first,
    how_compared,
    kept_or_not,
    name,
    saved_printed,
    share,
    spread,
    starts_printed,
    sum_line,
)
from harness.show.panel import MARGIN_IN
from harness.show.sheet import Section, sheet
from harness.show.startup_colours import Look
from harness.show.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, YELLOW, tint

_LOOKS = {
    "interpreters, imports": Look(tint(BLUE, 0), ""),
    "model inspection": Look(tint(SKY, 0.1), "....."),
    "config and processes": Look(tint(BLUE, 0.75), "/////"),
    "tokenizer": Look(tint(YELLOW, 0), ""),
    "weights": Look(tint(GREEN, 0.1), "\\\\\\\\\\"),
    "Dynamo": Look(tint(VERMILLION, 0.1), "-----"),
    "compilation": Look(tint(ORANGE, 0.1), "/////"),
    "KV cache and warm-up": Look(tint(PURPLE, 0.1), "xxxxx"),
    REST: Look(tint(GREY, 0), ""),
    UNATTRIBUTED: Look(tint(BLACK, 0), ""),
}


def draw(data: FigureData) -> tuple[Figure, list[RenderableType]]:
    """For each model of each own or merged slot a section of starts and one of what is saved."""
    if not data.own:
        raise HarnessError("the paper measured no ladder: bash run_figure.sh ladder, or name its slots with --data")
    rungs = rungs_of(data.figure)
    sections: list[Section] = []
    notes: list[RenderableType] = []
    for side in data.own:
        for model in dict.fromkeys(case.model for case in side.cases):
            cases = rungs.cases(case for case in side.cases if case.model == model)
            found = ladder(rungs, cases)
            sections += [_starts_section(side, model, cases, rungs, found), _saved_section(found)]
            notes.append(tables(side, model, rungs, found))
    return sheet(sections), notes


def _starts_section(side: Side, model: str, cases: Mapping[str, CaseData], rungs: Rungs, found: Ladder) -> Section:
    stacks = [_start(key, found) for key in rungs.states]
    shown = replace(side, cases=tuple(cases.values()) or side.cases)
    weights = [] if shown.twins else ["Original weights."]
    caption = [*about(shown, [each.ready.n for each in found.starts.values()]), *weights, kept_or_not(rungs)]
    if UNATTRIBUTED in found.phases:
        caption.append("Black: time that no hook explains.")
    return Section(
        f"start of {model} by what is kept, {whose(side)}",
        caption,
        partial(draw_stacks, stacks=stacks, unit="seconds from exec to ready"),
        stacks_height(stacks),
        MARGIN_IN,
        key=[(phase, _LOOKS[phase]) for phase in found.phases],
    )


def _start(key: str, found: Ladder) -> Stack:
    what = name(key) if key in (NOTHING, EVERYTHING) else f"only {name(key)}"
    if key not in found.starts:
        return Stack(f"{what} kept", "no measured start counts")
    starts, seconds = found.starts[key], amount(starts_printed(found)[key])
    numbers = f"{seconds}{spread(starts.ready.half_width)} s, n={starts.ready.n}"
    parts = tuple((starts.by_phase[phase], _LOOKS[phase]) for phase in found.phases)
    return Stack(f"{what} kept", numbers, parts, starts.ready.half_width)


def _saved_section(found: Ladder) -> Section:
    stacks = [_saved(key, found) for key in (*found.kinds, INTERACTION, EVERYTHING)]
    added = sum_line(found).removesuffix(".")
    caption = [each_alone(found), f"{added[0].upper()}{added[1:]}.", *how_compared(found)]
    if any(value < 0 for stack in stacks for value, _ in stack.parts):
        caption.append("Diamond: the sum of a bar's parts; to the left of 0 is what takes longer.")
    paint = partial(draw_stacks, stacks=stacks, unit="seconds saved (%: of the start that keeps nothing)")
    return Section(first(found).removesuffix("."), caption, paint, stacks_height(stacks), MARGIN_IN)


def _saved(key: str, found: Ladder) -> Stack:
    saved = found.saved.get(key)
    if saved is None:
        return Stack(name(key), "a start that it needs is missing")
    numbers = f"{amount(saved_printed(found)[key])}{spread(saved.start.half_width)} s, {share(found, saved.start)}"
    parts = tuple((saved.by_phase[phase].seconds, _LOOKS[phase]) for phase in found.phases)
    return Stack(name(key), numbers, parts, saved.start.half_width)
