"""The prompts of a comparison: generated from a seed, or dealt out from a load file. Every target gets the same.

No prompt is sent to a target twice in a repeat: a server that keeps its prefixes would answer the second one faster.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.commands.compare_engines.asked import GENERATED, LoadAsked
from harness.engine.model_files import file_sha256
from harness.errors import HarnessError
from harness.measure.comparison import Repeat
from harness.record.load import LoadError, LoadRow, Sending, read_load
from harness.record.store import canonical_sha256
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
    for number in numbers:
        loads: dict[int, list[LoadRow]] = {}
        for place, level in enumerate(asked.levels):
            if rows is None:
                loads[level] = _generated(asked, words, f"{number} {level}", asked.num_prompts)
            else:
                first = ((number - 1) % asked.repeats * len(asked.levels) + place) * asked.num_prompts
                loads[level] = _numbered(rows[first : first + asked.num_prompts])
        warmup = _generated(asked, words or ["warm", "up"], f"{number} warm-up", 1)[0]
        repeats.append(Repeat(number, loads, _short(warmup), sending, asked.seed))
    return repeats


def described(asked: LoadAsked) -> dict[str, Any]:
    """Everything that decides what is sent, for a case's identity.

    ``prompts_sha256``: of a load file; of generated prompts those of repeat 1, which stand for words and generator.
    """
    is_file = asked.prompts != GENERATED
    (first,) = repeats_of(asked, [1])
    texts = [[row.prompt for row in rows] for rows in first.loads.values()]
    return {
        "prompts": "file" if is_file else GENERATED,
        "prompts_sha256": file_sha256(Path(asked.prompts)) if is_file else canonical_sha256(texts),
        "num_prompts": asked.num_prompts,
        "prompt_words": None if is_file else asked.prompt_words,
        "output_tokens": asked.output_tokens,
        "concurrency": list(asked.levels),
        "ignore_eos": asked.ignore_eos,
        "seed": asked.seed,
        "timeout_s": asked.timeout_s,
    }


def longest_request(asked: LoadAsked) -> int:
    """Tokens of prompt and answer at most, in whichever repeat: no tokenizer makes more tokens of a text than bytes."""
    if asked.prompts == GENERATED:
        longest = max(len(word.encode()) for word in _WORDS.read_text(encoding="utf-8").split())
        return asked.prompt_words * (longest + 1) + asked.output_tokens
    rows = _from_file(asked)
    return max(len((row.prompt or "").encode()) for row in rows) + max(row.output_tokens for row in rows)


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
