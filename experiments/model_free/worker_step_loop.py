"""The stock loop: vLLM's schedule() and update_from_output(), step by step, on a virtual clock.

The model's answers are the trace's: every sequence samples the token that was recorded, or a filler, until its recorded
length. A step takes what ``StepTime`` says; requests join when their arrival has passed, at the end of a step. Beside
the steps run transfers to and from the host, if there are any; who waits for one does not run. If nothing can be
scheduled before a transfer is over, time goes on to its end.
"""

from collections.abc import Callable

from vllm.sampling_params import SamplingParams
from vllm.utils.hashing import sha256
from vllm.v1.core.kv_cache_utils import BlockHash, get_request_block_hasher
from vllm.v1.core.sched.output import SchedulerOutput
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.request import Request

from experiments.model_free.worker_offload import Offload
from experiments.model_free.worker_recorder import Recorder
from experiments.model_free.worker_step_time import StepTime
from experiments.model_free.worker_trace import PREDICTED, Trace, TraceRow

FILLER = 7  # a token that stands for an unknown one; what it is decides nothing
Step = tuple[dict[str, int], list[str], dict[str, int]]  # scheduled tokens, preempted, cached at first admission


class StuckError(Exception):
    """Nothing can be scheduled and nothing will change that: a request needs more blocks than there are."""


def run_steps(
    scheduler: Scheduler,
    trace: Trace,
    step_time: StepTime,
    recorder: Recorder,
    on_step: Callable[[Step], None] | None = None,
    offload: Offload | None = None,
) -> int:
    """Replay the trace to its end; returns the number of engine steps.

    Raises:
        StuckError: see there.
    """
    rows = iter(trace)
    upcoming = next(rows, None)
    outputs: dict[str, list[int] | None] = {}
    requests = _Requests(trace)
    now, steps = 0.0, 0
    while upcoming is not None or scheduler.has_unfinished_requests():
        if upcoming is not None and not scheduler.has_unfinished_requests():
            if offload is not None:
                offload.idle(now, max(now, upcoming.arrival_s))
            now = max(now, upcoming.arrival_s)
        recorder.now = now
        while upcoming is not None and upcoming.arrival_s <= now:
            recorder.arrive(upcoming)
            outputs[upcoming.request_id] = upcoming.output_ids
            scheduler.add_request(requests.make(upcoming))
            upcoming = next(rows, None)
        scheduled = scheduler.schedule()
        ids = list(scheduled.num_scheduled_tokens)
        tokens: list[list[int]] = []
        begin = now = now if offload is None else offload.step_begin_s(scheduled, now)
        if ids:
            steps += 1
            if on_step is not None:
                on_step(step_of(scheduled))
            tokens, seconds = _execute(scheduler, scheduled, outputs, step_time, recorder)
            now += seconds
        if offload is not None:
            offload.order(scheduled.kv_connector_metadata, begin, now)
        if not ids and not scheduled.preempted_req_ids:
            until = None if offload is None else offload.more_room_s()
            if until is None:
                raise StuckError(f"nothing can be scheduled after {steps} steps, at {now:.3f} s")
            now = until if upcoming is None else min(until, upcoming.arrival_s)
        recorder.now = now
        ran = ModelRunnerOutput(
            req_ids=ids,
            req_id_to_index={each: index for index, each in enumerate(ids)},
            sampled_token_ids=tokens,
            kv_connector_output=None if offload is None else offload.finished(now),
        )
        scheduler.update_from_output(scheduled, ran)
        for each in scheduled.finished_req_ids:
            del outputs[each], requests.hashes[each]
    if offload is not None:
        offload.stop()
    return steps


def step_of(scheduled: SchedulerOutput) -> Step:
    """What a step is compared by."""
    cached = {new.req_id: new.num_computed_tokens for new in scheduled.scheduled_new_reqs}
    return dict(scheduled.num_scheduled_tokens), sorted(scheduled.preempted_req_ids or ()), cached


def _execute(
    scheduler: Scheduler,
    scheduled: SchedulerOutput,
    outputs: dict[str, list[int] | None],
    step_time: StepTime,
    recorder: Recorder,
) -> tuple[list[list[int]], float]:
    """What the model would have sampled (nothing for a part of a prefill), and the seconds that the step takes."""
    prefill = decode = context = 0
    sampled: list[list[int]] = []
    for request_id, count in scheduled.num_scheduled_tokens.items():
        request = scheduler.requests[request_id]
        context += request.num_computed_tokens  # this step's tokens included
        done = request.num_output_tokens
        if count == 1 and done > 0:
            decode += 1
        else:
            prefill += count
        if request.num_computed_tokens >= request.num_tokens:
            recorded = outputs[request_id]
            sampled.append([recorded[done] if recorded is not None else FILLER])
        else:
            sampled.append([])
    recorder.counts["prefill_tokens_scheduled"] += prefill
    recorder.counts["decode_tokens_scheduled"] += decode
    return sampled, step_time(prefill, decode, context)


class _Requests:
    """vLLM's requests of rows: greedy, to their recorded lengths; hashed by vLLM, or with the trace's own hashes."""

    def __init__(self, trace: Trace) -> None:
        self.hashes: dict[str, list[BlockHash]] = {}
        self._block_size = trace.block_size
        own = get_request_block_hasher(trace.block_size, sha256)
        self._hasher = (self._supplied if trace.is_mooncake else own) if trace.with_contents else None

    def make(self, row: TraceRow) -> Request:
        """The request of this row."""
        self.hashes[row.request_id] = row.hashes
        return Request(
            request_id=row.request_id,
            prompt_token_ids=row.prompt_ids if row.prompt_ids is not None else [0] * row.prompt_tokens,
            sampling_params=SamplingParams(
                max_tokens=row.output_tokens,
                temperature=0.0,
                ignore_eos=True,
                extra_args=None if row.predicted_tokens is None else {PREDICTED: row.predicted_tokens},
            ),
            pooling_params=None,
            arrival_time=row.arrival_s,
            block_hasher=self._hasher,
        )

    def _supplied(self, request: Request) -> list[BlockHash]:
        known = len(request.block_hashes)
        return self.hashes[request.request_id][known : request.num_tokens // self._block_size]
