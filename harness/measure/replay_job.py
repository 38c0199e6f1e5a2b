"""What a replay needs beforehand: a checked trace, parameters that can be, blocks that fit into memory."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.record.bounded import UnreadableError, parse_json, read_bounded
from harness.record.headroom_spec import check_headroom
from harness.record.offload_spec import check_offload
from harness.record.plain import printable
from harness.record.replay import LOOPS, POLICIES, Parameters
from harness.state.limits import memory
from harness.traces.check import TraceFacts, check_trace
from harness.traces.lines import wrong_row
from harness.traces.rows import MOONCAKE_BLOCK, read_trace
from harness.traces.workload import WORKLOAD

# Measured with vLLM 0.32.0: a block's objects 137 to 141 bytes; a hash, its key and its places in dicts 160 and more,
# and more again where a trace names sessions.
BLOCK_BYTES, CONTENT_BYTES = 140, 300
_COUNTED_BYTES = 13  # of each content, in the arrays that count its uses
_HASH_ID_BYTES = 150  # of each of Mooncake's ids: two numbers and their place in a dict
_NEXT_USE_BYTES = 40  # of each prompt block, while the oracle's table is made
_ENGINE_BYTES = 600 << 20  # vLLM and torch, imported
_MOST_BLOCKS = 10**10
_MAX_WORKLOAD_BYTES = 16 << 20


@dataclass(frozen=True)
class Job:
    """One replay that can be made. ``model``: whose KV bytes are recorded with it (``analyse.kv_bytes``)."""

    trace: Path
    facts: TraceFacts
    tokenizer: dict[str, Any] | None
    parameters: Parameters
    model: dict[str, Any] | None = None
    events: bool = False
    steps: bool = False

    @property
    def num_blocks(self) -> int:
        """Blocks as vLLM counts them: with its null block."""
        if self.parameters.num_blocks is not None:
            return self.parameters.num_blocks
        return self.facts.total_blocks + 2  # none is ever missing, not even while the last request is let in

    def request(self, out: Path) -> dict[str, Any]:
        """What the worker is asked to do (experiments/model_free/worker_replay.py)."""
        asked = asdict(self.parameters) | {"num_blocks": self.num_blocks, "max_model_len": self.facts.max_tokens + 1}
        return asked | {"trace": str(self.trace.resolve()), "out": str(out), "events": self.events, "steps": self.steps}

    def trace_record(self) -> dict[str, Any]:
        """The trace as it is recorded: its file's name, not its place."""
        return {"file": printable(self.trace.name, 300), **asdict(self.facts)}


def make_job(
    trace: Path,
    parameters: Parameters,
    model: dict[str, Any] | None = None,
    events: bool = False,
    steps: bool = False,
    facts: TraceFacts | None = None,
) -> Job:
    """Check everything that can be checked before the engine is started.

    ``facts``: of this trace at this block size, where a caller has them already.

    Raises:
        HarnessError: parameters that cannot be, a bad trace, a request that never fits, or too little memory.
    """
    check_parameters(parameters)
    facts = facts or check_trace(trace, parameters.block_size)
    job = Job(trace, facts, tokenizer_of(trace, facts.sha256), parameters, model, events, steps)
    _check_longest(job)
    _check_memory(job)
    return job


