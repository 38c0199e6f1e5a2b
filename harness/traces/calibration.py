"""A token trace that makes an engine do steps of every kind: what step times are fitted to.

Phases, in an order drawn from the seed so that a machine's drift is not taken for a workload's: batches of 1 to
``max_num_seqs`` sequences that decode behind short, medium and long prompts; prompts of 1 to
``max_num_batched_tokens`` tokens alone; and requests that join while others decode. Arrivals are engine steps done
(``arrivals`` "steps" of a real point); a phase begins when the one before it is long over.
"""

import random
from collections.abc import Iterator
from typing import Any

from harness.record.real_point import RealEngine

_ROUNDS = 2  # of every phase
_BATCH_ANSWER = 12  # tokens that each sequence of a batch generates
_ALONE = 3  # prompts of each length
_MIXES, _MIXED, _MIXED_ANSWER = 6, 40, 40  # mixes; requests and longest answer of each
_LEAST_TOKEN = 3  # below are special ones
_FILLED = 0.9  # of the cache, by a batch: none is preempted

Phase = list[tuple[int, int, int]]  # requests: steps after the phase's begin, prompt tokens, answer's tokens


def calibration_rows(engine: RealEngine, vocabulary: int, seed: int) -> Iterator[dict[str, Any]]:
    """The rows of the trace, for a model with ``vocabulary`` tokens. No two prompts share a block."""
    chance = random.Random(f"{seed} calibration")
    phases = [phase for _ in range(_ROUNDS) for phase in (*_batches(engine), *_alone(engine), *_mixes(engine, chance))]
    chance.shuffle(phases)
    begin = number = 0
    for phase in phases:
        for after, prompt, answer in phase:
            yield {
                "request_id": f"r{number}",
                "session_id": None,
                "turn": 1,
                "arrival_s": float(begin + after),
                "prompt_token_ids": chance.choices(range(_LEAST_TOKEN, vocabulary), k=prompt),
                "output_token_ids": [_LEAST_TOKEN] * answer,
            }
            number += 1
        # A step computes a token at least, most of them once.
        begin += max(after for after, *_ in phase) + 4 * sum(prompt + answer for _, prompt, answer in phase)


def _batches(engine: RealEngine) -> Iterator[Phase]:
    usable = (engine.num_blocks - 1) * engine.block_size * _FILLED
    for size in doubled(engine.max_num_seqs):
        room = min(int(usable / size), engine.max_model_len) - _BATCH_ANSWER - engine.block_size
        for share in (0.0, 0.25, 1.0):
            if room >= 1:
                yield [(0, max(1, min(8, room), int(room * share)), _BATCH_ANSWER)] * size


def _alone(engine: RealEngine) -> Iterator[Phase]:
    longest = min(engine.max_num_batched_tokens, _longest(engine) - 2)
    yield from ([(0, tokens, 2)] for tokens in doubled(longest) for _ in range(_ALONE))


def _mixes(engine: RealEngine, chance: random.Random) -> Iterator[Phase]:
    longest = _longest(engine) - _MIXED_ANSWER
    for gap in range(_MIXES if longest >= 1 else 0):
        after, phase = 0, Phase()
        for _ in range(_MIXED):
            phase.append((after, round(longest ** chance.random()), chance.randint(1, _MIXED_ANSWER)))
            after += chance.randint(0, 2 * gap)
        yield phase


def _longest(engine: RealEngine) -> int:
    """Tokens of prompt and answer that a request can have."""
    return min(engine.max_model_len, (engine.num_blocks - 1) * engine.block_size)


def doubled(most: int) -> list[int]:
    """1, 2, 4, … and ``most``, where there is a ``most``."""
    return sorted({min(1 << power, most) for power in range(most.bit_length() + 1)} - {0})
