"""From tokenized dialogues to the two traces: when each turn arrives, in which order the requests stand."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from harness.traces.arrivals import Arrivals, response_s
from harness.traces.check import check_trace
from harness.traces.hit_share import HitShare

SINGLE, MULTI = "single_turn_trace.jsonl", "multi_turn_trace.jsonl"
DECIMALS = 6  # of a second


class Turn(NamedTuple):
    """One turn of a conversation, and where its line begins in the file of tokens. Sorts by arrival."""

    arrival_s: float
    conversation: int  # from 1
    turn: int  # from 1
    offset: int
    prompt_tokens: int
    output_tokens: int


@dataclass
class Turns:
    """Every turn, and how the prompts of one conversation follow from each other."""

    turns: list[Turn] = field(default_factory=list)
    further: int = 0  # turns after a conversation's first
    chained: int = 0  # those whose prompt begins with the prompt and the answer before it


def read_turns(tokens: Path, arrivals: Arrivals) -> Turns:
    """Give every turn its arrival. ``tokens``: the worker's lines ``[conversation, turn, prompt, answer]``, in order.

    A turn arrives once the answer before it is there (an assumed time) and somebody has thought about it.
    """
    found, starts = Turns(), arrivals.starts()
    arrival_s, before = 0.0, list[int]()
    gaps_s: Iterator[float] = iter(())
    for offset, (conversation, turn, prompt, answer) in _lines(tokens):
        if turn == 1:
            arrival_s, gaps_s = next(starts), arrivals.gaps(conversation)
        else:
            arrival_s += response_s(found.turns[-1].output_tokens) + next(gaps_s)
            found.further += 1
            found.chained += prompt[: len(before)] == before
        before = prompt + answer
        at_s = round(arrival_s, DECIMALS)
        found.turns.append(Turn(at_s, conversation, turn, offset, len(prompt), len(answer)))
    return found


def write_trace(path: Path, turns: list[Turn], tokens: Path, block_size: int) -> dict[str, Any]:
    """Write the turns as a trace, by arrival; returns its facts, and the share of prompt tokens that could be hits."""
    could_hit = HitShare(block_size)
    with tokens.open("rb") as source, path.open("w", encoding="utf-8") as file:
        for turn in sorted(turns):
            source.seek(turn.offset)
            _, _, prompt, answer = json.loads(source.readline())
            could_hit.add(prompt, answer)
            row = {
                "request_id": f"c{turn.conversation}-t{turn.turn}",
                "session_id": f"c{turn.conversation}",
                "turn": turn.turn,
                "arrival_s": turn.arrival_s,
                "prompt_token_ids": prompt,
                "output_token_ids": answer,
            }
            file.write(json.dumps(row, separators=(",", ":")) + "\n")
        file.flush()
        os.fsync(file.fileno())
    facts = asdict(check_trace(path, block_size))
    return {"file": path.name, **facts, "hit_share_of_endless_cache": round(could_hit.share, 6)}


def _lines(tokens: Path) -> Iterator[tuple[int, tuple[int, int, list[int], list[int]]]]:
    offset = 0
    with tokens.open("rb") as file:
        for line in file:
            yield offset, tuple(json.loads(line))
            offset += len(line)
