"""Logic puzzles, made from a seed: what is asked of two engines that should answer alike. Reasoning, not recall.

Three kinds: knights and knaves, orders of a queue, sums of whole numbers. Each has exactly one solution: true clues are
drawn until all candidates but one are excluded, then those that exclude nothing are dropped.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product

KINDS = ("knights", "order", "sums")
NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana")
_LARGEST = 12
_NTH = ("first", "second", "third", "fourth", "fifth")
_FORM = "Think step by step, then end with one line of the form 'Answer: …'."

Candidate = tuple[int, ...]
Rule = Callable[[Candidate], bool]


@dataclass(frozen=True)
class Puzzle:
    """``text`` is the whole prompt, ``answer`` what has to stand behind 'Answer:'."""

    kind: str
    text: str
    answer: str


@dataclass(frozen=True)
class Clue:
    """A sentence, and which candidates it allows."""

    text: str
    allows: Rule


def make_puzzles(count: int, seed: int) -> list[Puzzle]:
    """``count`` different puzzles, the kinds in turn; equal arguments, equal puzzles."""
    makers = (_knights, _order, _sums)
    rng = random.Random(f"puzzles:{seed}")
    puzzles: dict[str, Puzzle] = {}
    while len(puzzles) < count:
        puzzle = makers[len(puzzles) % len(makers)](rng)
        puzzles.setdefault(puzzle.text, puzzle)
    return list(puzzles.values())


def _telling(rng: random.Random, candidates: Sequence[Candidate], truth: Candidate, pool: list[Clue]) -> list[Clue]:
    """True clues of ``pool`` that together leave only ``truth``, none of them superfluous; empty: the pool has none."""
    rng.shuffle(pool)
    left, chosen = list(candidates), list[Clue]()
    for clue in pool:
        fewer = [each for each in left if clue.allows(each)] if clue.allows(truth) else left
        if len(fewer) < len(left):
            left, chosen = fewer, [*chosen, clue]
    if len(left) > 1:
        return []
    for clue in list(chosen):
        others = [each for each in chosen if each is not clue]
        if sum(all(other.allows(each) for other in others) for each in candidates) == 1:
            chosen = others
    return chosen


def _knights(rng: random.Random) -> Puzzle:
    """Who tells the truth? A candidate is 1 for each knight, 0 for each knave."""
    while True:
        names = sorted(rng.sample(NAMES, 3))
        candidates = list(product((0, 1), repeat=3))
        truth = rng.choice(candidates)
        if clues := _telling(rng, candidates, truth, list(_statements(names))):
            break
    who = ", ".join(name for name, knight in zip(names, truth, strict=True) if knight) or "nobody"
    told = " ".join(clue.text for clue in clues)
    text = (
        f"On an island, knights always tell the truth and knaves always lie. {_list(names)} live there. {told} "
        f"Which of them are knights? Give the names in alphabetical order, separated by commas, or 'nobody'. {_FORM}"
    )
    return Puzzle("knights", text, who)


def _statements(names: Sequence[str]) -> Iterator[Clue]:
    for speaker, name in enumerate(names):
        a, b = (each for each in range(3) if each != speaker)
        claims: list[tuple[str, Rule]] = [
            (f"{names[a]} and {names[b]} are of the same kind", _apart(a, b, 0)),
            ("exactly one of us is a knight", _total(1)),
            ("exactly two of us are knights", _total(2)),
        ]
        for other in (a, b):
            claims.append((f"{names[other]} is a knave", _not(other, 1)))
            claims.append((f"{names[other]} and I are of different kinds", _apart(other, speaker, 1)))
        for said, claim in claims:
            yield Clue(f"{name} says: '{said}.'", _says(speaker, claim))


def _says(speaker: int, claim: Rule) -> Rule:
    """A knight's claim holds, a knave's does not."""
    return lambda kinds: claim(kinds) == bool(kinds[speaker])


def _total(wanted: int) -> Rule:
    return lambda candidate: sum(candidate) == wanted


def _not(which: int, value: int) -> Rule:
    return lambda candidate: candidate[which] != value


def _apart(a: int, b: int, by: int) -> Rule:
    return lambda candidate: abs(candidate[a] - candidate[b]) == by


def _behind(a: int, b: int, by: int | None = None) -> Rule:
    """``a`` is behind ``b``, by so many places; None: by any number."""
    return lambda places: places[a] > places[b] if by is None else places[a] - places[b] == by


def _order(rng: random.Random) -> Puzzle:
    """Who stands where? A candidate has the place of each person."""
    while True:
        size = rng.choice((4, 5))
        names = sorted(rng.sample(NAMES, size))
        candidates = list(permutations(range(size)))
        truth = rng.choice(candidates)
        if clues := _telling(rng, candidates, truth, list(_places(names))):
            break
    place = rng.randrange(size)
    told = " ".join(clue.text for clue in clues)
    text = f"{_list(names)} stand in a queue. {told} Who is {_NTH[place]} in the queue? {_FORM}"
    return Puzzle("order", text, names[truth.index(place)])


def _places(names: Sequence[str]) -> Iterator[Clue]:
    for a, b in permutations(range(len(names)), 2):
        yield Clue(f"{names[a]} is somewhere before {names[b]}.", _behind(b, a))
        yield Clue(f"{names[a]} is directly behind {names[b]}.", _behind(a, b, 1))
    for a, b in combinations(range(len(names)), 2):
        yield Clue(f"Exactly one person stands between {names[a]} and {names[b]}.", _apart(a, b, 2))
    for a, name in enumerate(names):
        yield Clue(f"{name} is not first.", _not(a, 0))
        yield Clue(f"{name} is not last.", _not(a, len(names) - 1))


def _sums(rng: random.Random) -> Puzzle:
    """Which numbers? A candidate has three of them, rising."""
    while True:
        candidates = list(combinations(range(1, _LARGEST + 1), 3))
        truth = rng.choice(candidates)
        if clues := _telling(rng, candidates, truth, list(_relations(truth))):
            break
    asked = rng.randrange(3)
    told = " ".join(clue.text for clue in clues)
    which = ("smallest", "middle", "largest")[asked]
    text = f"Three different whole numbers lie between 1 and {_LARGEST}. {told} What is the {which} number? {_FORM}"
    return Puzzle("sums", text, str(truth[asked]))


def _relations(n: Candidate) -> Iterator[Clue]:
    """Clues that are true of ``n``."""
    low, high, even = n[0] + n[1], n[1] * n[2], _evens(n)
    yield Clue(f"Their sum is {sum(n)}.", _total(sum(n)))
    yield Clue(f"The largest is {n[2] - n[0]} more than the smallest.", _apart(2, 0, n[2] - n[0]))
    yield Clue(f"The two smaller ones add up to {low}.", lambda k: k[0] + k[1] == low)
    yield Clue(f"The product of the two larger ones is {high}.", lambda k: k[1] * k[2] == high)
    how_many = ("None", "One", "Two", "Three")[even]
    yield Clue(f"{how_many} of them {'is' if even == 1 else 'are'} even.", lambda k: _evens(k) == even)


def _evens(numbers: Candidate) -> int:
    return sum(each % 2 == 0 for each in numbers)


def _list(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
