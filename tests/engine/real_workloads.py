"""Small workloads for the real engine, each after something that scheduling can go wrong in. All drawn from a seed."""

import random
from dataclasses import dataclass
from typing import Any

BLOCK = 32  # tokens; the CPU engine takes multiples of 32 only
LONGEST = 1024  # tokens of prompt and answer
CUSTOM_CLASS = "tests.engine.growing_watermark:GrowingWatermark"

ROOMY: dict[str, Any] = {
    "block_size": BLOCK,
    "num_blocks": 500,
    "max_model_len": LONGEST,
    "prefix_caching": True,
    "max_num_seqs": 64,
    "max_num_batched_tokens": 1024,
    "watermark": 0.0,
    "scheduler_cls": None,
}
TIGHT = ROOMY | {"num_blocks": 40}


@dataclass(frozen=True)
class Workload:
    """An engine's configuration, requests (worker_real_engine has the form), and what they must make happen."""

    engine: dict[str, Any]
    requests: list[dict[str, Any]]
    contains: tuple[str, ...]  # facts of tests/engine/test_faithful_replay.py that are not 0
    loops: tuple[str, ...] = ("stock", "fast")


def tokens(chance: random.Random, number: int) -> list[int]:
    return [chance.randrange(3, 1000) for _ in range(number)]


def asked(prompt: list[int], output_tokens: int, arrival: int = 0, **more: Any) -> dict[str, Any]:
    """A request of its own session, unless ``more`` says otherwise."""
    usual = {"session": None, "turn": 0, "follows": None}
    return {"arrival": arrival, "prompt_token_ids": prompt, "output_tokens": output_tokens, **usual, **more}


def unrelated(chance: random.Random, number: int, longest: int = 300, answers: int = 50) -> list[dict[str, Any]]:
    """Prompts that share nothing, all there at once."""
    return [asked(tokens(chance, chance.randint(1, longest)), chance.randint(1, answers)) for _ in range(number)]


def behind(
    chance: random.Random, system: list[int], requests: list[dict[str, Any]], share: float = 0.8
) -> list[dict[str, Any]]:
    """The same requests, ``share`` of them with a system prompt."""
    return [
        each | {"prompt_token_ids": system + each["prompt_token_ids"]} if chance.random() < share else each
        for each in requests
    ]


def staggered(chance: random.Random, requests: list[dict[str, Any]], gaps: list[int]) -> list[dict[str, Any]]:
    """The same requests, each some steps after the one before it."""
    now, late = 0, []
    for each in requests:
        late.append(each | {"arrival": now})
        now += chance.choice(gaps)
    return late


def dialogues(
    chance: random.Random, number: int, system: list[int], gaps: list[int], answers: int = 50
) -> list[dict[str, Any]]:
    """Turns with the whole history before them: what the engine answered is part of it."""
    requests: list[dict[str, Any]] = []
    for dialogue in range(number):
        start = dialogue * chance.choice(gaps)
        for turn in range(chance.randint(2, 5)):
            first = turn == 0
            requests.append(
                asked(
                    (system if first else []) + tokens(chance, chance.randint(5, 60)),
                    chance.randint(1, answers),
                    start if first else chance.choice([0, 0, 1, 5, 20]),
                    session=f"d{dialogue}",
                    turn=turn,
                    follows=None if first else len(requests) - 1,
                )
            )
    return requests


def whole_blocks(chance: random.Random, number: int) -> list[dict[str, Any]]:
    """Prompts that end with a block, a token before or after its end; some the same as, or the start of, others."""
    longest = tokens(chance, 8 * BLOCK)
    return [
        asked(longest[: BLOCK * chance.randint(1, 7) + chance.choice([0, 0, 0, -1, 1])], chance.choice([1, 31, 32, 33]))
        for _ in range(number)
    ]


def workloads(seed: int) -> dict[str, Workload]:
    """Name → workload."""
    chance = random.Random(seed)
    system = tokens(chance, 150)
    tight = staggered(chance, behind(chance, system, unrelated(chance, 44, 120, 80)), [0, 0, 0, 1, 5])
    mixed = {
        f"all-of-it-{number}": Workload(
            TIGHT | {"num_blocks": 35, "max_num_batched_tokens": 96, "max_num_seqs": 10, "watermark": 0.03},
            dialogues(chance, 18, system[: chance.choice([32, 100])], [0, 1, 3], answers=100),
            ("preemptions", "chunks", "hit_tokens", "recovered_tokens", "evictions", "full_house"),
        )
        for number in (1, 2)
    }
    return {
        "all-at-once": Workload(ROOMY, unrelated(chance, 50), ("at_once",)),
        "staggered-arrivals": Workload(
            ROOMY, staggered(chance, unrelated(chance, 40), [0, 1, 1, 2, 7, 100]), ("admitting_steps", "idle_times")
        ),
        "system-prompt": Workload(
            ROOMY,
            staggered(chance, behind(chance, system, unrelated(chance, 50, 90), share=1.0), [0, 1, 4]),
            ("hit_tokens", "all_share"),
        ),
        "dialogues": Workload(ROOMY, dialogues(chance, 10, system[:70], [0, 3, 11]), ("hit_tokens", "answers_found")),
        "whole-blocks": Workload(
            ROOMY, staggered(chance, whole_blocks(chance, 50), [0, 0, 1, 3]), ("hit_tokens", "whole_prompts", "twins")
        ),
        "one-token-answers": Workload(
            ROOMY,
            staggered(chance, behind(chance, system, unrelated(chance, 60, 200, 1)), [0, 1, 1, 2]),
            ("hit_tokens",),
        ),
        "preemption": Workload(TIGHT, tight, ("preemptions", "hit_tokens", "recovered_tokens", "evictions")),
        "no-prefix-caching": Workload(TIGHT | {"prefix_caching": False}, tight, ("preemptions",)),
        "chunked-prefill": Workload(
            ROOMY | {"max_num_batched_tokens": 64, "max_num_seqs": 16},
            staggered(chance, behind(chance, system, unrelated(chance, 30, 400, 30)), [0, 0, 2, 9]),
            ("chunks", "hit_tokens"),
        ),
        "few-sequences": Workload(
            ROOMY | {"max_num_seqs": 4}, staggered(chance, unrelated(chance, 28, 200, 40), [0, 1, 6]), ("full_house",)
        ),
        "static-watermark": Workload(TIGHT | {"watermark": 0.2}, tight, ("hit_tokens", "evictions")),
        "custom-class": Workload(
            TIGHT | {"scheduler_cls": CUSTOM_CLASS}, tight, ("hit_tokens", "evictions"), loops=("stock",)
        ),
        **mixed,
    }
