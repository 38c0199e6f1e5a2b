"""One point on vLLM's real engine: a token trace served under a head-room policy, timed step by step and recorded.

The engine is driven from here, as ``LLM.generate`` does it; its scheduler and block manager report to the Recorder of
the model-free replay, whose tables and events these are therefore. On the clock of a point, requests join at the end of
the step during which they arrived: after so many steps (``arrivals`` "steps"), or so many seconds ("seconds").
"""

import csv
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind
from vllm.v1.core.sched.output import SchedulerOutput

from experiments.kv_headroom.worker_live_pool import LiveContents, LivePool
from experiments.model_free.worker_manager import as_before, reported
from experiments.model_free.worker_pool import take_over
from experiments.model_free.worker_recorder import Recorder
from experiments.model_free.worker_step_loop import Step, step_of
from experiments.model_free.worker_trace import PREDICTED, Trace, TraceRow

STEP_COLUMNS = "step,begin_s,seconds,prefill_tokens,decode_seqs,context_tokens,preempted".split(",")


class Point:
    """One workload on an engine that has nothing else to do; ``folder`` gets the recorder's files."""

    def __init__(self, llm: Any, trace: Path, limit: int | None, by_steps: bool, events: bool, folder: Path) -> None:
        self._engine = llm.llm_engine
        self._scheduler = self._engine.engine_core.engine_core.scheduler
        size = self._engine.vllm_config.cache_config.block_size
        self._rows = list(Trace(trace, size, limit, with_contents=False))
        self._by_steps = by_steps
        self.recorder = Recorder(folder, size, events)
        self.seconds = {"step_s": 0.0, "step_cpu_s": 0.0, "adding_s": 0.0, "idle_s": 0.0, "wall_s": 0.0}
        self.timed: list[tuple[float, float, int, int, int, int]] = []  # STEP_COLUMNS but the first
        self.decided: list[Step] = []
        self.answers: dict[str, list[int]] = {}
        self.names: dict[str, str] = {}  # the engine's name of a request → ours, its place in the trace
        self._clock, self._begun = 0.0, 0.0
        self._latest: tuple[int, int, int, int] | None = None  # what the step computes: the last four of a row

    def run(self) -> None:
        """To the end of its last request.

        Raises:
            ValueError: a token that the model does not have.
        """
        self._check_vocabulary()
        scheduler = self._scheduler
        with reported(scheduler, self.recorder), as_before(scheduler, "schedule", "update_from_output"):
            self._watch()
            self._begun = time.perf_counter()
            self._serve()
            self.seconds["wall_s"] = time.perf_counter() - self._begun

    def _serve(self) -> None:
        rows = iter(self._rows)
        upcoming = next(rows, None)
        while upcoming is not None or self._engine.has_unfinished_requests():
            if upcoming is not None and not self._engine.has_unfinished_requests():
                self._idle_until(upcoming.arrival_s)
            self.recorder.now = self._time()
            begin, cpu = time.perf_counter(), time.process_time()
            while upcoming is not None and upcoming.arrival_s <= self.recorder.now:
                self._add(upcoming)
                upcoming = next(rows, None)
            outputs = self._engine.step()
            seconds = time.perf_counter() - begin
            self.seconds["step_s"] += seconds
            self.seconds["step_cpu_s"] += time.process_time() - cpu
            if self._latest is not None:
                self.timed.append((begin - self._begun, seconds, *self._latest))
                self._latest = None
            for each in outputs:
                self.answers[each.request_id] = list(each.outputs[0].token_ids)

    def _time(self) -> float:
        return self._clock if self._by_steps else time.perf_counter() - self._begun

    def _idle_until(self, arrival: float) -> None:
        if self._by_steps:
            self._clock = max(self._clock, arrival)
            return
        begin = time.perf_counter()
        while (left := arrival - self._time()) > 0:
            time.sleep(left)
        self.seconds["idle_s"] += time.perf_counter() - begin

    def _add(self, row: TraceRow) -> None:
        begin = time.perf_counter()
        predicted = row.predicted_tokens
        sampling = SamplingParams(
            max_tokens=row.output_tokens,
            ignore_eos=True,
            temperature=0.0,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
            extra_args=None if predicted is None else {PREDICTED: predicted},
        )
        name = self._engine.add_request(row.request_id, {"prompt_token_ids": row.prompt_ids}, sampling)
        self.names[name] = row.request_id
        self.recorder.arrive(replace(row, request_id=name))
        self.seconds["adding_s"] += time.perf_counter() - begin

    def _watch(self) -> None:
        """Let everything that is decided be recorded at the time at which it is, blocks by what they hold."""
        scheduler, recorder = self._scheduler, self.recorder
        pool = take_over(scheduler.kv_cache_manager.block_pool, LivePool, recorder, LiveContents(), None)
        assert isinstance(pool, LivePool)
        pool.requests = scheduler.requests
        schedule, update = scheduler.schedule, scheduler.update_from_output

        def scheduled(*args: Any, **more: Any) -> SchedulerOutput:
            recorder.now = self._time()
            output: SchedulerOutput = schedule(*args, **more)
            if output.num_scheduled_tokens:
                self._note(output)
            return output

        def updated(output: SchedulerOutput, *args: Any, **more: Any) -> Any:
            self._clock += bool(output.num_scheduled_tokens)
            recorder.now = self._time()
            return update(output, *args, **more)

        scheduler.schedule, scheduler.update_from_output = scheduled, updated

    def _note(self, scheduled: SchedulerOutput) -> None:
        """What the step computes, told apart as the model-free step loop does."""
        prefill = decode = context = 0
        for name, count in scheduled.num_scheduled_tokens.items():
            request = self._scheduler.requests[name]
            context += request.num_computed_tokens  # this step's tokens included
            if count == 1 and request.num_output_tokens > 0:
                decode += 1
            else:
                prefill += count
        self.recorder.counts["prefill_tokens_scheduled"] += prefill
        self.recorder.counts["decode_tokens_scheduled"] += decode
        self.decided.append(step_of(scheduled))
        self._latest = prefill, decode, context, len(scheduled.preempted_req_ids or ())

    def _check_vocabulary(self) -> None:
        known = self._engine.model_config.get_vocab_size()
        for row in self._rows:
            assert row.prompt_ids is not None, "only token traces have tokens"
            if max(row.prompt_ids) >= known:
                raise ValueError(f"request {row.name}: token {max(row.prompt_ids)}, the model has {known}")

    def write(self, folder: Path) -> None:
        """steps.csv, steps.jsonl and trace.jsonl: the trace with what the model really sampled."""
        with (folder / "steps.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(STEP_COLUMNS)
            for step, (begin, seconds, *counts) in enumerate(self.timed):
                writer.writerow((step, f"{begin:.9f}", f"{seconds:.9f}", *counts))
        names = self.names
        with (folder / "steps.jsonl").open("w", encoding="utf-8") as file:
            for scheduled, preempted, cached in self.decided:
                named = ({names[each]: tokens for each, tokens in part.items()} for part in (scheduled, cached))
                tokens, first = named
                print(json.dumps([tokens, sorted(names[each] for each in preempted), first]), file=file)
        with (folder / "trace.jsonl").open("w", encoding="utf-8") as file:
            for row in self._rows:
                print(json.dumps(_document(row, self.answers[row.request_id])), file=file)


def _document(row: TraceRow, answer: list[int]) -> dict[str, Any]:
    """The row of a token trace."""
    document = {
        "request_id": row.name,
        "session_id": row.session,
        "turn": row.turn,
        "arrival_s": row.arrival_s,
        "prompt_token_ids": row.prompt_ids,
        "output_token_ids": answer,
    }
    if row.predicted_tokens is not None:
        document[PREDICTED] = row.predicted_tokens
    return document
