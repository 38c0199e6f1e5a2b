"""The requests of a load level: random words, so that no two prompts have a beginning in common."""

import hashlib
import json
import random
import string
from collections.abc import Iterable

from harness.record.load import LoadRow
from harness.spec.anatomy import LoadLevel, Prompts

_LONGEST = 8  # letters of a word
_WARM_TOKENS = 8


def level_rows(level: LoadLevel, prompts: Prompts, repeat: int) -> list[LoadRow]:
    """The level's requests; every repeat has others, decided by the seed."""
    lengths = (prompts.min_output_tokens, prompts.max_output_tokens)
    return _rows(level.requests, prompts.words, lengths, f"{prompts.seed} {repeat} {level.id}")


def warm_rows(level: LoadLevel, prompts: Prompts) -> list[LoadRow]:
    """What is sent before, unmeasured: the first batch of a size is slow."""
    return _rows(level.concurrency, prompts.words, (_WARM_TOKENS, _WARM_TOKENS), f"warm {level.id}")


def load_sha256(levels: Iterable[LoadLevel], prompts: Prompts) -> str:
    """Identity of what is sent: warm-up and first repeat of every level; what decides those decides the others."""
    rows = [row.document() for level in levels for row in (*warm_rows(level, prompts), *level_rows(level, prompts, 1))]
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def _rows(count: int, words: int, lengths: tuple[int, int], seed: str) -> list[LoadRow]:
    chance = random.Random(seed)
    return [
        LoadRow(number, number, 0, chance.randint(*lengths), prompt=_prompt(words, chance)) for number in range(count)
    ]


def _prompt(words: int, chance: random.Random) -> str:
    letters = string.ascii_lowercase
    return " ".join("".join(chance.choices(letters, k=chance.randint(2, _LONGEST))) for _ in range(words))
