"""What decides a claim: starts, the points that they make, and how many of these it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analyse.evidence import Device
from harness.spec.figure import Axis


@dataclass(frozen=True)
class Start:
    """One case in a figure's slot, as far as claims tell cases apart. ``key``: to be started; None: it is measured."""

    figure: str
    slot: str
    model: str
    key: str | None
    device: Device
    node: str
    version: str  # of vLLM
    twin: bool
    load_format: str
    facts: Mapping[str, float]  # axis → number


@dataclass(frozen=True)
class Point:
    """The starts that make one point of an estimate together."""

    starts: tuple[Start, ...]

    @property
    def cases(self) -> tuple[str, ...]:
        """Those of them that are to be started."""
        return keys_of(self.starts)

    @property
    def facts(self) -> Mapping[str, float]:
        """What it can be drawn against."""
        return self.starts[0].facts


@dataclass(frozen=True)
class Needs:
    """What decides a claim: all of ``must``, and ``least`` of ``points`` (of ``declared``, if it is to be whole).

    ``axes``: of its lines; the points must not all have the same x. ``elsewhere``: figure and slot that it needs too,
    and that are not measured yet.
    """

    points: tuple[Point, ...]
    least: int
    declared: int
    axes: tuple[Axis, ...] = ()
    must: tuple[Start, ...] = ()
    repeats: int = 1
    elsewhere: tuple[str, str] | None = None

    @property
    def starts(self) -> tuple[Start, ...]:
        """Every start that it can be decided by."""
        return (*self.must, *(start for point in self.points for start in point.starts))

    def enough(self, points: Sequence[Point]) -> bool:
        """Whether these of its points decide it, with ``must``."""
        return len(points) >= self.least and not self.flat(points)

    def flat(self, points: Sequence[Point]) -> tuple[Axis, ...]:
        """The axes on which these points all have the same x. An x that is not known may be any."""
        told = {axis: [point.facts.get(axis) for point in points] for axis in self.axes}
        return tuple(axis for axis, xs in told.items() if None not in xs and len(set(xs)) < 2)


def keys_of(starts: Sequence[Start]) -> tuple[str, ...]:
    """The cases among them that are to be started, each once."""
    return tuple(dict.fromkeys(start.key for start in starts if start.key))
