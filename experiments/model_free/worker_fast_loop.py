"""The same decisions as the stock loop's, on the same virtual clock, without idle work (``worker_fast_schedule``).

Steps, times, blocks and their order are the stock loop's (tested on every event).

Source: vLLM 0.32.0 ``v1/core/sched/scheduler.py``, ``update_from_output``.
"""

from collections import defaultdict
from collections.abc import Callable

from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.request import RequestStatus

from experiments.model_free.worker_fast_schedule import Chunk, FastSchedule
from experiments.model_free.worker_headroom import Headroom
from experiments.model_free.worker_recorder import Recorder
from experiments.model_free.worker_sequence import Sequence, still_running
from experiments.model_free.worker_step_loop import Step, StuckError
from experiments.model_free.worker_step_time import StepTime
from experiments.model_free.worker_trace import Trace, TraceRow

_ROUNDING = 1 - 1e-9  # a product is no less than the sum that it stands for


class FastLoop(FastSchedule):
    """One replay: ``run`` it once; or let requests ``arrive`` one by one, in order, and ``advance`` between them."""

    def __init__(
        self,
        scheduler: Scheduler,
        trace: Trace,
        step_time: StepTime,
        recorder: Recorder,
        headroom: Headroom | None = None,
        on_step: Callable[[Step], None] | None = None,
    ) -> None:
        super().__init__(scheduler, trace.block_size, trace.with_contents, recorder, headroom)
        self._trace, self._step_time, self._on_step = trace, step_time, on_step
        self._now, self._until = 0.0, float("inf")
        self._ending: defaultdict[int, list[tuple[Sequence, int]]] = defaultdict(list)  # step → (sequence, its place)

    def run(self) -> int:
        """Replay the trace to its end; returns the number of engine steps.

        Raises:
            StuckError: nothing can be scheduled.
        """
        for row in self._trace:
            self.advance(row.arrival_s)
            self.arrive(row)
        self.advance(float("inf"))
        return self._step

    @property
    def next_step_s(self) -> float:
        """When the next step begins; infinity: nothing is to be done."""
        return self._now if self.running or self.waiting else float("inf")

    @property
    def earliest_end_s(self) -> float:
        """No request ends before this, unless another one arrives."""
        if not self.running and not self.waiting:
            return float("inf")
        steps = 1
        if not self.waiting and self.running[-1].decode_from is not None:
            steps += min(self._ending) - self._step
        shortest = min(self._step_time(0, 1, 0), self._step_time(1, 0, 0))
        return (self._now + steps * shortest) * _ROUNDING

    def arrive(self, row: TraceRow) -> None:
        """A request joins the queue, before the step that is next. ``advance`` to its arrival first."""
        if not self.running and not self.waiting:
            self._now = max(self._now, row.arrival_s)
        self._recorder.now = self._now
        self.waiting.append(Sequence(self._recorder.arrive(row)))

    def advance(self, until_s: float) -> None:
        """All steps that begin before ``until_s``, or until nothing is to be done; the last may end after it.

        Raises:
            StuckError: nothing can be scheduled.
        """
        self._until = until_s
        while self._now < until_s and (self.running or self.waiting):
            self._take_step()

    def _take_step(self) -> None:
        chunks, preempted = self._schedule()
        if self._decoding or chunks:
            self._log(chunks, preempted)
            self._compute(chunks)
            self._coast()
        elif not preempted:
            raise StuckError(f"nothing can be scheduled after {self._step} steps, at {self._now:.3f} s")

    def _compute(self, chunks: list[Chunk]) -> None:
        """The step is executed: time passes, tokens are sampled, sequences end."""
        prefill, decode = 0, self._decoding
        self._context += self._decoding
        context = self._context
        for sequence, tokens in chunks:
            sequence.num_computed_tokens += tokens
            context += sequence.num_computed_tokens
            if tokens == 1 and sequence.sampled > 0:
                decode += 1
            else:
                prefill += tokens
        self._count(prefill, decode, context)
        ended = still_running(self._ending.pop(self._step - 1, []))
        for sequence in ended:
            sequence.settle(self._step)
            self._decoding -= 1
            self._context -= sequence.num_computed_tokens
            self._finish(sequence)
        for sequence, _ in chunks:
            if sequence.num_computed_tokens >= sequence.num_tokens:
                self._sample_after_prefill(sequence)
        if any(sequence.status is not RequestStatus.RUNNING for sequence in (*ended, *(each for each, _ in chunks))):
            self.running = [each for each in self.running if each.status is RequestStatus.RUNNING]

    def _count(self, prefill: int, decode: int, context: int) -> None:
        """A step is over that computed this much."""
        self._recorder.counts["prefill_tokens_scheduled"] += prefill
        self._recorder.counts["decode_tokens_scheduled"] += decode
        self._now += self._step_time(prefill, decode, context)
        self._recorder.now = self._now
        self._step += 1

    def _sample_after_prefill(self, sequence: Sequence) -> None:
        """All its tokens are computed: it samples one, and decodes from the next step on unless that was the last."""
        if sequence.sampled == 0:
            self._recorder.first_token(sequence.record)
        sequence.sampled += 1
        sequence.num_tokens += 1
        if sequence.sampled >= sequence.output_tokens:
            self._finish(sequence)
            return
        sequence.decode_from = self._step
        self._decoding += 1
        self._context += sequence.num_computed_tokens
        self._ending[self._step + sequence.output_tokens - sequence.sampled - 1].append((sequence, sequence.place))
        self._plan(sequence, self._step)

    def _finish(self, sequence: Sequence) -> None:
        self._recorder.finish(sequence.record)
        sequence.status = RequestStatus.FINISHED_LENGTH_CAPPED
        self.manager.free(sequence)
        self._frees += 1

    def _coast(self) -> None:
        """Steps in which every sequence decodes, none is due or ends, and nobody arrives or can be admitted."""
        if self._on_step is not None or not self.running or self.running[-1].decode_from is None:
            return
        if self.waiting and len(self.running) < self._max_running and not self._still_refused():
            return
        until = self._until
        while self._now < until and self._step not in self._due and self._step not in self._ending:
            self._context += self._decoding
            self._count(0, self._decoding, self._context)

    def _log(self, chunks: list[Chunk], preempted: list[Sequence]) -> None:
        """Report the step as the stock loop would."""
        if self._on_step is not None:
            tokens = {each.request_id: 1 for each in self.running if each.decode_from is not None}
            tokens |= {each.request_id: computed for each, computed in chunks}
            self._on_step((tokens, sorted(each.request_id for each in preempted), self._first_hits))
