"""Make the tokenizer of a structural twin: byte-level BPE of a given vocabulary, merge count and file size.

Why: loading a tokenizer costs by its entries, its merges and its bytes, so a twin must match all three; what the
entries say does not matter. Nothing is trained. Standard library only, so it runs under any Python.

The entries and merges are those of ``worker_twin_vocabulary``; the file size is set by the number of vowels of each
of its syllables, and by the layout where even none is too large.
"""

import itertools
import json
from pathlib import Path
from typing import Any, NamedTuple

from experiments.cold_start.worker_twin_vocabulary import CONSONANTS, byte_alphabet, vocabulary_and_merges

SIZE_TOLERANCE = 0.10  # of the asked file size; most are within half a percent


class TokenizerRequest(NamedTuple):
    """What the tokenizer must have."""

    entries: int  # all of them, special tokens included
    special_tokens: int | None  # how many; None = those that the config names
    merges: int | None  # None = one per entry that is neither a byte nor special
    file_bytes: int | None  # of tokenizer.json, met within SIZE_TOLERANCE; None = what the entries take
    bos_ids: tuple[int, ...]
    eos_ids: tuple[int, ...]
    pad_ids: tuple[int, ...]
    end_text: str  # the text of the end token
    max_length: int  # tokens; goes into tokenizer_config.json
    seed: int


def write_tokenizer(folder: Path, request: TokenizerRequest) -> int:
    """Write ``tokenizer.json`` and ``tokenizer_config.json``; return the bytes of the former.

    Raises:
        ValueError: no tokenizer of this design has the asked entries, merges and size.
    """
    special = _special_tokens(request)
    text = _text_of_asked_size(request, special)
    size = len(text.encode())
    if request.file_bytes and abs(size - request.file_bytes) > SIZE_TOLERANCE * request.file_bytes:
        raise ValueError(f"cannot make a tokenizer.json of {request.file_bytes} bytes; nearest is {size}")
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    by_id = {token["id"]: token["content"] for token in special}
    config: dict[str, Any] = {
        "added_tokens_decoder": {
            str(token["id"]): {key: value for key, value in token.items() if key != "id"} for token in special
        },
        "clean_up_tokenization_spaces": False,
        "model_max_length": request.max_length,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    for role, ids in (("bos_token", request.bos_ids), ("eos_token", request.eos_ids), ("pad_token", request.pad_ids)):
        if ids:
            config[role] = by_id[ids[0]]
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(sorted(config.items())), indent=2) + "\n", "utf-8")
    return size


def special_ids(request: TokenizerRequest) -> list[int]:
    """The ids of the special tokens, ascending: those that the config names, and where these are at an end, more there.

    Raises:
        ValueError: a named id that is no entry.
    """
    named = {*request.bos_ids, *request.eos_ids, *request.pad_ids}
    if outside := sorted(i for i in named if not 0 <= i < request.entries):
        raise ValueError(f"special token {outside[0]} is not among the {request.entries} entries")
    missing = max(0, (request.special_tokens or 0) - len(named))
    first = any(i < len(byte_alphabet()) for i in named)  # SentencePiece's stand first, rank tables' last
    others = (i for i in (range(request.entries) if first else range(request.entries - 1, -1, -1)) if i not in named)
    return sorted([*named, *itertools.islice(others, missing)])


def _text_of_asked_size(request: TokenizerRequest, special: list[dict[str, Any]]) -> str:
    """The text of ``tokenizer.json``, indented as it is published; compact where that alone is too large."""
    bare = [0] * len(CONSONANTS)
    count = request.entries - len(special)
    entries, merges = vocabulary_and_merges(count, request.merges, request.seed, bare)
    text = _tokenizer_json(entries, merges, special, indented=True)
    if request.file_bytes is None:
        return text
    indented = len(text.encode()) <= request.file_bytes
    if not indented:
        text = _tokenizer_json(entries, merges, special, indented=False)
    counts = _vowel_counts(entries, merges, request.file_bytes - len(text.encode()))
    if counts == bare:
        return text
    entries, merges = vocabulary_and_merges(count, request.merges, request.seed, counts)
    return _tokenizer_json(entries, merges, special, indented)


def _vowel_counts(entries: list[str], merges: list[tuple[str, str]], missing: int) -> list[int]:
    """Vowels of each syllable, so that a file without any grows by ``missing`` bytes (to about half a percent).

    A vowel more in a syllable costs one byte per occurrence of the syllable in the vocabulary and the merges.
    """
    occurrences = dict.fromkeys(CONSONANTS, 0)
    for text in ("".join(entries[256:]), "".join(a + b for a, b in merges)):
        for consonant in CONSONANTS:
            occurrences[consonant] += text.count(consonant)
    everywhere = max(0, missing // max(1, sum(occurrences.values())))
    missing -= everywhere * sum(occurrences.values())
    counts = []
    for consonant in CONSONANTS:
        more = 1 if missing > occurrences[consonant] / 2 else 0
        missing -= more * occurrences[consonant]
        counts.append(everywhere + more)
    return counts


def _special_tokens(request: TokenizerRequest) -> list[dict[str, Any]]:
    """The special tokens in order of their ids."""
    roles = (
        ("<|pad|>", request.pad_ids),
        ("<|begin_of_text|>", request.bos_ids),
        (request.end_text, request.eos_ids),
    )
    names = {ids[0]: name for name, ids in roles if ids}  # one token can have several roles
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return [
        {"id": i, "content": names.get(i, f"<|special_{place}|>"), **flags}
        for place, i in enumerate(special_ids(request))
    ]


def _ids(entries: list[str], special: list[dict[str, Any]]) -> dict[str, int]:
    """The model's vocabulary: entries and the special tokens among them.

    Special tokens after the last entry are not in it: they are added ones, as the published files have them.
    """
    by_id = {token["id"]: token["content"] for token in special}
    vocabulary: dict[str, int] = {}
    number = 0
    for entry in entries:
        while number in by_id:
            vocabulary[by_id[number]] = number
            number += 1
        vocabulary[entry] = number
        number += 1
    return vocabulary


def _tokenizer_json(
    entries: list[str], merges: list[tuple[str, str]], special: list[dict[str, Any]], indented: bool
) -> str:
    """The text of ``tokenizer.json``, each merge one string."""
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
            "vocab": _ids(entries, special),
            "merges": [f"{left} {right}" for left, right in merges],
        },
    }
    layout: dict[str, Any] = {"indent": 2} if indented else {"separators": (",", ":")}
    return json.dumps(document, ensure_ascii=False, **layout) + "\n"
