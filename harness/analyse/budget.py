"""Which starts to make in a given time: those that decide most claims per minute, whole comparisons first."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.analyse.deciding import Needs, Point, keys_of
from harness.analyse.point_choice import cases_for, decided_by, points_in

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
    """A claim, and what decides it."""

    claim: str
    needs: Needs

    def points(self, whole: bool) -> int:
        """How many of its points: as many as there are to have, or the least that still make a comparison."""
        return min(self.needs.declared, len(self.needs.points)) if whole else self.needs.least


@dataclass(frozen=True)
class Decided:
    """A claim that will be decided, and by how many points of how many."""

    claim: str
    points: int
    declared: int

    @property
    def whole(self) -> bool:
        """By all of them."""
        return self.points == self.declared


@dataclass(frozen=True)
class Chosen:
    """What fits: these cases with so many measured starts each, and the claims that they decide."""

    cases: tuple[str, ...]
    iterations: int
    decided: tuple[Decided, ...]
    seconds: float

    @property
    def claims(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(each.claim for each in self.decided)

    def worth(self, new: Collection[str]) -> tuple[int, int, int]:
        """To be compared: how many of the ``new`` claims it decides, how many whole, and how many in all."""
        return sum(name in new for name in self.claims), sum(each.whole for each in self.decided), len(self.decided)


Costs = Mapping[str, Cost]


def is_measured(candidate: Candidate, costs: Costs, iterations: int) -> bool:
    """Whether nothing is left to start for it."""
    return decided_by(candidate.needs, _complete(costs, iterations), candidate.points(whole=True))


def choose(costs: Costs, candidates: Sequence[Candidate], budget_s: float, iterations: int) -> Chosen | None:
    """The best choice within ``budget_s``; None if nothing that is not measured fits.

    Of as many measured starts as fit, up to ``iterations``: a claim more is worth fewer repeats, but an interval (two
    repeats) is worth more than a claim. Of equals whole comparisons, then most repeats. What is decided already gets
    the time that is left.
    """
    now = _complete(costs, min(iterations, LEAST_FOR_AN_INTERVAL))
    new = [each for each in candidates if not decided_by(each.needs, now, each.needs.least)]
    old = [each for each in candidates if each not in new]
    everything = [*new, *old]
    phases = [(new, True), (new, False), (everything, True), (everything, False)]
    others = {each.claim for each in candidates if each.needs.repeats == 1}
    first: Chosen | None = None
    for numbers in (range(iterations, LEAST_FOR_AN_INTERVAL - 1, -1), range(1, 2)):
        ways = [(number, cheapest) for number in numbers for cheapest in (False, True)]
        tried = [_Greedy(costs, number, budget_s, cheapest).chosen(phases) for number, cheapest in ways]
        if found := [each for each in tried if each.decided]:
            names = {each.claim for each in new}
            best = max(found, key=lambda each: each.worth(names))
            if others.intersection(best.claims):
                return best
            first = first or best  # how starts spread alone is no reason not to make more of them
    return first


def least_seconds(candidate: Candidate, costs: Costs, iterations: int) -> float:
    """Of the least that adds to what is known of the claim."""
    tried = [
        _Greedy(costs, number, math.inf, cheapest=True).chosen([([candidate], whole)])
        for number in range(1, iterations + 1)
        for whole in (True, False)
    ]
    return min((each.seconds for each in tried if each.decided), default=0.0)


def whole_seconds(candidate: Candidate, costs: Costs, iterations: int) -> float:
    """Of all its points that there are to have."""
    return _Greedy(costs, iterations, math.inf, cheapest=True).chosen([([candidate], True)]).seconds


def _complete(costs: Costs, iterations: int) -> set[str]:
    """The cases of which nothing is missing for so many measured starts."""
    return {case for case, cost in costs.items() if cost.stored >= iterations}


class _Greedy:
    """Again and again the claim whose missing cases decide most claims per second, as long as one fits.

    ``cheapest``: by the points that take least time, else by those that most claims share.
    """

    def __init__(self, costs: Costs, iterations: int, budget_s: float, cheapest: bool) -> None:
        self.iterations, self.budget_s, self.cheapest = iterations, budget_s, cheapest
        self.seconds = {case: cost.seconds(iterations) for case, cost in costs.items()}
        self.begun = {case for case, cost in costs.items() if cost.stored}
        self.complete = _complete(costs, iterations)
        self.cases: dict[str, None] = {}
        self.spent_s = 0.0

    @property
    def have(self) -> set[str]:
        """The cases that will be complete."""
        return {*self.complete, *self.cases}

    def chosen(self, phases: Sequence[tuple[Sequence[Candidate], bool]]) -> Chosen:
        """Everything that fits, of claims that are to be decided whole (or by their least parts), phase by phase."""
        for candidates, whole in phases:
            possible = [each for each in candidates if each.needs.repeats <= self.iterations]
            while offers := self._offers(possible, whole):
                _, added_s, cases = max(offers, key=lambda offer: offer[:2])
                self.cases.update(dict.fromkeys(cases))
                self.spent_s -= added_s
        decided = tuple(self._decided(phases[-1][0]))
        return Chosen(tuple(self.cases), self.iterations, decided, self.spent_s)

    def _offers(self, candidates: Sequence[Candidate], whole: bool) -> list[tuple[float, float, list[str]]]:
        """Of each claim whose missing cases fit: claims decided per second, minus the seconds, and these cases."""
        have = self.have
        open_ = [each for each in candidates if not decided_by(each.needs, have, each.points(whole))]
        uses = Counter(case for each in open_ for case in keys_of(each.needs.starts))
        offers = []
        for candidate in open_:
            cases = self._missing(candidate, whole, have, uses)
            added_s = sum(self.seconds[case] for case in cases)
            if self.spent_s + added_s <= self.budget_s:
                after = {*have, *cases}
                decided = sum(decided_by(each.needs, after, each.points(whole)) for each in open_)
                offers.append((decided / max(added_s, 1e-9), -added_s, cases))
        return offers

    def _missing(self, candidate: Candidate, whole: bool, have: set[str], uses: Counter[str]) -> list[str]:
        """What is begun of it, too: it stands in the figure, and its few repeats would be all that an interval has."""
        needs = candidate.needs
        begun = [case for case in keys_of(needs.starts) if case in self.begun and case not in have]
        if needs.repeats > 1:  # of any one case, whatever is beside it
            begun = []

        def shared(point: Point) -> float:
            return min((uses[case] for case in point.cases), default=0)

        def cheap(point: Point) -> float:
            return -sum(self.seconds[case] for case in point.cases)

        first = cheap if self.cheapest else shared
        return [*begun, *cases_for(needs, {*have, *begun}, candidate.points(whole), first, self.seconds)]

    def _decided(self, candidates: Iterable[Candidate]) -> Iterator[Decided]:
        """What these cases decide, whole or in part, of which what is complete alone has less."""
        for candidate in candidates:
            needs = candidate.needs
            points = len(points_in(needs, self.have))
            more = points > len(points_in(needs, self.complete)) or not decided_by(needs, self.complete, needs.least)
            if more and needs.repeats <= self.iterations and decided_by(needs, self.have, needs.least):
                yield Decided(candidate.claim, min(points, needs.declared), needs.declared)
