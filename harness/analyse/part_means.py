"""Parts of a phase over the measured starts of a case: what figures show beside the phase."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from harness.analyse.dataset import MEASURED, CaseData, Repeat
from harness.analyse.parts import OTHER, Part, by_name
from harness.analyse.phases import GROUPS

CAPTURING = "graph_capturing"
# Copies that are over when they return, so that their seconds are those of the bytes. One within the GPU is only
# started. So would one be from pinned memory that asks to go on meanwhile (``non_blocking``): it has this name too and
# would look too fast, but no loader of the hook tables makes such copies.
RATED = ("copy cpu to cuda", "copy cpu to cpu")


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
        """Rate of the copies; None where none were told, or none that are over when they return."""
        return copy_rate((self,))


def copy_rate(parts: Iterable[MeanPart]) -> float | None:
    """Bytes per second of all copies of the host's memory (``RATED``) together; None where none are told."""
    copies = [part for part in parts if part.name in RATED and part.bytes]
    seconds = sum(part.seconds for part in copies)
    return sum(part.bytes or 0 for part in copies) / seconds if seconds > 0 else None


def mean_parts(case: CaseData, quantity: str) -> tuple[MeanPart, ...]:
    """The quantity's parts over the measured starts that state parts of it: sizes by number, names, ``other`` last."""
    starts = [found for repeat in case.repeats if repeat.kind == MEASURED and (found := _parts(repeat, quantity))]
    names: dict[str, Part] = {}
    for parts in starts:
        for part in parts:
            names.setdefault(part.part, part)
    ordered = sorted(names.values(), key=lambda part: (part.part == OTHER, by_name(part)))
    return tuple(_mean(part.part, starts) for part in ordered)


def sizes(quantity: str, parts: Sequence[MeanPart]) -> list[tuple[int, float]]:
    """(captured batch size, seconds), ascending: of graph capture the parts that are called by a number.

    Numbers of another phase are no sizes: profiling's forward of 8192 tokens captures nothing.
    """
    return sorted((int(part.name), part.seconds) for part in parts if quantity == CAPTURING and part.name.isdecimal())


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
