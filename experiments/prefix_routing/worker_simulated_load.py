"""The requests of a simulation: rows of a trace with what a router sees of them, its text and its session.

A Mooncake trace has no text: each of its hash ids becomes one character, so that the prefix router's tree works on
blocks of 512 tokens, and its thresholds in characters count blocks. Of a token trace, the load file that it was made
from has the text; without it each token becomes one character.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from experiments.model_free.worker_trace import Trace, TraceRow
from experiments.prefix_routing.worker_replicas import block_keys

_SURROGATES, _AFTER_SURROGATES = 0xD800, 0xE000  # no characters
_CHARACTERS = 0x110000 - (_AFTER_SURROGATES - _SURROGATES)


@dataclass(frozen=True, slots=True)
class SimulatedRequest:
    """``prompt``, ``block_keys`` and ``prompt_tokens`` are what routers read; ``row`` is what a replica is sent."""

    request_id: str
    session: str | None
    prompt: str
    block_keys: list[bytes]
    prompt_tokens: int
    row: TraceRow


def read_load(trace: Trace, load: Path | None) -> Iterator[SimulatedRequest]:
    """Requests in the order of their arrivals; ``load``: the file that the trace's tokens were made from.

    Raises:
        ValueError: load and trace have different numbers of requests, or there are more contents than characters.
    """
    for row, seen in zip_longest(trace, _seen(trace, load)):
        if row is None or seen is None:
            raise ValueError(f"{load}: does not have as many requests as {trace.path}; make both anew")
        session, text = seen
        keys = block_keys(row, trace.block_size)
        yield SimulatedRequest(row.request_id, session or row.session, text, keys, row.prompt_tokens, row)


def _seen(trace: Trace, load: Path | None) -> Iterator[tuple[str | None, str]]:
    """(session, text) of each request."""
    numbers: dict[int, int] = {}
    with (load or trace.path).open(encoding="utf-8", newline="\n") as file:
        for document in map(json.loads, file):
            if load is not None:
                conversation = document.get("conversation")
                yield (None if conversation is None else str(conversation)), _text(document)
            elif trace.is_mooncake:
                yield None, "".join(_character(numbers.setdefault(i, len(numbers))) for i in document["hash_ids"])
            else:
                yield document.get("session_id"), "".join(map(_character, document["prompt_token_ids"]))


def _text(document: dict[str, Any]) -> str:
    """As the prefix router reads a request: a prompt, or the contents of all messages."""
    if "prompt" in document:
        return str(document["prompt"])
    return "".join(str(message["content"]) for message in document["messages"])


def _character(number: int) -> str:
    if number >= _CHARACTERS:
        raise ValueError(f"more than {_CHARACTERS} different contents: there are no more characters to stand for them")
    return chr(number if number < _SURROGATES else number + _AFTER_SURROGATES - _SURROGATES)
