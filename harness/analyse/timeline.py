"""What a start was doing when: the partition's critical path in the order of time, as few pieces as it takes."""

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.analyse.partition import Partition

# A loop that imports alternates thousands of times between two phases; a slot travels, and a drawing shows 20 ms.
RESOLUTION_NS = 10_000_000


@dataclass(frozen=True)
class Piece:
    """A stretch of the critical path, seconds since exec. ``process`` is the role of the process that was at work."""

    begin_s: float
    end_s: float
    phase: str
    process: str

    @property
    def seconds(self) -> float:
        """Length."""
        return self.end_s - self.begin_s


def timeline(parts: Partition) -> list[Piece]:
    """The partition from exec (0) to ready, without holes; neighbours of the same phase and process are one piece.

    What alternates within ``RESOLUTION_NS`` is put together there, in the order of first appearance: each phase keeps
    its time to the nanosecond and lies at most that much beside its place.
    """
    if not parts.segments:
        return []
    exec_ns = parts.segments[0].begin_ns
    took: dict[int, dict[tuple[str, str], int]] = {}
    for segment in parts.segments:
        begin_ns, end_ns = segment.begin_ns - exec_ns, segment.end_ns - exec_ns
        what = (segment.leaf, segment.role)
        for number in range(begin_ns // RESOLUTION_NS, (end_ns - 1) // RESOLUTION_NS + 1):
            within_ns = min(end_ns, (number + 1) * RESOLUTION_NS) - max(begin_ns, number * RESOLUTION_NS)
            phases = took.setdefault(number, {})
            phases[what] = phases.get(what, 0) + within_ns
    ends: list[tuple[int, tuple[str, str]]] = []
    end_ns = 0
    for phases in took.values():  # segments come in the order of time, and so do these
        for what, took_ns in phases.items():
            end_ns += took_ns
            if ends and ends[-1][1] == what:
                ends.pop()
            ends.append((end_ns, what))
    begins_ns = [0, *(end_ns for end_ns, _ in ends)]
    return [Piece(begin / 1e9, end / 1e9, *what) for begin, (end, what) in zip(begins_ns, ends, strict=False)]


def follow_one_another(pieces: Sequence[Piece]) -> bool:
    """Whether they are a timeline: from 0 on, without holes, each of some length."""
    begins, ends = [piece.begin_s for piece in pieces], [piece.end_s for piece in pieces]
    return begins == [0.0, *ends][: len(begins)] and all(map(operator.lt, begins, ends))


def phase_seconds(pieces: Iterable[Piece]) -> dict[str, float]:
    """Seconds of each phase, as the partition has them."""
    seconds: dict[str, float] = {}
    for piece in pieces:
        seconds[piece.phase] = seconds.get(piece.phase, 0.0) + piece.seconds
    return seconds


def coarse(pieces: Iterable[Piece], width_s: float) -> list[Piece]:
    """The timeline as a drawing can show it: each ``width_s`` is given to the phase that took most of it.

    Intervals of the same phase and process in a row are one piece; the last interval ends where the pieces end.
    """
    took: dict[int, dict[tuple[str, str], float]] = {}
    end_s = 0.0
    for piece in pieces:
        end_s = piece.end_s
        for number in range(int(piece.begin_s / width_s), int(piece.end_s / width_s) + 1):
            within_s = min(piece.end_s, (number + 1) * width_s) - max(piece.begin_s, number * width_s)
            if within_s > 0:
                phases = took.setdefault(number, {})
                what = (piece.phase, piece.process)
                phases[what] = phases.get(what, 0.0) + within_s
    drawn: list[Piece] = []
    for number, phases in sorted(took.items()):
        what = max(phases, key=lambda what: phases[what])
        until_s = min((number + 1) * width_s, end_s)
        if drawn and (drawn[-1].phase, drawn[-1].process) == what:
            drawn[-1] = Piece(drawn[-1].begin_s, until_s, *what)
        else:
            drawn.append(Piece(number * width_s, until_s, *what))
    return drawn
