"""The starts that a claim is about, and what is taken from them: means over repeats, points, lines."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from harness.analyse.dataset import MEASURED, TOTAL, CaseData, Side
from harness.analyse.evidence import Evidence, NotMeasuredError
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
        NotMeasuredError: there is none; says how to measure it.
    """
    number = starts.figure or number
    slot, side = evidence.side(number, starts.slot)
    cases = [case for case in side.cases if any(repeat.kind == MEASURED for repeat in case.repeats)]
    if starts.version:
        cases = [case for case in cases if case.engine == starts.version]
        if not cases:
            command = f"VERSIONS={starts.version} bash run_figure.sh 1"
            raise NotMeasuredError(f"no start of vLLM {starts.version}", command)
    if starts.load_format:
        cases = [case for case in cases if case.parameters.get("load_format", "auto") == starts.load_format]
        if not cases:
            raise NotMeasuredError(f"no start with load format {starts.load_format}", f"bash run_figure.sh {number}")
    return Found(number, slot, side, evidence.figures[number], tuple(cases))


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


def enough(models: int, found: Found, declared: int, every: bool = False) -> str:
    """Which part of the ``declared`` models these are, in words; nothing, if all.

    ``every``: the claim says something of each of them.

    Raises:
        NotMeasuredError: they are too few for a statement about models.
    """
    least = declared if every else min(LEAST_POINTS, declared)
    if models < least:
        raise NotMeasuredError(f"{models} of {declared} models, needs {least}", f"bash run_figure.sh {found.number}")
    return f"{models} of {declared} models" if models < declared else ""


def used_of(found: Found, cases: Iterable[CaseData]) -> Used:
    """Some of them."""
    return tuple((found.number, found.slot, case) for case in cases)
