"""The starts that a claim is about, and what is taken from them: means over repeats, points, lines.

Own starts are of the models, states and settings that the figure declares. What else its slot holds is left out: it is
said where that leaves nothing, and beside the verdict.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from harness.analyse.dataset import MEASURED, TOTAL, CaseData, Side
from harness.analyse.evidence import Evidence, NotMeasuredError, measured
from harness.analyse.formats import model_of
from harness.analyse.paper_average import seconds
from harness.analyse.regression import Fit, fit
from harness.analyse.startup import PAPER_STEPS
from harness.analyse.stats import summarise
from harness.spec.estimates import Reduce, Starts
from harness.spec.figure import Figure

LEAST_POINTS = 5  # of a line that says anything

Used = tuple[tuple[str, str, CaseData], ...]  # figure, slot and case

REDUCE: dict[Reduce, Callable[[Iterable[float]], float]] = {"mean": fmean, "min": min, "max": max}


@dataclass(frozen=True)
class Number:
    """``value`` in the claim's unit; ``used``: figure, slot and case of every start behind it."""

    value: float
    used: Used
    notes: tuple[str, ...] = ()  # what to know of it
    partial: str = ""  # which part of what the claim is about it is of; empty: all
    repeatable: bool = True  # False: it is itself a spread over repeats
    shape_only: bool = False  # so partial that it cannot reproduce the claim


@dataclass(frozen=True)
class Found:
    """The starts that an estimate is about: a slot's, of one setting."""

    number: str
    slot: str
    side: Side
    figure: Figure
    cases: tuple[CaseData, ...]

    @property
    def used(self) -> Used:
        """All of them."""
        return tuple((self.number, self.slot, case) for case in self.cases)

    def only(self) -> CaseData:
        """The one case of a figure about one model."""
        if len(self.cases) != 1:
            raise NotMeasuredError(
                f"figure {self.number} {self.slot} holds {len(self.cases)} cases with repeats, not one"
            )
        return self.cases[0]


def find(evidence: Evidence, number: str, starts: Starts) -> Found:
    """The cases with a measured repeat that ``starts`` names; ``number``: the figure, where it names none.

    Raises:
        NotMeasuredError: there is none; says why, and how to measure it.
    """
    number = starts.figure or number
    slot, side = evidence.side(number, starts.slot)
    figure = evidence.figures[number]
    cases = [case for case in side.cases if measured(case) and not _is_of_another_model(case, side, figure)]
    if not cases:
        others = _others(evidence, number, slot)
        there = f"left out: {'; '.join(others)}" if others else "no measured start counts"
        raise NotMeasuredError(f"figure {number} {slot}: {there}", _command(figure, slot))
    if starts.version:
        cases = [case for case in cases if case.engine == starts.version]
        if not cases:
            command = f"VERSIONS={starts.version} bash run_figure.sh 1"
            raise NotMeasuredError(f"no start of vLLM {starts.version}", command)
    if starts.load_format:
        cases = [case for case in cases if case.parameters.get("load_format", "auto") == starts.load_format]
        if not cases:
            raise NotMeasuredError(f"no start with load format {starts.load_format}", _command(figure, slot))
    return Found(number, slot, side, figure, tuple(cases))


def left_out(evidence: Evidence, used: Used) -> tuple[str, ...]:
    """What else the slots of these starts hold, one line for each slot."""
    slots = dict.fromkeys((number, slot) for number, slot, _ in used)
    told = {key: _others(evidence, *key) for key in slots}
    return tuple(
        f"figure {number} {slot}: left out: {'; '.join(told[number, slot])}"
        for number, slot in slots
        if told[number, slot]
    )


def settings_of(figure: Figure) -> int:
    """How many cases the figure declares of each model."""
    return math.prod(len(values) for values in figure.vary.values()) * max(1, len(figure.states))


def _is_of_another_model(case: CaseData, side: Side, figure: Figure) -> bool:
    """Whether own starts are of a model that the figure does not declare. (A recording may be of several figures.)"""
    return side.whose != "paper" and model_of(case) not in figure.models


def _others(evidence: Evidence, number: str, slot: str) -> list[str]:
    """What a slot holds besides the starts that its figure declares."""
    side, figure = evidence.sides[number][slot], evidence.figures[number]
    another = [
        (case.model, "which the figure does not declare")
        for case in side.cases
        if _is_of_another_model(case, side, figure)
    ]
    by_reason: dict[str, list[str]] = {}
    for model, why in (*another, *evidence.aside.get((number, slot), ())):
        by_reason.setdefault(why, []).append(model)
    return [f"{_listed(models)}, {why}" for why, models in by_reason.items()]


def _listed(models: Sequence[str]) -> str:
    first, *more = dict.fromkeys(models)
    return f"{first} and {len(more)} more" if more else first


def _command(figure: Figure, slot: str) -> str:
    index = f" {figure.slots.index(slot)}" if len(figure.slots) > 1 and slot in figure.slots else ""
    return f"bash run_figure.sh {figure.figure}{index}"


def seconds_of(case: CaseData, quantity: str, source: str = "span") -> float | None:
    """The mean over the case's repeats. What the paper's driver printed of a start is exec→ready of a traced one."""
    out = []
    for repeat in case.repeats:
        if repeat.kind != MEASURED:
            continue
        name = TOTAL if quantity == "start_s" and repeat.span else quantity
        value = seconds(repeat, name) if source == "span" else replace(repeat, span={}).value(name)
        if value is not None:
            out.append(value)
    found = summarise(out)
    return found.mean if found else None


def step_seconds(case: CaseData, name: str) -> float | None:
    """One of the paper's steps, as its log line bounds it, of traced starts too."""
    return seconds_of(case, name, "log" if name in PAPER_STEPS else "span")


def points_of(
    found: Found, quantity: str, axis: str, cases: Sequence[CaseData]
) -> list[tuple[CaseData, str, float, float]]:
    """(case, name, x, seconds) of each case that states both, as the figure draws them."""
    source = found.figure.shows.source if found.figure.shows else "span"
    told = [(case, seconds_of(case, quantity, source)) for case in cases]
    return [
        (case, case.model if axis != "captured_sizes" else f"{case.facts[axis]:g}", case.facts[axis], value)
        for case, value in told
        if value is not None and axis in case.facts
    ]


def line_through(points: Sequence[tuple[str, float, float]]) -> Fit:
    """The least-squares line; a flat one (r = 0) where y is always the same. Raises NotMeasuredError for one x only."""
    through = fit(points)
    if through is None and len({x for _, x, _ in points}) > 1:
        return Fit(0.0, fmean(y for _, _, y in points), 0.0, 0.0, len(points), ())
    if through is None:
        raise NotMeasuredError("all of one size: no line")
    return through


def enough(there: int, found: Found, declared: int, every: bool = False, what: str = "models") -> str:
    """Which part of the ``declared`` models (or settings) these are, in words; nothing, if all.

    ``every``: the claim says something of each of them.

    Raises:
        NotMeasuredError: they are too few for a statement about them.
    """
    least = declared if every else min(LEAST_POINTS, declared)
    if there < least:
        raise NotMeasuredError(f"{there} of {declared} {what}, needs {least}", f"bash run_figure.sh {found.number}")
    return f"{there} of {declared} {what}" if there < declared else ""


def used_of(found: Found, cases: Iterable[CaseData]) -> Used:
    """Some of them."""
    return tuple((found.number, found.slot, case) for case in cases)
