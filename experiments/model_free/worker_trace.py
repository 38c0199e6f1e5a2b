"""Requests of a trace, one at a time, with the contents of their blocks: what is replayed.

Two formats (docs/traces.md), told apart by their first line's keys: token traces (recorded tokens) and Mooncake traces
(``hash_ids`` of 512 prompt tokens each, chained to what is before them). The harness has checked the file.

A **content** is what a full block holds, everything before it included: a small integer. Of a token trace it numbers
vLLM's own hashes in the order in which requests bring them; of a Mooncake trace it is (hash id, part of it), ids being
numbered by their first appearance. What a Mooncake request generates is not in the trace: those blocks have contents
that no other request has.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from vllm.utils.hashing import sha256
from vllm.v1.core.kv_cache_utils import BlockHash, hash_block_tokens

MOONCAKE_BLOCK = 512  # tokens that one of its hash ids stands for
PREDICTED = "predicted_output_tokens"
_HASH_BYTES = 8


@dataclass(slots=True)
class TraceRow:
    """One request. Contents and hashes are of the full blocks of prompt and output, in order."""

    request_id: str  # its place in the trace: unique, whatever the trace calls it
    name: str  # what the trace calls it
    session: str | None  # None: no other request belongs to it
    turn: int | None
    arrival_s: float
    prompt_tokens: int
    output_tokens: int  # at least 1: an engine samples a token after every prefill
    contents: "np.ndarray[Any, np.dtype[np.int64]]"
    hashes: list[BlockHash]  # as vLLM's block pool takes them
    prompt_ids: list[int] | None  # None: not in the trace
    output_ids: list[int] | None
    predicted_tokens: int | None = None  # of output, by somebody who did not know them


@dataclass
class Trace:
    """A trace file at one block size; iterating reads it once, a request at a time.

    ``with_contents`` False (no prefix caching): contents and hashes stay empty.
    """

    path: Path
    block_size: int
    limit: int | None = None
    with_contents: bool = True

    def __post_init__(self) -> None:
        self._ids: dict[bytes, int] = {}  # vLLM's hash → content
        self._blocks: dict[int, int] = {}  # Mooncake's id → its number in the order of first appearance
        with self.path.open(encoding="utf-8", newline="\n") as file:
            self.is_mooncake = "prompt_token_ids" not in json.loads(file.readline())
        if self.is_mooncake and self.with_contents:
            for row in self._documents():
                for each in row["hash_ids"]:
                    self._blocks.setdefault(each, len(self._blocks))

    def __iter__(self) -> Iterator[TraceRow]:
        make: Callable[[int, dict[str, Any]], TraceRow] = self._mooncake if self.is_mooncake else self._tokens
        self._next_output = len(self._blocks) * MOONCAKE_BLOCK // self.block_size  # outputs come behind all prompts
        for index, document in enumerate(self._documents()):
            yield make(index, document)

    def content_of(self, block_hash: bytes) -> int:
        """The content that a hash of one of the rows so far stands for.

        Raises:
            KeyError: no row brought this hash (vLLM's own hashing and ours differ).
        """
        return int.from_bytes(block_hash, "little") if self.is_mooncake else self._ids[block_hash]

    def _documents(self) -> Iterator[dict[str, Any]]:
        with self.path.open(encoding="utf-8", newline="\n") as file:
            for index, line in enumerate(file):
                if self.limit is not None and index >= self.limit:
                    return
                yield json.loads(line)

    def _mooncake(self, index: int, row: dict[str, Any]) -> TraceRow:
        prompt, output = int(row["input_length"]), max(1, int(row["output_length"]))
        contents, hashes = np.empty(0, np.int64), []
        if self.with_contents:
            parts = MOONCAKE_BLOCK // self.block_size
            ids = np.asarray([self._blocks[each] for each in row["hash_ids"]], np.int64)
            whole = (ids[:, None] * parts + np.arange(parts)).reshape(-1)[: prompt // self.block_size]
            own = (prompt + output) // self.block_size - len(whole)
            contents = np.concatenate([whole, np.arange(self._next_output, self._next_output + own)])
            self._next_output += own
            hashes = [BlockHash(content.to_bytes(_HASH_BYTES, "little")) for content in contents.tolist()]
        name = f"r{index}"
        return TraceRow(name, name, None, None, row["timestamp"] / 1000, prompt, output, contents, hashes, None, None)

    def _tokens(self, index: int, row: dict[str, Any]) -> TraceRow:
        prompt, output = row["prompt_token_ids"], row["output_token_ids"] or [0]
        contents, hashes = np.empty(0, np.int64), list[BlockHash]()
        if self.with_contents:
            tokens, parent = [*prompt, *output], None
            for end in range(self.block_size, len(tokens) + 1, self.block_size):
                parent = hash_block_tokens(sha256, parent, tokens[end - self.block_size : end])
                hashes.append(parent)
            contents = np.asarray([self._ids.setdefault(each, len(self._ids)) for each in hashes], np.int64)
        return TraceRow(
            f"r{index}",
            str(row.get("request_id", f"r{index}")),
            row.get("session_id"),
            row.get("turn"),
            float(row["arrival_s"]),
            len(prompt),
            len(output),
            contents,
            hashes,
            prompt,
            output,
            row.get(PREDICTED),
        )
