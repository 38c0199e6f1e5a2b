"""Parts of a phase over the measured starts of a case: what figures show beside the phase."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from harness.analyse.dataset import MEASURED, CaseData, Repeat
from harness.analyse.parts import OTHER, Part, by_name
from harness.analyse.phases import GROUPS


@dataclass(frozen=True)
class MeanPart:
    """Means over ``n`` starts. A part that one of them does not have took no time in it."""

    name: str
    seconds: float
    calls: float | None
    bytes: float | None  # copied
    n: int

    @property
    def bytes_per_s(self) -> float | None:
        """Rate of the copies; None where none were told."""
        return self.bytes / self.seconds if self.bytes and self.seconds > 0 else None


def mean_parts(case: CaseData, quantity: str) -> tuple[MeanPart, ...]:
    """The quantity's parts over the measured starts that state parts of it: sizes by number, names, ``other`` last."""
    starts = [found for repeat in case.repeats if repeat.kind == MEASURED and (found := _parts(repeat, quantity))]
    names: dict[str, Part] = {}
    for parts in starts:
        for part in parts:
            names.setdefault(part.part, part)
    ordered = sorted(names.values(), key=lambda part: (part.part == OTHER, by_name(part)))
    return tuple(_mean(part.part, starts) for part in ordered)


def sizes(parts: Sequence[MeanPart]) -> list[tuple[int, float]]:
    """(size, seconds) of the parts that are called by a number, ascending: graphs by captured batch size."""
    return sorted((int(part.name), part.seconds) for part in parts if part.name.isdecimal())


def cumulated(by_size: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Seconds of all sizes up to each."""
    total_s, found = 0.0, []
    for size, seconds in by_size:
        total_s += seconds
        found.append((size, total_s))
    return found


def _parts(repeat: Repeat, quantity: str) -> list[Part]:
    """The start's parts of the quantity; of a group of leaves those of all of them, by name."""
    leaves = GROUPS.get(quantity, (quantity,))
    found: dict[str, Part] = {}
    for part in repeat.parts:
        if part.phase.split(":")[0] in leaves:
            part = replace(part, phase=quantity)
            found[part.part] = found[part.part] + part if part.part in found else part
    return list(found.values())


def _mean(name: str, starts: Sequence[Sequence[Part]]) -> MeanPart:
    of_name = [part for parts in starts for part in parts if part.part == name]
    calls = [part.calls for part in of_name if part.calls is not None]
    copied = [part.bytes for part in of_name if part.bytes is not None]
    return MeanPart(
        name,
        sum(part.seconds for part in of_name) / len(starts),
        fmean(calls) if calls else None,
        fmean(copied) if copied else None,
        len(starts),
    )
