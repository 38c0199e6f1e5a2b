"""Dialogues from a seed, with the turns, lengths and cross-dialogue prefix sharing of a real corpus.

Each dialogue takes the outline of one of the corpus: the lengths of its messages and how many symbols it shares with
the dialogues before it. It copies so many from an earlier dialogue with the same opening lengths, then departs with a
word that no earlier dialogue has at that place, so that its longest shared prefix is exactly as long as the outline
says. What the words say does not matter; that each is one token does.

Outlines are taken in the corpus's order, because sharing grows with the number of dialogues before, but shuffled in
groups by the seed. Beyond the corpus's length they come from its second half, again and again: sharing stays at that
level, though a real corpus's would go on growing slowly.
"""

import random
from collections.abc import Iterator
from itertools import accumulate

from harness.traces.dialogues import Dialogue
from harness.traces.earlier import ROOT, Earlier, Opening
from harness.traces.shape import END, Outline, Shape

GROUP = 100  # outlines that are shuffled among themselves


def generate(shape: Shape, words: list[str], seed: int) -> Iterator[Dialogue]:
    """Dialogues without end; a longer series begins with the shorter one of the same seed."""
    stream = random.Random(f"{seed} dialogues")
    earlier = Earlier()
    for outline in planned(shape.outlines, seed):
        yield _as_text(_add(earlier, outline, len(words), stream), words)


def planned(outlines: tuple[Outline, ...], seed: int) -> Iterator[Outline]:
    """Groups of 1, 1, 2, 4, … 100, 100, … outlines, each shuffled; then the second half, anew each time."""
    stream = random.Random(f"{seed} outlines")
    begin = 0
    while begin < len(outlines):
        group = list(outlines[begin : begin + min(max(1, begin), GROUP)])
        begin += len(group)
        stream.shuffle(group)
        yield from group
    while True:
        again = list(outlines[len(outlines) // 2 :])
        stream.shuffle(again)
        yield from again


def _add(earlier: Earlier, outline: Outline, words: int, stream: random.Random) -> list[int]:
    """The symbols of one more dialogue, words by number."""
    source, shared, lengths = _source(earlier, outline.shared, outline.lengths, stream)
    departure, lengths = _departure(earlier, source, shared, lengths, words, stream)
    while departure is None:  # every word stands there already: share one symbol more
        source, shared, lengths = _source(earlier, shared + 1, lengths, stream)
        departure, lengths = _departure(earlier, source, shared, lengths, words, stream)
    ends = {end - 1 for end in accumulate(length + 1 for length in lengths)}
    made = (earlier.symbols[source][:shared] if shared else []) + departure
    made += [END if place in ends else stream.randrange(words) for place in range(len(made), max(ends) + 1)]
    earlier.add(made, lengths, source, shared)
    return made


def _departure(
    earlier: Earlier, source: int, shared: int, lengths: tuple[int, ...], words: int, stream: random.Random
) -> tuple[list[int] | None, tuple[int, ...]]:
    """The symbol that follows the copied ones as in no earlier dialogue, and the lengths that the new one then has.

    No symbol for one that is nothing but a copy; None where all words are taken.
    """
    opening = Opening.of(lengths, shared)
    if opening.messages == len(lengths):
        return [], lengths
    taken = earlier.continued(source, shared)
    if opening.within == lengths[opening.messages]:
        if END not in taken:
            return [END], lengths
        # An earlier one ends here, too: this one has a word more.
        lengths = (*lengths[: opening.messages], opening.within + 1, *lengths[opening.messages + 1 :])
    free = sorted(set(range(words)) - taken)
    return [free[stream.randrange(len(free))]] if free else None, lengths


def _source(
    earlier: Earlier, shared: int, lengths: tuple[int, ...], stream: random.Random
) -> tuple[int, int, tuple[int, ...]]:
    """Which dialogue to copy from, how many symbols, and the lengths that the new dialogue then has."""
    while shared:
        opening = Opening.of(lengths, shared)
        ends = opening.messages < len(lengths) and lengths[opening.messages] == opening.within
        source = earlier.with_opening(opening, ends, stream)
        if source is not None:
            return source, shared, lengths
        source = earlier.with_symbols(shared, stream)
        if source is not None:  # none has these lengths: take another one's up to there
            theirs = earlier.lengths[source]
            opening = Opening.of(theirs, shared)
            rest = lengths[opening.messages :] or lengths[-2:]
            taken = (*theirs[: opening.messages], max(rest[0], opening.within + 1), *rest[1:])
            return source, shared, taken if len(taken) % 2 == 0 else (*taken, lengths[-1])
        shared -= 1
    return ROOT, 0, lengths


def _as_text(made: list[int], words: list[str]) -> Dialogue:
    messages: list[list[str]] = [[]]
    for symbol in made[:-1]:
        if symbol == END:
            messages.append([])
        else:
            messages[-1].append(words[symbol])
    texts = [" ".join(message) for message in messages]
    return Dialogue(tuple(zip(texts[::2], texts[1::2], strict=True)))
