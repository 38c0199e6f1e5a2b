"""What a point on a real engine needs beforehand: a checked token trace, parameters that can be, requests that fit."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.measure.replay_job import blocks_needed
from harness.record.headroom_spec import check_headroom
from harness.record.plain import printable
from harness.record.real_point import ARRIVALS, RealParameters
from harness.traces.check import TraceFacts, check_trace

BLOCK_MULTIPLE = 32  # tokens. Source: vLLM 0.32.0, v1/attention/backends/cpu_attn.py


@dataclass(frozen=True)
class RealJob:
    """One point that can be made."""

    trace: Path
    facts: TraceFacts
    parameters: RealParameters
    events: bool = False

    def request(self, out: Path) -> dict[str, Any]:
        """What the worker is asked to do (experiments/kv_headroom/worker_real_points.py), its engine aside."""
        asked = asdict(self.parameters)
        del asked["engine"]
        return asked | {"trace": str(self.trace.resolve()), "out": str(out), "events": self.events}

    def trace_record(self) -> dict[str, Any]:
        """The trace as it is recorded: its file's name, not its place."""
        return {"file": printable(self.trace.name, 300), **asdict(self.facts)}


def make_real_job(
    trace: Path, parameters: RealParameters, events: bool = False, facts: TraceFacts | None = None
) -> RealJob:
    """Check everything that can be checked before an engine is started.

    ``facts``: of this trace at the engine's block size, where a caller has them already.

    Raises:
        HarnessError: parameters that cannot be, a bad trace or one without tokens, or a request that never fits.
    """
    engine = parameters.engine
    _check(parameters)
    facts = facts or check_trace(trace, engine.block_size)
    if facts.format != "tokens":
        raise HarnessError(f"{trace}: a {facts.format} trace has no tokens to give a real engine; give a token trace")
    if facts.max_tokens > engine.max_model_len:
        what = f"a request of {facts.max_tokens} tokens, the engine takes {engine.max_model_len}"
        raise HarnessError(f"{trace}: {what}; give max_model_len {facts.max_tokens} or more, or shorter requests")
    # The longest request bounds what any holds.
    needed, usable = blocks_needed(facts.max_tokens, 0, engine.block_size), engine.num_blocks - 1
    if needed > usable:
        what = f"a request takes {needed} blocks, the cache has {usable} beside vLLM's null block"
        raise HarnessError(f"{trace}: {what}; give num_blocks {needed + 1} or more")
    return RealJob(trace, facts, parameters, events)


def _check(parameters: RealParameters) -> None:
    """Raises HarnessError for a value that no point can have."""
    engine = parameters.engine
    if engine.block_size < 1 or engine.block_size % BLOCK_MULTIPLE:
        raise HarnessError(f"block_size {engine.block_size}: vLLM's CPU engine takes multiples of {BLOCK_MULTIPLE}")
    if not 1 <= engine.max_num_seqs <= engine.max_num_batched_tokens:
        what = f"max_num_seqs {engine.max_num_seqs}, max_num_batched_tokens {engine.max_num_batched_tokens}"
        raise HarnessError(f"{what}: vLLM wants at least one sequence, and a token for each")
    if parameters.arrivals not in ARRIVALS:
        raise HarnessError(f"arrivals '{printable(parameters.arrivals, 60)}': by {' or '.join(ARRIVALS)}")
    if not 0 <= parameters.watermark < 1:
        raise HarnessError(f"watermark {parameters.watermark}: a share of the blocks, from 0 to less than 1")
    if parameters.headroom is not None:
        if parameters.watermark:
            what = f"watermark {parameters.watermark}: a head-room policy takes its place"
            raise HarnessError(f"{what}; leave one of them out")
        try:
            check_headroom(parameters.headroom)
        except ValueError as error:
            raise HarnessError(str(error)) from None
