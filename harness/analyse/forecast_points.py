"""What lines are fitted through: one point per model, the mean over its starts, and every fact's value there."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.analyse.forecast_line import Row
from harness.analyse.forecast_phases import PHASES, REMAINDER
from harness.analyse.forecast_starts import Start
from harness.analyse.model_facts import TERMS, ModelFacts


@dataclass(frozen=True)
class Point:
    """One model's mean start: what a line is fitted through."""

    model: str
    label: str
    facts: ModelFacts
    seconds: Mapping[str, float]

    @property
    def total_s(self) -> float:
        """Sum of the phases."""
        return math.fsum(self.seconds.values())


def points_of(starts: Iterable[Start]) -> list[Point]:
    """One point per model (and per size of its files: a twin is another point), the mean over its starts.

    A phase that a start does not state took none of its time: it is in the start's remainder, and the sum stays.
    """
    groups: dict[tuple[str, str, ModelFacts], list[Start]] = {}
    for start in starts:
        if start.facts is not None:
            groups.setdefault((start.model, start.label, start.facts), []).append(start)
    points = []
    for (model, label, facts), group in groups.items():
        names = [phase.name for phase in PHASES if any(phase.name in start.seconds for start in group)]
        sums = {name: math.fsum(start.seconds.get(name, 0.0) for start in group) for name in names}
        points.append(Point(model, label, facts, {name: value / len(group) for name, value in sums.items()}))
    return points


def row_of(facts: ModelFacts, bytes_per_entry: float) -> Row:
    """Every term's value for a model."""
    return {name: facts.term(name, bytes_per_entry) for name in TERMS}


def phases_with_a_line(points: Sequence[Point]) -> tuple[str, ...]:
    """Those that at least half of the models state; the others stay in the remainder."""
    stated = (phase.name for phase in PHASES if phase.name != REMAINDER)
    return (*(name for name in stated if 2 * sum(name in p.seconds for p in points) >= len(points)), REMAINDER)


def folded(seconds: Mapping[str, float], own: Sequence[str]) -> dict[str, float]:
    """The phases with the ones that have no line put into the remainder."""
    out = {name: value for name, value in seconds.items() if name in own}
    rest = math.fsum(value for name, value in seconds.items() if name not in own)
    return {**out, REMAINDER: out.get(REMAINDER, 0.0) + rest}
