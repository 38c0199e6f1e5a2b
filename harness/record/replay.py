"""A replay folder: what the engine's block manager did with one trace.

    replay.json      parameters, trace, engine and counters (``ReplayFacts``)
    *.csv            the tables of ``harness/record/replay_rows.py``
    events.jsonl.gz  if it was asked for: every event in order (``harness/record/event_log.py`` reads it)
    steps.jsonl      if it was asked for: what each engine step scheduled

Times are seconds of the replay's virtual clock, ``wall_s`` aside. What every number means: docs/prefix-sharing.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.record.bounded import UnreadableError, read_object
from harness.record.replay_rows import MAX_COUNT, GapRow, HitRow, OccupancyRow, RequestRow, read_rows
from harness.record.replay_rows import ReplayError as ReplayError
from harness.record.versioned import check_fields, read_versioned, types_of, write_facts

# 1 (2026-11-29): first version.
# 2 (2026-11-29): parameters headroom and offload; counters of swapping.
SCHEMA_VERSION = 2
FILE = "replay.json"
EVENTS = "events.jsonl.gz"
POLICIES = ("lru", "fifo", "lfu", "oracle")
LOOPS = ("fast", "stock")
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class StepTime:
    """Seconds of one engine step: base + prefill tokens + sequences that decode + tokens of context they attend to.

    The defaults are made up (those of the trials): no engine was timed for them.
    """

    base_s: float = 5e-3
    prefill_token_s: float = 2e-5
    decode_seq_s: float = 5e-5
    context_token_s: float = 1e-8


@dataclass(frozen=True)
class Parameters:
    """How a trace was replayed. ``num_blocks`` as vLLM counts them, its null block included; None: never too few."""

    block_size: int = 16  # tokens
    num_blocks: int | None = None
    prefix_caching: bool = True
    policy: str = "lru"
    watermark: float = 0.0  # share of the blocks that a new request must leave free
    headroom: dict[str, Any] | None = None  # harness/record/headroom_spec.py; None: the watermark alone
    offload: dict[str, Any] | None = None  # harness/record/offload_spec.py; None: preempted sequences are recomputed
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 8192
    loop: str = "fast"
    scheduler_cls: str | None = None
    limit: int | None = None  # only so many requests of the trace
    step_time: StepTime = field(default_factory=StepTime)


@dataclass(frozen=True)
class Counters:
    """What was counted. Definitions: docs/prefix-sharing.md."""

    requests: int
    finished: int
    prompt_tokens: int
    output_tokens: int
    hit_tokens: int
    hit_tokens_within_session: int
    hit_tokens_across_sessions: int
    blocks_allocated: int
    blocks_reused: int
    blocks_reused_within_session: int
    blocks_reused_across_sessions: int
    blocks_recovered: int
    unique_blocks: int
    blocks_stored: int
    evictions: int
    blocks_freed: int
    preemptions: int
    preempted_blocks: int
    prefill_tokens_scheduled: int
    decode_tokens_scheduled: int
    recomputed_tokens: int
    blocks_swapped_out: int
    blocks_swapped_in: int
    swap_outs: int
    swap_ins: int
    swapped_in_tokens: int
    steps: int
    virtual_s: float
    wall_s: float
    max_rss_bytes: int
    cache_blocks: int  # blocks that requests could have, the null block not counted


@dataclass(frozen=True)
class ReplayFacts:
    """replay.json. Absent is None, never 0."""

    started_at: str  # ISO 8601, UTC
    parameters: Parameters
    trace: dict[str, Any]  # file (its name), sha256, format, requests, and what else the trace's check counted
    tokenizer: dict[str, Any] | None  # of the trace's workload.json; None: the trace has none (Mooncake)
    model: dict[str, Any] | None  # whose KV bytes were asked for
    engine: dict[str, Any]  # pin, version, lock_sha256
    harness: dict[str, Any]
    counters: Counters
    schema_version: int = SCHEMA_VERSION

    def write(self, folder: Path) -> None:
        """Write ``folder/replay.json``, schema version first."""
        write_facts(folder / FILE, self)


@dataclass(frozen=True)
class Replay:
    """A replay folder's content; what its tables say agrees with its counters."""

    facts: ReplayFacts
    requests: Sequence[RequestRow]
    gaps: Sequence[GapRow]
    hits: Sequence[HitRow]
    occupancy: Sequence[OccupancyRow]


