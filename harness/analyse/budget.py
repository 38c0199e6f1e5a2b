"""Which starts to make in a given time: those that decide most claims per minute, whole comparisons first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEAST_FOR_AN_INTERVAL = 2  # repeats


@dataclass(frozen=True)
class Cost:
    """One case: seconds of its warm-up (0: it has one), of each measured start, and how many are stored."""

    warm_up_s: float
    start_s: float
    stored: int = 0

    def seconds(self, iterations: int) -> float:
        """Of the starts that are still missing for so many measured ones."""
        missing = max(0, iterations - self.stored)
        return self.warm_up_s + missing * self.start_s if missing else 0.0


@dataclass(frozen=True)
class Candidate:
    """A claim, and the cases whose starts decide it; ``least``: so many of them do, if all are too many."""

    claim: str
    cases: tuple[str, ...]
    least: int


@dataclass(frozen=True)
class Chosen:
    """What fits: these cases with so many measured starts each, and the claims that they decide."""

    cases: tuple[str, ...]
    iterations: int
    claims: tuple[str, ...]
    seconds: float
    whole: bool  # every claim by all the cases that it is about


def choose(
    costs: Mapping[str, Cost], candidates: Sequence[Candidate], budget_s: float, iterations: int
) -> Chosen | None:
    """The best choice within ``budget_s``; None if not even one claim can be decided in it.

    Of as many measured starts as fit, up to ``iterations``: a claim more is worth fewer repeats, but an interval (two
    repeats) is worth more than a claim. Only where no whole comparison fits, parts of comparisons are chosen.
    """
    parts = [part_of(candidate, costs) for candidate in candidates]
    several = range(iterations, LEAST_FOR_AN_INTERVAL - 1, -1)
    for whole, offered in ((True, candidates), (False, parts)):
        for numbers in (several, range(1, 2)):
            found = [_greedy(costs, offered, budget_s, number, whole) for number in numbers]
            best = max(found, key=lambda each: len(each.claims), default=None)  # of equals the first: most repeats
            if best and best.claims:
                return best
    return None


def part_of(candidate: Candidate, costs: Mapping[str, Cost]) -> Candidate:
    """The claim by the cheapest cases that still make a comparison."""
    cheapest = sorted(candidate.cases, key=lambda case: (costs[case].seconds(1), case))[: candidate.least]
    return Candidate(candidate.claim, tuple(cheapest), len(cheapest))


def _greedy(
    costs: Mapping[str, Cost], candidates: Sequence[Candidate], budget_s: float, iterations: int, whole: bool
) -> Chosen:
    """Again and again the claim whose missing cases decide most claims per second, as long as one fits."""
    cases: dict[str, None] = {}
    spent = 0.0
    while True:
        offers = []
        for candidate in candidates:
            new = [case for case in candidate.cases if case not in cases]
            added = sum(costs[case].seconds(iterations) for case in new)
            if new and spent + added <= budget_s:
                decided = len(_decided(candidates, {*cases, *new})) - len(_decided(candidates, cases))
                offers.append((decided / max(added, 1e-9), -added, new))
        if not offers:
            break
        _, added, new = max(offers, key=lambda offer: offer[:2])
        cases.update(dict.fromkeys(new))
        spent -= added
    return Chosen(tuple(cases), iterations, tuple(_decided(candidates, cases)), spent, whole)


def _decided(candidates: Sequence[Candidate], cases: Mapping[str, None] | set[str]) -> list[str]:
    return [candidate.claim for candidate in candidates if all(case in cases for case in candidate.cases)]
