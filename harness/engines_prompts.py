"""The prompts of a comparison: generated from a seed, or dealt out from a load file. Every target gets the same.

No prompt is sent to a target twice in a repeat: a server that keeps its prefixes would answer the second one faster.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.engines_asked import GENERATED, LoadAsked
from harness.errors import HarnessError
from harness.measure.comparison import Repeat
from harness.record.load import LoadError, LoadRow, Sending, read_load
from harness.workspace import ROOT

_WORDS = ROOT / "experiments" / "prefix_sharing" / "shapes" / "words.txt"
_WARMUP_TOKENS = 8


def repeats_of(asked: LoadAsked, numbers: Sequence[int]) -> list[Repeat]:
    """What the repeats with these numbers send.

    Raises:
        HarnessError: the file cannot be read or has too few requests.
    """
    sending = Sending(
        request_rate=float("inf"), ignore_eos=asked.ignore_eos, seed=asked.seed, timeout_s=asked.timeout_s
    )
    rows = None if asked.prompts == GENERATED else _from_file(asked)
    words = _WORDS.read_text(encoding="utf-8").split() if rows is None else []
    repeats = []
    for at, number in enumerate(numbers):
        loads: dict[int, list[LoadRow]] = {}
        for place, level in enumerate(asked.levels):
            if rows is None:
                loads[level] = _generated(asked, words, f"{number} {level}", asked.num_prompts)
            else:
                first = (at % asked.repeats * len(asked.levels) + place) * asked.num_prompts
                loads[level] = _numbered(rows[first : first + asked.num_prompts])
        warmup = _generated(asked, words or ["warm", "up"], f"{number} warm-up", 1)[0]
        repeats.append(Repeat(number, loads, _short(warmup), sending, asked.seed))
    return repeats


def described(asked: LoadAsked, rows_sha256: str | None) -> dict[str, Any]:
    """Everything that decides what is sent, for a case's identity. ``rows_sha256``: of a load file."""
    return {
        "prompts": GENERATED if rows_sha256 is None else rows_sha256,
        "num_prompts": asked.num_prompts,
        "prompt_words": asked.prompt_words if rows_sha256 is None else None,
        "output_tokens": asked.output_tokens,
        "concurrency": list(asked.levels),
        "ignore_eos": asked.ignore_eos,
        "seed": asked.seed,
        "timeout_s": asked.timeout_s,
    }


def longest_prompt(loads: Mapping[int, Sequence[LoadRow]]) -> int:
    """Bytes of the longest prompt: no tokenizer makes more tokens of it than bytes."""
    return max(len((row.prompt or "").encode()) for rows in loads.values() for row in rows)


def _generated(asked: LoadAsked, words: Sequence[str], salt: str, number: int) -> list[LoadRow]:
    chance = random.Random(f"{asked.seed} {salt} prompts")
    texts = (" ".join(chance.choices(words, k=asked.prompt_words)) for _ in range(number))
    return [LoadRow(place, place, 0, asked.output_tokens, text) for place, text in enumerate(texts)]


def _short(row: LoadRow) -> LoadRow:
    return LoadRow(row.request, row.conversation, row.piece, _WARMUP_TOKENS, row.prompt)


def _numbered(rows: Sequence[LoadRow]) -> list[LoadRow]:
    return [LoadRow(place, place, 0, row.output_tokens, row.prompt) for place, row in enumerate(rows)]


def _from_file(asked: LoadAsked) -> list[LoadRow]:
    path = Path(asked.prompts)
    needed = asked.num_prompts * len(asked.levels) * asked.repeats
    try:
        rows = read_load(path.resolve() if path.is_symlink() else path, asked.output_tokens, needed)
    except LoadError as error:
        raise HarnessError(f"--prompts {error}; docs/load.md says what a load is") from None
    if any(row.prompt is None for row in rows):
        raise HarnessError(f"--prompts {path}: it has messages; engines are compared on prompts")
    if len(rows) < needed:
        what = f"{asked.num_prompts} prompts × {len(asked.levels)} concurrencies × {asked.repeats} repeats"
        raise HarnessError(f"--prompts {path}: it has {len(rows)} requests, {needed} are needed ({what})")
    return rows
