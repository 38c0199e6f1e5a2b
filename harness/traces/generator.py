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
    lengths = outline.lengths
    shared = min(outline.shared, sum(lengths) + len(lengths))
    source, shared, lengths = _source(earlier, shared, lengths, stream)
    made = earlier.symbols[source][:shared] if shared else []
    while len(made) < sum(lengths) + len(lengths):
        opening = Opening.of(lengths, len(made))
        if opening.within == lengths[opening.messages] and not (
            len(made) == shared and END in earlier.continued(source, shared)
        ):
            made.append(END)
            continue
        if len(made) > shared:
            made.append(stream.randrange(words))
            continue
        if opening.within == lengths[opening.messages]:  # an earlier one ends here, too: depart by a word instead
            lengths = (*lengths[: opening.messages], opening.within + 1, *lengths[opening.messages + 1 :])
        free = sorted(set(range(words)) - earlier.continued(source, shared))
        if free:
            made.append(free[stream.randrange(len(free))])
        else:  # every word stands here already: share one symbol more
            source, shared, lengths = _source(earlier, shared + 1, lengths, stream)
            made = earlier.symbols[source][:shared]
    earlier.add(made, lengths, source, shared)
    return made


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