def read_replay(folder: Path) -> Replay:
    """Read a replay folder, which may come from anywhere.

    Raises:
        ReplayError: a file is absent or damaged, of an unknown schema, or the files contradict each other.
    """
    replay = Replay(
        read_facts(folder),
        read_rows(folder, RequestRow),
        read_rows(folder, GapRow),
        read_rows(folder, HitRow),
        read_rows(folder, OccupancyRow),
    )
    for what, counted, listed in _twice_counted(replay):
        if counted != listed:
            raise ReplayError(f"{folder}: {what} of its tables are {listed}, {FILE} counts {counted}")
    return replay


def read_facts(folder: Path) -> ReplayFacts:
    """Read ``folder/replay.json`` alone. Raises as ``read_replay``."""
    path = folder / FILE
    document = read_versioned(path, _MAX_BYTES, SCHEMA_VERSION, ReplayError)
    whole = checked(document, ReplayFacts, {"parameters": dict, "counters": dict}, str(path))
    parameters = checked(whole["parameters"], Parameters, {"step_time": dict}, f"{path}: parameters")
    step_time = StepTime(**checked(parameters["step_time"], StepTime, {}, f"{path}: step_time"))
    counters = Counters(**checked(whole["counters"], Counters, {}, f"{path}: counters"))
    return ReplayFacts(
        **whole | {"parameters": Parameters(**parameters | {"step_time": step_time}), "counters": counters}
    )


def read_counters(path: Path) -> Counters:
    """Read what a worker counted (its counters.json). Raises ReplayError."""
    return Counters(**checked(json_object(path), Counters, {}, str(path)))


def json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises ReplayError."""
    try:
        return read_object(path, _MAX_BYTES)
    except UnreadableError as error:
        raise ReplayError(f"{path}: {error}") from None


def checked(document: dict[str, Any], kind: type[Any], instead: dict[str, Any], where: str) -> dict[str, Any]:
    """The document, if it has exactly the fields of ``kind`` in their types; ``instead``: types of nested ones.

    Raises:
        ReplayError: it has not; ``where`` and the first such field are named.
    """
    check_fields(document, types_of(kind, **instead), where, ReplayError, _can_be)
    return document


def _can_be(_: str, value: Any) -> bool:
    return not isinstance(value, int | float) or 0 <= value <= MAX_COUNT


def _twice_counted(replay: Replay) -> list[tuple[str, int, int]]:
    """What tables and counters both say: name, counter, sum over a table."""
    counters, requests = replay.facts.counters, replay.requests
    return [
        ("requests", counters.finished, len(requests)),
        ("prompt tokens", counters.prompt_tokens, sum(row.prompt_tokens for row in requests)),
        ("hit tokens", counters.hit_tokens, sum(row.hit_tokens for row in requests)),
        ("blocks reused by requests", counters.blocks_reused, sum(row.hit_blocks for row in requests)),
        ("blocks allocated", counters.blocks_allocated, sum(row.allocated_blocks for row in requests)),
        ("preemptions", counters.preemptions, sum(row.preemptions for row in requests)),
        ("reuse gaps", counters.blocks_reused, sum(row.blocks for row in replay.gaps)),
        ("unique blocks", counters.unique_blocks, sum(row.blocks for row in replay.hits)),
        ("hits", counters.blocks_reused, sum(row.hits * row.blocks for row in replay.hits)),
    ]