def check_parameters(parameters: Parameters) -> None:
    """Raises HarnessError for a value that no replay can have, named as the command line names it."""
    one = parameters
    for name, value, known in (("policy", one.policy, POLICIES), ("loop", one.loop, LOOPS)):
        if value not in known:
            raise HarnessError(f"--{name} '{printable(value, 60)}': it is one of {', '.join(known)}")
    if not 0 <= one.watermark < 1:
        raise HarnessError(f"--watermark {one.watermark}: a share of the blocks, from 0 to less than 1")
    if one.num_blocks is not None and not 2 <= one.num_blocks <= _MOST_BLOCKS:
        what = "from 2 (vLLM keeps one for itself), or inf"
        raise HarnessError(f"--num-blocks {one.num_blocks}: a number of blocks {what}")
    for name in ("block_size", "max_num_seqs", "max_num_batched_tokens"):
        if getattr(one, name) < 1:
            raise HarnessError(f"--{name.replace('_', '-')} {getattr(one, name)}: at least 1")
    if one.max_num_seqs > one.max_num_batched_tokens:
        what = f"--max-num-batched-tokens {one.max_num_batched_tokens}: vLLM wants one for each of"
        raise HarnessError(f"{what} --max-num-seqs {one.max_num_seqs}")
    if one.scheduler_cls is not None and one.loop != "stock":
        raise HarnessError(f"scheduler {one.scheduler_cls}: only vLLM's own step loop (--stock) runs other schedulers")
    if one.offload is not None and one.loop != "stock":
        raise HarnessError("offload to host memory: only vLLM's own step loop (--stock) has it")
    if one.offload is not None and not one.prefix_caching:
        raise HarnessError("offload to host memory: it finds blocks by their contents; leave --no-prefix-caching out")
    if one.offload is not None and one.policy != "lru":
        raise HarnessError(f"--policy {one.policy}: offload to host memory reads vLLM's own queue, which is lru")
    if one.headroom is not None and one.scheduler_cls is not None:
        raise HarnessError(f"--scheduler-cls {one.scheduler_cls}: it decides itself; leave it or --headroom out")
    if one.headroom is not None and one.watermark:
        raise HarnessError(f"--watermark {one.watermark}: a head-room policy takes its place; leave one of them out")
    try:
        if one.headroom is not None:
            check_headroom(one.headroom)
        if one.offload is not None:
            check_offload(one.offload)
    except ValueError as error:
        raise HarnessError(str(error)) from None


def tokenizer_of(trace: Path, sha256: str) -> dict[str, Any] | None:
    """The tokenizer that the trace was made with, from the workload.json beside it; None if that names other traces."""
    try:
        document = parse_json(read_bounded(trace.parent / WORKLOAD, _MAX_WORKLOAD_BYTES))
    except (OSError, UnreadableError):
        return None
    traces = document.get("traces") if isinstance(document, dict) else None
    known = traces.values() if isinstance(traces, dict) else ()
    tokenizer = document["tokenizer"] if any(isinstance(x, dict) and x.get("sha256") == sha256 for x in known) else None
    return tokenizer if isinstance(tokenizer, dict) else None


def blocks_needed(prompt_tokens: int, output_tokens: int, block_size: int) -> int:
    """Blocks that a request holds at its end: the last token that it samples is never computed."""
    return -(-(prompt_tokens + output_tokens - 1) // block_size)


def _check_longest(job: Job) -> None:
    """A request that does not fit into the empty cache would wait for ever: name the first one."""
    size, usable = job.parameters.block_size, job.num_blocks - 1
    if blocks_needed(job.facts.max_tokens, 0, size) <= usable:
        return
    for number, row in read_trace(job.trace):
        needed = blocks_needed(row.prompt_tokens, row.output_tokens, size)
        if needed > usable:
            tokens = f"{row.prompt_tokens} prompt and {row.output_tokens} output tokens take {needed} blocks of {size}"
            cure = f"give --num-blocks {needed + 1} or more"
            raise wrong_row(job.trace, number, f"its {tokens}, the cache has {usable} beside vLLM's null block", cure)


def _check_memory(job: Job) -> None:
    available, needed = memory().available_bytes, _memory_bytes(job)
    if available is None or needed <= available:
        return
    cures = ["a smaller trace (fewer conversations)", "a larger --block-size"]
    cures += ["fewer --num-blocks"] * (job.parameters.num_blocks is not None)
    cures += ["another --policy than oracle"] * (job.parameters.policy == "oracle")
    raise HarnessError(
        f"{job.trace}: its replay with {job.num_blocks} blocks takes about {needed / 1e9:.1f} GB of memory, "
        f"{available / 1e9:.1f} GB are available; take {', or '.join(cures)}"
    )


def _memory_bytes(job: Job) -> int:
    """What the worker takes at most. A token trace's contents are kept until the end, evicted or not."""
    facts, one = job.facts, job.parameters
    needed = _ENGINE_BYTES + job.num_blocks * BLOCK_BYTES
    if one.offload is not None:
        needed += one.offload["cpu_blocks"] * (BLOCK_BYTES + CONTENT_BYTES)
    if not one.prefix_caching:
        return needed
    if facts.format == "tokens":
        needed += facts.total_blocks * CONTENT_BYTES
    else:
        ids = facts.total_blocks * one.block_size // MOONCAKE_BLOCK
        needed += min(job.num_blocks, facts.total_blocks) * CONTENT_BYTES
        needed += facts.total_blocks * _COUNTED_BYTES + ids * _HASH_ID_BYTES
    if one.policy == "oracle":
        needed += facts.prompt_tokens // one.block_size * _NEXT_USE_BYTES
    return needed
