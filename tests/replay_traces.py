"""Random small traces in both formats, from a seed: prompts that share prefixes, sessions, uneven arrivals."""

import json
import random
from pathlib import Path
from typing import Any

MOONCAKE_BLOCK = 512


def mooncake_rows(seed: int, requests: int = 40, longest: int = 8) -> list[dict[str, Any]]:
    """Requests whose hash ids form chains: each id has one predecessor, as prefixes of real prompts have."""
    chance = random.Random(seed)
    children: dict[int, list[int]] = {-1: []}
    rows, now = [], 0
    for _ in range(requests):
        ids: list[int] = []
        for _ in range(chance.randint(1, longest)):
            known = children[ids[-1] if ids else -1]
            if not known or chance.random() < 0.35:
                known.append(len(children) - 1)
                children[known[-1]] = []
            ids.append(chance.choice(known))
        tokens = MOONCAKE_BLOCK * len(ids) - chance.choice([0, 0, 1, 15, 16, 200, 511])
        rows.append(
            {"timestamp": now, "input_length": tokens, "output_length": chance.choice([1, 2, 90, 700]), "hash_ids": ids}
        )
        now += chance.choice([0, 0, 3, 40, 400, 4000])
    named = {each: (each * 2_654_435_761) % 2**50 for each in children}  # ids of real traces need not be dense
    for row in rows:
        row["hash_ids"] = [named[each] for each in row["hash_ids"]]
    return rows


def token_rows(seed: int, requests: int = 40) -> list[dict[str, Any]]:
    """Turns of sessions with their history, behind a prompt that some share; few distinct tokens."""
    chance = random.Random(seed)
    system = [chance.randrange(5) for _ in range(chance.choice([0, 7, 40]))]
    histories: list[list[int]] = []
    turns: list[int] = []
    rows, now = [], 0.0
    for index in range(requests):
        if not histories or chance.random() < 0.4:
            histories.append(list(system) if chance.random() < 0.8 else [])
            turns.append(-1)
        session = chance.randrange(len(histories))
        turns[session] += 1
        histories[session] += [chance.randrange(3) for _ in range(chance.randint(1, 30))]
        output = [chance.randrange(3) for _ in range(chance.choice([0, 1, 5, 25, 120]))]
        rows.append(
            {
                "request_id": f"s{session}-t{turns[session]}-{index}",
                "session_id": f"s{session}",
                "turn": turns[session],
                "arrival_s": round(now, 6),
                "prompt_token_ids": list(histories[session]),
                "output_token_ids": output,
                "predicted_output_tokens": max(0, len(output) + (seed * 7 + index * 13) % 31 - 15),
            }
        )
        histories[session] += output
        now += chance.choice([0.0, 0.0, 0.004, 0.05, 0.4, 4.0])
    return rows


def write_trace(path: Path, rows: list[dict[str, Any]]) -> Path:
    """As JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def longest_tokens(rows: list[dict[str, Any]]) -> int:
    """Prompt and output of the longest request."""
    return max(
        row["input_length"] + max(1, row["output_length"])
        if "hash_ids" in row
        else len(row["prompt_token_ids"]) + max(1, len(row["output_token_ids"]))
        for row in rows
    )
