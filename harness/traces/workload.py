"""``workload.json``: what a pair of traces was made of, how, and what is in it."""

from collections import Counter
from pathlib import Path
from typing import Any

from harness.traces.arrivals import FIRST_TOKEN_S, TOKEN_S, Arrivals
from harness.traces.dialogues import Tally
from harness.traces.making import MULTI, SINGLE, Turns, write_trace

WORKLOAD = "workload.json"


def write_traces(folder: Path, turns: Turns, tokens: Path, block_size: int) -> dict[str, Any]:
    """Write both traces; what each of them holds."""
    first = [turn for turn in turns.turns if turn.turn == 1]
    return {
        "single_turn": write_trace(folder / SINGLE, first, tokens, block_size),
        "multi_turn": write_trace(folder / MULTI, turns.turns, tokens, block_size),
    }


def workload_document(
    source: dict[str, Any],
    tokenizer: dict[str, Any],
    arrivals: Arrivals,
    turns: Turns,
    tally: Tally,
    traces: dict[str, Any],
    block_size: int,
) -> dict[str, Any]:
    """The document; no path and no time of day, so that equal inputs give equal bytes."""
    per_conversation = Counter(turn.conversation for turn in turns.turns)
    return {
        "schema_version": 1,
        "source": source,
        "tokenizer": tokenizer,
        "seed": arrivals.seed,
        "arrival_rate_per_s": arrivals.rate,
        "think_time": {
            "distribution": "exponential",
            "mean_s": arrivals.think_s,
            "assumed_response": {"first_token_s": FIRST_TOKEN_S, "each_token_s": TOKEN_S},
        },
        "block_size": block_size,
        "counts": {
            "conversations": len(per_conversation),
            "requests": len(turns.turns),
            "turns_per_conversation": {
                str(turns): rows for turns, rows in sorted(Counter(per_conversation.values()).items())
            },
            "bad_rows": tally.bad_rows,
            "bad_rows_by_reason": tally.bad,
            "shortened_by_reason": tally.shortened,
        },
        "chaining": {
            "further_turns": turns.further,
            "begin_with_prompt_and_answer_before": turns.chained,
            "share": turns.chained / turns.further if turns.further else None,
        },
        "traces": traces,
    }
