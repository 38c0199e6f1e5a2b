"""Two sets of starts → is B slower than A, in which phases, and does that cross a gate.

The total is judged by its own 95 % interval. The intervals of the phases are wider: together they hold with 95 %
probability (Bonferroni: each at 1 − 0.05 / number of phases), so that two equal sets of starts show a false difference
in any phase at most once in 20 comparisons, not in one phase of 20. Every verdict is read off the interval that is
shown: it contains 0, or it does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.analyse.contrast import Contrast, contrast
from harness.analyse.stats import CONFIDENCE
from harness.record.facts import GROUPS
from harness.record.sides import Side, Start

Differs = dict[str, dict[str, tuple[Any, Any]]]


@dataclass(frozen=True)
class Comparison:
    """B against A: the total, and every phase that either has, largest difference first."""

    paired: bool
    ready: Contrast
    phases: dict[str, Contrast]
    phase_confidence: float  # of each phase's interval


def compare(a: Sequence[Start], b: Sequence[Start]) -> Comparison:
    """B against A. A phase that a start does not state took no time in it, so the phases add up to the total.

    Where there are pairs, only they are compared.
    """
    pairs = pair(a, b)
    if pairs:
        a, b = [first for first, _ in pairs], [second for _, second in pairs]
    names = sorted({name for start in (*a, *b) for name, seconds in start.phases.items() if seconds})
    confidence = 1 - (1 - CONFIDENCE) / max(len(names), 1)
    paired = bool(pairs)
    phases = {
        name: contrast([s.phases.get(name, 0.0) for s in a], [s.phases.get(name, 0.0) for s in b], paired, confidence)
        for name in names
    }
    ranked = dict(sorted(phases.items(), key=lambda item: (-abs(item[1].difference_s), item[0])))
    ready = contrast([s.ready_s for s in a], [s.ready_s for s in b], paired, CONFIDENCE)
    return Comparison(paired, ready, ranked, confidence)


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
