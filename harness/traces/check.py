"""A trace is checked before anything is replayed: one pass, a few bytes for each hash id or request's name."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.traces.lines import RowError, wrong_row
from harness.traces.rows import MOONCAKE_BLOCK, Format, MooncakeRow, TokenRow, read_trace

# A replay's clock begins at 0 and its occupancy is told in equal bins from there: of a trace whose times are dates all
# would fall into the last one. A trace that begins within a day leaves enough of them.
LATEST_FIRST_S = 86_400.0
_FIRST = -1  # stands for the parent of a prompt's first block


@dataclass(frozen=True)
class TraceFacts:
    """What a replay must know of a trace beforehand, and what names it afterwards."""

    format: Format
    requests: int
    prompt_tokens: int
    output_tokens: int
    max_tokens: int  # longest prompt and answer together
    total_blocks: int  # for every request, prompt and answer together, rounded up to whole blocks
    first_s: float
    last_s: float
    sessions: int
    sha256: str


class _Chains:
    """Which block precedes each hash id: a prefix-chained id has one predecessor, wherever it occurs."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}

    def add(self, hash_ids: list[int]) -> None:
        parent = _FIRST
        for place, each in enumerate(hash_ids):
            known = self._parents.setdefault(each, parent)
            if known != parent:
                here, elsewhere = _called(parent), _called(known)
                raise RowError(f"broken hash chain: id {each} (place {place}) follows {here}, elsewhere {elsewhere}")
            parent = each


def _called(parent: int) -> str:
    return "nothing" if parent == _FIRST else f"id {parent}"


def check_trace(path: Path, block_size: int) -> TraceFacts:
    """The facts of a trace that can be replayed with blocks of ``block_size`` tokens.

    Raises:
        HarnessError: ``FILE: line 17: …; …`` for an empty or unreadable file, a line that is not JSON or truncated, an
            unknown format, a missing key or impossible value, times that begin late or go backwards, two requests of
            one name, an id with two predecessors ("broken hash chain"), and a block size that does not divide
            Mooncake's 512 tokens.
    """
    if block_size < 1:
        raise HarnessError(f"block size {block_size}: a block holds at least one token")
    digest, chains, sessions, names = hashlib.sha256(), _Chains(), set[str](), set[int]()
    requests = prompt_tokens = output_tokens = max_tokens = total_blocks = without_session = 0
    kind: Format = "tokens"
    first_s = last_s = 0.0
    for number, row in read_trace(path, digest.update):
        if not requests:
            first_s = last_s = row.arrival_s
            kind = "tokens" if isinstance(row, TokenRow) else "mooncake"
            if first_s > LATEST_FIRST_S:
                what = f"it arrives at {first_s} s; times are seconds (Mooncake: ms) since the trace began"
                raise wrong_row(path, number, what, "subtract the first")
            if kind == "mooncake" and MOONCAKE_BLOCK % block_size:
                what = f"block size {block_size} does not divide the {MOONCAKE_BLOCK} tokens of one hash id"
                raise wrong_row(path, number, what, "take a power of two up to 512")
        if row.arrival_s < last_s:
            what = f"it arrives at {row.arrival_s} s, before the one above it ({last_s} s)"
            raise wrong_row(path, number, what, "sort the trace by time")
        if isinstance(row, TokenRow):
            name = hash(row.request_id)  # 64 bits of it: names of a long trace would fill the memory
            if name in names:
                raise wrong_row(path, number, f"request_id {row.request_id} occurs twice", "name every request apart")
            names.add(name)
        if isinstance(row, MooncakeRow):
            try:
                chains.add(row.hash_ids)
            except RowError as error:
                raise wrong_row(path, number, str(error), "an id must stand for a block and all before it") from None
        tokens = row.prompt_tokens + row.output_tokens
        requests += 1
        prompt_tokens += row.prompt_tokens
        output_tokens += row.output_tokens
        max_tokens = max(max_tokens, tokens)
        total_blocks += -(-tokens // block_size)
        last_s = row.arrival_s
        if row.session_id is None:
            without_session += 1
        else:
            sessions.add(row.session_id)
    return TraceFacts(
        format=kind,
        requests=requests,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        max_tokens=max_tokens,
        total_blocks=total_blocks,
        first_s=first_s,
        last_s=last_s,
        sessions=len(sessions) + without_session,
        sha256=digest.hexdigest(),
    )
