"""What vLLM's FCFS schedule() decides in one step, without a step's work for sequences whose blocks do not change.

Restated for what a replay contains (text, one KV-cache group of full attention, no speculation, no connector) over
vLLM's own KVCacheManager. A decoding sequence needs its manager twice in ``block_size`` steps: when a token begins a
block, and when one completes a block, which is then cached. A calendar says which sequences are due in which step; all
others only grow.

Source: vLLM 0.32.0 ``v1/core/sched/scheduler.py``, ``schedule``.
"""

from collections import defaultdict, deque
from typing import Any

from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.request import RequestStatus

from experiments.model_free.worker_headroom import Headroom
from experiments.model_free.worker_recorder import Recorder
from experiments.model_free.worker_sequence import Sequence, still_running

Chunk = tuple[Sequence, int]  # a sequence that is not decoding, and the tokens that a step computes of it


class FastSchedule:
    """Who runs, who waits, and what the next step computes of them."""

    def __init__(
        self, scheduler: Scheduler, block_size: int, caching: bool, recorder: Recorder, headroom: Headroom | None
    ) -> None:
        self.manager: Any = scheduler.kv_cache_manager  # any: it is given Sequences for Requests
        self.running: list[Sequence] = []
        self.waiting: deque[Sequence] = deque()
        self._max_running = scheduler.max_num_active_reqs
        self._budget = scheduler.max_num_scheduled_tokens
        assert scheduler.scheduler_reserve_full_isl, "restated for vLLM's default: admitted is whose whole prompt fits"
        self._block_size, self._caching, self._recorder = block_size, caching, recorder
        self._step, self._admissions, self._frees = 0, 0, 0
        self._headroom, self._occupants = headroom, lambda: (each.occupant(self._step) for each in self.running)
        self._due: defaultdict[int, list[tuple[Sequence, int]]] = defaultdict(list)  # step → (sequence, its place)
        self._decoding = 0
        self._context = 0  # tokens that decoding sequences had computed before this step
        self._refused: tuple[int, bytes | None] | None = None  # frees until then, and the hash that would change it
        self._first_hits: dict[str, int] = {}  # tokens found in the cache by who was admitted first in this step

    def _schedule(self) -> tuple[list[Chunk], list[Sequence]]:
        """Beside a token of everyone that decodes: what is computed of the others; and who was preempted."""
        self._first_hits = {}
        preempted = self._continue_decoding()
        left = self._budget - self._decoding
        chunks = self._continue_prefill(left, preempted)
        if not preempted:
            self._admit(chunks, left - sum(tokens for _, tokens in chunks))
        return chunks, preempted

    def _continue_decoding(self) -> list[Sequence]:
        """Give blocks to decoding sequences that need one, cache what they complete; returns whom that preempted."""
        preempted: list[Sequence] = []
        for sequence in still_running(self._due.pop(self._step, [])):
            if sequence.status is not RequestStatus.RUNNING:
                continue  # preempted by one before it
            sequence.settle(self._step)
            if not self._allocate(sequence, 1, preempted):
                break
            self._plan(sequence, self._step + 1)
        return preempted

    def _continue_prefill(self, left: int, preempted: list[Sequence]) -> list[Chunk]:
        """The next chunk of the sequence whose prefill the budget cut off: there is one at most, the last to run."""
        last = self.running[-1] if self.running else None
        if last is None or last.decode_from is not None or left <= 0:
            return []
        tokens = min(last.num_tokens - last.num_computed_tokens, left)
        return [(last, tokens)] if self._allocate(last, tokens, preempted) else []

    def _allocate(self, sequence: Sequence, tokens: int, preempted: list[Sequence]) -> bool:
        """Slots for a running sequence, if need be those of the last ones; False: it had to give way itself."""
        while self.manager.allocate_slots(sequence, tokens) is None:
            victim = self.running.pop()
            self._preempt(victim)
            preempted.append(victim)
            if victim is sequence:
                return False
        return True

    def _preempt(self, victim: Sequence) -> None:
        victim.settle(self._step)
        if victim.decode_from is not None:
            self._decoding -= 1
            self._context -= victim.num_computed_tokens
        held = len(self.manager.get_block_ids(victim.request_id)[0])
        self._recorder.preempt(victim.record, held, victim.num_computed_tokens)
        self.manager.free(victim)
        self._frees += 1
        victim.status, victim.decode_from = RequestStatus.PREEMPTED, None
        victim.num_computed_tokens = 0
        victim.num_preemptions += 1
        self.waiting.appendleft(victim)

    def _admit(self, chunks: list[Chunk], left: int) -> None:
        """Waiting sequences in their order, until one does not fit."""
        while self.waiting and left > 0 and len(self.running) < self._max_running and not self._still_refused():
            sequence = self.waiting[0]
            blocks, hit, _ = self.manager.get_computed_blocks(sequence)
            tokens = min(sequence.num_tokens - hit, left)
            some_run = bool(self.running)
            if self._headroom is not None:
                asks = len(self.running), self._occupants, sequence.occupant(self._step)
                self.manager.watermark_blocks = self._headroom.keep_free(*asks)
            admitted = self.manager.allocate_slots(
                sequence, tokens, hit, blocks, full_sequence_must_fit=True, has_scheduled_reqs=some_run
            )
            if admitted is None:
                place = hit // self._block_size
                known = self._caching and place < len(sequence.block_hashes)
                self._refused = self._frees, sequence.block_hashes[place] if known else None
                return
            if sequence.status is RequestStatus.WAITING:
                self._first_hits[sequence.request_id] = hit
            self.running.append(self.waiting.popleft())
            sequence.status, sequence.num_computed_tokens = RequestStatus.RUNNING, hit
            sequence.place = self._admissions
            self._admissions += 1
            self._refused = None
            chunks.append((sequence, tokens))
            left -= tokens

    def _still_refused(self) -> bool:
        """Whether the first in the queue, which did not fit, cannot fit yet.

        Nothing was freed since, so there are no more free blocks than then, and of most policies no less head-room; and
        it needs no fewer new ones unless the first content that it did not find has been cached meanwhile.
        """
        if self._refused is None or not (self._headroom is None or self._headroom.follows_frees):
            return False
        frees, missing = self._refused
        pool = self.manager.block_pool
        return frees == self._frees and (missing is None or pool.get_cached_block(missing, [0]) is None)

    def _plan(self, sequence: Sequence, step: int) -> None:
        """Put the sequence down for its next step, from ``step`` on, that begins a block or completes one."""
        assert sequence.decode_from is not None
        computed = sequence.num_computed_tokens + step - sequence.decode_from
        begins = -computed % self._block_size
        completes = (-computed - 1) % self._block_size if self._caching else begins
        self._due[step + min(begins, completes)].append((sequence, sequence.place))
