"""Rows of token traces for the KV head-room study: drawn lengths, Mooncake's trace made smaller, another arrival rate.

Rows are those of docs/traces.md; what sequences say does not matter, only which prefixes they share.
"""

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from harness.traces.rows import MOONCAKE_BLOCK, MooncakeRow, TokenRow

_TOKENS = 997  # distinct ones: every tokenizer has as many


def drawn_rows(
    prompt: tuple[int, int], output: tuple[float, float, int], requests: int, seed: int
) -> Iterator[TokenRow]:
    """Requests that share nothing and arrive as a Poisson process, one a second.

    ``prompt``: least and most tokens, uniform; ``output``: mean and shape of a gamma distribution, and most tokens.
    """
    chance = random.Random(f"{seed} drawn")
    mean, shape, most = output
    at_s = 0.0
    for index in range(requests):
        at_s += chance.expovariate(1.0)
        length = min(most, max(1, round(chance.gammavariate(shape, mean / shape))))
        tokens = [chance.randrange(_TOKENS) for _ in range(chance.randint(*prompt) + length)]
        yield TokenRow(f"r{index}", None, 1, at_s, tokens[:-length], tokens[-length:])


def divided_rows(
    rows: Iterable[MooncakeRow], prompt_divisor: int, output_divisor: int, first: int, requests: int
) -> Iterator[TokenRow]:
    """``requests`` requests from the ``first`` on, with divided lengths, beginning at 0 s.

    A hash id's tokens are divided, too (512 / ``prompt_divisor`` of them), and say the id: equal ids, equal tokens.
    """
    each = MOONCAKE_BLOCK // prompt_divisor
    begin: float | None = None
    for index, row in enumerate(islice(rows, first, first + requests)):
        begin = row.arrival_s if begin is None else begin
        length = max(1, math.ceil(row.prompt_tokens / prompt_divisor))
        prompt = [token for hash_id in row.hash_ids for token in _tokens_of(hash_id, each)][:length]
        answer = random.Random(f"{first + index} answer")
        output = [answer.randrange(_TOKENS) for _ in range(max(1, round(row.output_tokens / output_divisor)))]
        yield TokenRow(f"r{index}", None, 1, row.arrival_s - begin, prompt, output)


def at_rate(rows: Sequence[TokenRow], rate: float) -> list[TokenRow]:
    """The same requests with all times stretched alike, so that ``rate`` arrive per second; inf: all at once."""
    first = rows[0].arrival_s
    lasted = (rows[-1].arrival_s - first) or 1.0  # all at once stay so
    lasts = (len(rows) - 1) / rate
    return [replace(row, arrival_s=round((row.arrival_s - first) / lasted * lasts, 9)) for row in rows]


def with_predictions(rows: Sequence[TokenRow], predicted: Sequence[int]) -> list[TokenRow]:
    """The same requests, each with somebody's guess of its output tokens."""
    return [replace(row, predicted_output_tokens=guess) for row, guess in zip(rows, predicted, strict=True)]


def _tokens_of(hash_id: int, number: int) -> list[int]:
    """``number`` tokens (at least 3) that no other id below 997³ has."""
    digits = [hash_id % _TOKENS, hash_id // _TOKENS % _TOKENS, hash_id // _TOKENS**2 % _TOKENS]
    return [*digits, *([0] * number)][:number]
