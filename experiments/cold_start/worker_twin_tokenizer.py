"""Make the tokenizer of a structural twin: byte-level BPE of a given vocabulary, merge count and file size.

Why: loading a tokenizer costs by its entries, its merges and its bytes, so a twin must match all three; what the
entries say does not matter. Nothing is trained. Standard library only, so it runs under any Python.

How: entries are words of syllables. A syllable is one of 24 consonants and some vowels, so that every text splits into
syllables in one way only and different syllable sequences are different strings. All words of k syllables exist before
the first of k + 1, therefore every way to cut a word into two gives two older entries: a word of k syllables can carry
1 to k - 1 merges, as in tokenizers converted from a rank table (Llama 3 has 2.2 merges per entry). The file size is set
by the number of vowels of each syllable.
"""

import json
import random
from pathlib import Path
from typing import Any, NamedTuple

CONSONANTS = "bcdfghjklmnpqrstvwxzBCDF"
VOWELS = "aeiou"
SIZE_TOLERANCE = 0.03  # of the asked file size

Word = tuple[int, ...]  # indices of syllables


class TokenizerRequest(NamedTuple):
    """What the tokenizer must have."""

    entries: int  # all of them, special tokens included
    special_tokens: int  # the last entries
    merges: int | None  # None = one per entry that is neither a byte nor special
    file_bytes: int  # of tokenizer.json, met within SIZE_TOLERANCE
    bos_id: int
    eos_id: int
    max_length: int  # tokens; goes into tokenizer_config.json
    seed: int


def write_tokenizer(folder: Path, request: TokenizerRequest) -> int:
    """Write ``tokenizer.json`` and ``tokenizer_config.json``; return the bytes of the former.

    Raises:
        ValueError: no tokenizer of this design has the asked entries, merges and size.
    """
    special = _special_tokens(request)
    text = _tokenizer_json(request, _vowel_counts(request, special), special)
    size = len(text.encode())
    if abs(size - request.file_bytes) > SIZE_TOLERANCE * request.file_bytes:
        raise ValueError(f"cannot make a tokenizer.json of {request.file_bytes} bytes; nearest is {size}")
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    by_id = {token["id"]: token["content"] for token in special}
    config = {
        "added_tokens_decoder": {
            str(token["id"]): {key: value for key, value in token.items() if key != "id"} for token in special
        },
        "bos_token": by_id[request.bos_id],
        "clean_up_tokenization_spaces": False,
        "eos_token": by_id[request.eos_id],
        "model_max_length": request.max_length,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return size


def byte_alphabet() -> list[str]:
    """The characters that stand for bytes 0–255 in byte-level BPE: GPT-2's mapping, printable bytes are themselves."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    stand_in = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(stand_in)) for byte in range(256)]


def vocabulary_and_merges(
    request: TokenizerRequest, vowel_counts: list[int]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Entries in order of their id (special tokens excluded) and merges in order of their rank."""
    draw = random.Random(request.seed)  # only .random() is used: its sequence is the same in every Python version
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
    words = _words(request.entries - request.special_tokens - len(entries), draw)
    cuts = _cuts_per_word(words, None if request.merges is None else request.merges - len(merges))
    for word, count in zip(words, cuts, strict=True):
        parts = [syllables[index] for index in word]
        entries.append("".join(parts))
        merges += [("".join(parts[:-n]), "".join(parts[-n:])) for n in range(1, count + 1)]
    return entries, merges


def _words(count: int, draw: random.Random) -> list[Word]:
    """``count`` different words, shorter ones first, shuffled within a length; of the longest a random choice."""
    if count < 0:
        raise ValueError(f"{-count} entries too few for the byte alphabet, the syllables and the special tokens")
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


def _vowel_counts(request: TokenizerRequest, special: list[dict[str, Any]]) -> list[int]:
    """Vowels of each syllable, so that the file gets the asked size (to about half a percent).

    A vowel more in a syllable costs one byte per occurrence of the syllable in the vocabulary and the merges.
    """
    bare = [0] * len(CONSONANTS)
    entries, merges = vocabulary_and_merges(request, bare)
    occurrences = dict.fromkeys(CONSONANTS, 0)
    for text in ("".join(entries[256:]), "".join(a + b for a, b in merges)):
        for consonant in CONSONANTS:
            occurrences[consonant] += text.count(consonant)
    missing = request.file_bytes - len(_tokenizer_json(request, bare, special).encode())
    everywhere = max(0, missing // max(1, sum(occurrences.values())))
    missing -= everywhere * sum(occurrences.values())
    counts = []
    for consonant in CONSONANTS:
        more = 1 if missing > occurrences[consonant] / 2 else 0
        missing -= more * occurrences[consonant]
        counts.append(everywhere + more)
    return counts


def _special_tokens(request: TokenizerRequest) -> list[dict[str, Any]]:
    """The special tokens, which are the last entries of the vocabulary."""
    names = {request.bos_id: "<|begin_of_text|>", request.eos_id: "<|end_of_text|>"}
    ids = range(request.entries - request.special_tokens, request.entries)
    if outside := [i for i in names if i not in ids]:
        raise ValueError(f"begin or end token {outside[0]} is not among the special tokens {ids.start}–{ids.stop - 1}")
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return [{"id": i, "content": names.get(i, f"<|special_{i - ids.start}|>"), **flags} for i in ids]


def _tokenizer_json(request: TokenizerRequest, vowel_counts: list[int], special: list[dict[str, Any]]) -> str:
    """The text of ``tokenizer.json``, in the published layout (indented, each merge one string)."""
    entries, merges = vocabulary_and_merges(request, vowel_counts)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {entry: index for index, entry in enumerate(entries)},
            "merges": [f"{left} {right}" for left, right in merges],
        },
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
