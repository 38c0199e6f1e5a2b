"""The dialogues that were generated so far: which have a given opening, and what follows a prefix anywhere."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from harness.traces.shape import END

ROOT = -1  # stands for a dialogue before all others, of which every one shares no symbol
TRIES = 100  # random picks before all are looked at


class Opening(NamedTuple):
    """Where a prefix ends: after so many whole messages of these lengths, and so many words into the next."""

    whole: tuple[int, ...]
    within: int

    @property
    def messages(self) -> int:
        """Number of whole messages."""
        return len(self.whole)

    @classmethod
    def of(cls, lengths: tuple[int, ...], symbols: int) -> "Opening":
        """The opening of the first ``symbols`` symbols of a dialogue with messages of ``lengths``."""
        for place, length in enumerate(lengths):
            if symbols <= length:
                return cls(lengths[:place], symbols)
            symbols -= length + 1
        return cls(lengths, 0)


class Earlier:
    """Dialogues as symbols; prefixes that several share are known by who had them first."""

    def __init__(self) -> None:
        self.symbols: list[list[int]] = []
        self.lengths: list[tuple[int, ...]] = []
        self._copied: list[tuple[int, int]] = []  # from which dialogue, how many symbols
        self._by_whole: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        self._departures: dict[tuple[int, int], set[int]] = {}  # (first owner, length) of a prefix → what follows it

    def add(self, symbols: list[int], lengths: tuple[int, ...], source: int, shared: int) -> None:
        """One more dialogue, whose first ``shared`` symbols are ``source``'s and whose next ones nobody's."""
        if len(symbols) > shared:
            self.continued(source, shared).add(symbols[shared])
        number = len(self.symbols)
        self.symbols.append(symbols)
        self.lengths.append(lengths)
        self._copied.append((source, shared))
        for place in range(len(lengths) + 1):
            self._by_whole[lengths[:place]].append(number)

    def continued(self, dialogue: int, length: int) -> set[int]:
        """Every symbol that follows the first ``length`` symbols of ``dialogue`` in any dialogue so far."""
        owner = self._owner(dialogue, length)
        theirs = self.symbols[owner][length : length + 1] if owner != ROOT else []
        return self._departures.setdefault((owner, length), set(theirs))

    def _owner(self, dialogue: int, length: int) -> int:
        """Who had this prefix first."""
        if length == 0:
            return ROOT
        while length <= self._copied[dialogue][1]:
            dialogue = self._copied[dialogue][0]
        return dialogue

    def with_opening(self, opening: Opening, ends: bool, stream: random.Random) -> int | None:
        """One of the dialogues that have this opening; with ``ends``, where no message ends there yet."""
        known = self._by_whole.get(opening.whole, [])
        length = sum(opening.whole) + opening.messages + opening.within

        def fits(number: int) -> bool:
            lengths = self.lengths[number]
            long_enough = opening.within == 0 or lengths[opening.messages : opening.messages + 1] >= (opening.within,)
            return long_enough and not (ends and END in self.continued(number, length))

        return _one_of(known, fits, stream)

    def with_symbols(self, least: int, stream: random.Random) -> int | None:
        """One of the dialogues that have so many symbols."""
        return _one_of(range(len(self.symbols)), lambda number: len(self.symbols[number]) >= least, stream)


def _one_of(numbers: Sequence[int], fits: Callable[[int], bool], stream: random.Random) -> int | None:
    """A random one that fits; where those are rare, the first one; None if there is none."""
    tried = (numbers[stream.randrange(len(numbers))] for _ in range(TRIES if numbers else 0))
    found = next(filter(fits, tried), None)
    return next(filter(fits, numbers), None) if found is None else found
