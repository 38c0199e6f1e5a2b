"""Two sets of starts → is B slower than A, in which phases, and does that cross a gate.

The total is judged by its own 95 % interval. The intervals of the phases are wider: together they hold with 95 %
probability (Bonferroni: each at 1 − 0.05 / number of intervals), so that two equal sets of starts show a false
difference in any phase at most once in 20 comparisons, not in one phase of 20. Every verdict is read off the interval
that is shown: it contains 0, or it does not.

Each further interval makes all of them wider, so phases that are under 1 % of the start on both sides have one in
common, of their sum: none of them alone could matter, and a planted half second is found with five starts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.analyse.contrast import Contrast, contrast
from harness.analyse.phases import UNATTRIBUTED
from harness.analyse.stats import CONFIDENCE
from harness.record.facts import GROUPS
from harness.record.sides import Side, Start

Differs = dict[str, dict[str, tuple[Any, Any]]]


SMALL = 0.01  # of the start


@dataclass(frozen=True)
class Comparison:
    """B against A: the total, and its parts, largest difference first."""

    paired: bool
    ready: Contrast
    phases: dict[str, Contrast]
    small: dict[str, Contrast]  # phases under 1 % on both sides, without intervals
    small_sum: Contrast | None  # of all of them
    phase_confidence: float  # of the intervals of the parts

    @property
    def parts(self) -> dict[str, Contrast]:
        """What has intervals and adds up to the total: the phases, and the small ones as one."""
        return self.phases | ({f"{len(self.small)} under 1 %": self.small_sum} if self.small_sum else {})


def compare(a: Sequence[Start], b: Sequence[Start]) -> Comparison:
    """B against A. A phase that a start does not state took no time in it, so the phases add up to the total.

    Where there are pairs, only they are compared.
    """
    pairs = pair(a, b)
    if pairs:
        a, b = [first for first, _ in pairs], [second for _, second in pairs]
    paired = bool(pairs)
    ready = contrast([s.ready_s for s in a], [s.ready_s for s in b], paired, CONFIDENCE)
    names = sorted({name for start in (*a, *b) for name, seconds in start.phases.items() if seconds})
    small = [name for name in names if name != UNATTRIBUTED and _is_small(name, a, b)]
    large = [name for name in names if name not in small]
    confidence = 1 - (1 - CONFIDENCE) / max(len(large) + bool(small), 1)

    def part(members: Sequence[str]) -> Contrast:
        first, second = (
            [math.fsum(start.phases.get(name, 0.0) for name in members) for start in side] for side in (a, b)
        )
        return contrast(first, second, paired, confidence)

    return Comparison(
        paired=paired,
        ready=ready,
        phases=_ranked({name: part([name]) for name in large}),
        small=_ranked({name: replace(part([name]), interval_s=None, ratio_interval=None) for name in small}),
        small_sum=part(small) if small else None,
        phase_confidence=confidence,
    )


def _is_small(name: str, *sides: Sequence[Start]) -> bool:
    return all(
        math.fsum(start.phases.get(name, 0.0) for start in side) < SMALL * math.fsum(start.ready_s for start in side)
        for side in sides
    )


def _ranked(phases: dict[str, Contrast]) -> dict[str, Contrast]:
    return dict(sorted(phases.items(), key=lambda item: (-abs(item[1].difference_s), item[0])))


def pair(a: Sequence[Start], b: Sequence[Start]) -> list[tuple[Start, Start]]:
    """Starts of the same round, if there are at least two pairs, and fewer starts without a partner; else none.

    A failed start leaves its partner alone: the other rounds are still pairs, and the rest is not compared.
    """
    first, second = ({start.round: start for start in side if start.round is not None} for side in (a, b))
    rounds = [start.round for start in a if start.round in second]
    named = sum(start.round is not None for start in (*a, *b))
    alone = len(a) + len(b) - 2 * len(rounds)
    if len(rounds) < 2 or alone >= len(rounds) or named != len(first) + len(second):
        return []
    return [(first[name], second[name]) for name in rounds]


def differences(a: Side, b: Side) -> Differs:
    """What differs in the records: group → fact → (A's, B's), None where a side has no such fact.

    A slot records fewer facts than runs do: between the two, only facts that both state are compared.
    """
    found: Differs = {}
    for group in GROUPS:
        mine, theirs = a.facts.get(group, {}), b.facts.get(group, {})
        names = sorted(set(mine) | set(theirs) if a.source == b.source else set(mine) & set(theirs))
        differing = {n: (mine.get(n), theirs.get(n)) for n in names if mine.get(n) != theirs.get(n)}
        if differing:
            found[group] = differing
    return found


@dataclass(frozen=True)
class Gate:
    """Whether B's start is slower than A's by more than ``limit`` (0.05 = 5 %) beyond its interval."""

    limit: float
    crossed: bool | None  # None: there is no interval
    crossed_from: float | None  # the ratio from which these runs would have crossed it: what the gate can see


def judge(ready: Contrast, limit: float) -> Gate:
    """Hold the total against the gate: crossed when the lower end of the ratio's 95 % interval is above 1 + limit."""
    if ready.ratio is None or ready.ratio_interval is None:
        return Gate(limit, None, None)
    low = ready.ratio_interval[0]
    return Gate(limit, low > 1 + limit, (1 + limit) * ready.ratio / low)
