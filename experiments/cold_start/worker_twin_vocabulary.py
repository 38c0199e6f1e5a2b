"""The vocabulary and merges of a structural twin's tokenizer: a byte-level BPE of given size, without training.

Entries are words of syllables. A syllable is one of 24 consonants and some vowels, so that every text splits into
syllables in one way only and different syllable sequences are different strings. All words of k syllables exist before
the first of k + 1, therefore every way to cut a word into two gives two older entries: a word of k syllables can carry
1 to k - 1 merges, as in tokenizers converted from a rank table (Llama 3 has 2.2 merges per entry). Standard library
only.
"""

import random

CONSONANTS = "bcdfghjklmnpqrstvwxzBCDF"
VOWELS = "aeiou"

Word = tuple[int, ...]  # indices of syllables


def byte_alphabet() -> list[str]:
    """The characters that stand for bytes 0–255 in byte-level BPE: GPT-2's mapping, printable bytes are themselves."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    stand_in = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(stand_in)) for byte in range(256)]


def vocabulary_and_merges(
    count: int, merge_count: int | None, seed: int, vowel_counts: list[int]
) -> tuple[list[str], list[tuple[str, str]]]:
    """``count`` entries in order of their id, none of them special, and the merges in order of their rank.

    ``merge_count``: None = one per entry that is no byte. ``vowel_counts``: vowels of each syllable.

    Raises:
        ValueError: too few entries, or a number of merges that they cannot carry.
    """
    draw = random.Random(seed)  # only .random() is used: its sequence is the same in every Python version
    syllables = [
        consonant + "".join(VOWELS[int(draw.random() * len(VOWELS))] for _ in range(count))
        for consonant, count in zip(CONSONANTS, vowel_counts, strict=True)
    ]
    entries = byte_alphabet()
    merges: list[tuple[str, str]] = []
    for syllable in syllables:  # "bae" needs the entries "ba" and "bae"
        for end in range(2, len(syllable) + 1):
            entries.append(syllable[:end])
            merges.append((syllable[: end - 1], syllable[end - 1]))
    words = _words(count - len(entries), draw)
    cuts = _cuts_per_word(words, None if merge_count is None else merge_count - len(merges))
    for word, count in zip(words, cuts, strict=True):
        parts = [syllables[index] for index in word]
        entries.append("".join(parts))
        merges += [("".join(parts[:-n]), "".join(parts[-n:])) for n in range(1, count + 1)]
    return entries, merges


def _words(count: int, draw: random.Random) -> list[Word]:
    """``count`` different words, shorter ones first, shuffled within a length; of the longest a random choice."""
    if count < 0:
        raise ValueError(f"{-count} entries too few for bytes, syllables and special tokens")
    words: list[Word] = []
    length, base = 2, len(CONSONANTS)
    while len(words) < count:
        numbers = sorted(range(base**length), key=lambda _: draw.random())[: count - len(words)]
        words += [tuple(number // base**place % base for place in range(length)) for number in numbers]
        length += 1
    return words


def _cuts_per_word(words: list[Word], merges: int | None) -> list[int]:
    """How many merges each word gets (at least 1, at most its syllables - 1), ``merges`` in all, spread evenly."""
    cuts = [1] * len(words)
    if merges is None:
        return cuts
    spare = [len(word) - 2 for word in words]
    wanted, available = merges - len(words), sum(spare)
    if not 0 <= wanted <= available:
        raise ValueError(f"{len(words)} words can carry {len(words)} to {len(words) + available} merges, not {merges}")
    passed = 0
    for index, room in enumerate(spare):
        # The words up to here get their share of the extra merges, rounded down: exact at the end.
        if room:
            cuts[index] += (passed + room) * wanted // available - passed * wanted // available
            passed += room
    return cuts
