"""Tokenize the requests of a load as vLLM's OpenAI server does, into a token trace (docs/traces.md).

Runs under an engine's Python: ``python -m experiments.prefix_routing.worker_load_tokens REQUEST.json RESULT.json`` in
the repository's root. Reads ``{model (a folder), rows (a load file, docs/load.md, whose lines also have arrival_s),
out}``, writes the trace ``out`` and then ``{prompt_tokens: [of each row], vocabulary}`` into RESULT.json.

The trace's answers have the length that is asked for, and tokens beyond the vocabulary, of its own for each request:
what a model will say is not known here, and nothing later may be found cached because of it.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from vllm.tokenizers import get_tokenizer

BATCH = 64  # requests that are tokenized at once


def one_line(error: Exception) -> str:
    """The first line of what a library said."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def prompt_ids(tokenizer: Any, rows: list[dict[str, Any]]) -> list[list[int]]:
    """The prompts' tokens: of text with the tokenizer's special ones, of messages as the chat template writes them."""
    if "prompt" in rows[0]:
        found = tokenizer([row["prompt"] for row in rows], add_special_tokens=True)
    else:
        if not tokenizer.chat_template:
            sys.exit("the model's tokenizer has no chat template; leave chat out")
        texts = [
            tokenizer.apply_chat_template(row["messages"], tokenize=False, add_generation_prompt=True) for row in rows
        ]
        found = tokenizer(texts, add_special_tokens=False)
    ids: list[list[int]] = found["input_ids"]
    return ids


def trace_rows(tokenizer: Any, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A line of the trace for each request."""
    beyond, waiting = len(tokenizer), iter(rows)
    while batch := list(islice(waiting, BATCH)):
        for row, ids in zip(batch, prompt_ids(tokenizer, batch), strict=True):
            yield {
                "request_id": f"r{row['request']}",
                "session_id": f"c{row['conversation']}",
                "turn": row["piece"] + 1,
                "arrival_s": row["arrival_s"],
                "prompt_token_ids": ids,
                "output_token_ids": [beyond + row["request"]] * row["output_tokens"],
            }


def main(request_path: str, result_path: str) -> None:
    """Tokenize what the request names."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    try:
        tokenizer: Any = get_tokenizer(request["model"])
    except Exception as error:  # whatever a damaged file or an unknown format makes a library raise
        sys.exit(f"the model's tokenizer cannot be read ({one_line(error)})")
    lengths = []
    with Path(request["rows"]).open(encoding="utf-8") as lines, Path(request["out"]).open("w") as out:
        for row in trace_rows(tokenizer, map(json.loads, lines)):
            lengths.append(len(row["prompt_token_ids"]))
            out.write(json.dumps(row, separators=(",", ":")) + "\n")
    result = {"prompt_tokens": lengths, "vocabulary": len(tokenizer)}
    Path(result_path).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
