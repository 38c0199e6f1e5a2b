"""N replicas without a model on one virtual clock: each is vLLM's scheduler in the fast loop, stepped up to now.

What is sent to a replica must not come too late for a step that it has already taken. Between two moments at which
somebody outside acts, replicas may run ahead of each other. If the end of a request makes somebody act (a client at its
limit sends its next one), no replica may take a step that begins after the first end: so they go only as far as no
request can have ended, as a lower bound of each replica's next end says.
"""

import heapq
import itertools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.model_free.worker_fast_loop import FastLoop
from experiments.model_free.worker_manager import report_manager
from experiments.model_free.worker_pool import FastPool, take_over
from experiments.model_free.worker_recorder import RequestRecord
from experiments.model_free.worker_scheduler import build_scheduler
from experiments.model_free.worker_step_loop import StuckError
from experiments.model_free.worker_step_time import StepTime
from experiments.model_free.worker_trace import Trace, TraceRow
from experiments.prefix_routing.worker_tally import Tally

_GROUP = (0).to_bytes(4, "big")  # how vLLM marks a hash as that of KV-cache group 0


@dataclass(frozen=True)
class ReplicaShape:
    """What every replica is: blocks with vLLM's null block, batch limits, and seconds of a step."""

    block_size: int
    num_blocks: int
    max_num_seqs: int
    max_num_batched_tokens: int
    prefix_caching: bool
    step_time: StepTime

    def trace(self, path: Path) -> Trace:
        """The requests of a file, as these replicas see them."""
        return Trace(path, self.block_size, with_contents=self.prefix_caching)


class Replica:
    """One of them. ``ongoing``: requests that were sent to it and whose end nobody has been told yet."""

    def __init__(self, number: int, shape: ReplicaShape, trace: Trace) -> None:
        self.number, self.ongoing = number, 0
        self.tally = Tally(shape.block_size)
        scheduler = build_scheduler(
            num_blocks=shape.num_blocks,
            block_size=shape.block_size,
            max_model_len=shape.num_blocks * shape.block_size,
            prefix_caching=shape.prefix_caching,
            max_num_seqs=shape.max_num_seqs,
            max_num_batched_tokens=shape.max_num_batched_tokens,
        )
        manager = scheduler.kv_cache_manager
        pool = take_over(manager.block_pool, FastPool, self.tally, trace, None)
        self._cached: dict[Any, Any] = pool.cached_block_hash_to_block._cache  # key → its blocks
        report_manager(manager, self.tally, None)
        self.loop = FastLoop(scheduler, trace, shape.step_time, self.tally)

    def cached_blocks(self, keys: list[bytes]) -> int:
        """How many of these blocks, from the first on, are in its cache (``keys``: ``block_keys``)."""
        return next((index for index, key in enumerate(keys) if key not in self._cached), len(keys))

    @property
    def cached_contents(self) -> int:
        """How many different contents are in its cache."""
        return len(self._cached)


class Replicas:
    """All of them. ``watched``: somebody acts when a request ends."""

    def __init__(self, count: int, shape: ReplicaShape, trace: Trace) -> None:
        self.each = [Replica(number, shape, trace) for number in range(count)]
        self.watched = False
        self._ahead = 0.0  # every step that begins before this is taken
        self._ends: list[tuple[float, int, int, RequestRecord]] = []  # a heap: time, replica, order, which
        self._order = itertools.count()

    def send(self, number: int, row: TraceRow, now: float) -> None:
        """A request arrives at a replica."""
        assert now >= self._ahead, f"replicas have gone on to {self._ahead} s, a request comes at {now} s"
        self.each[number].loop.arrive(replace(row, arrival_s=now))
        self.each[number].ongoing += 1

    def advance(self, until_s: float) -> tuple[float, list[tuple[int, RequestRecord]]]:
        """Let time go on to ``until_s`` or the first end of requests; returns that time and what ended then, where.

        Raises:
            StuckError: until the end of time, and no request ends.
        """
        while True:
            target = min(until_s, self._ends[0][0] if self._ends else math.inf)
            begins = [replica.loop.next_step_s for replica in self.each]
            first = min(begins)
            if first >= target:
                break
            limit = target if not self.watched else min(target, self._nobody_ends_before(first))
            for replica, begin in zip(self.each, begins, strict=True):
                if begin < limit:
                    self._step(replica, limit)
            self._ahead = max(self._ahead, min(limit, target))
        if math.isinf(target):
            raise StuckError("requests wait that no replica takes, and nothing runs that would change it")
        self._ahead = max(self._ahead, target)
        ended: list[tuple[int, RequestRecord]] = []
        while self._ends and self._ends[0][0] <= target:
            _, number, _, record = heapq.heappop(self._ends)
            self.each[number].ongoing -= 1
            ended.append((number, record))
        return target, ended

    def _nobody_ends_before(self, first: float) -> float:
        """Until then no request ends, or until the first step to come has been taken."""
        return max(min(replica.loop.earliest_end_s for replica in self.each), math.nextafter(first, math.inf))

    def _step(self, replica: Replica, limit: float) -> None:
        replica.loop.advance(limit)
        ended = replica.tally.ended
        for record in ended:
            assert record.finished_s is not None
            heapq.heappush(self._ends, (record.finished_s, replica.number, next(self._order), record))
        ended.clear()


def block_keys(row: TraceRow, block_size: int) -> list[bytes]:
    """Under which keys vLLM finds the blocks of a prompt that it can reuse: not the one with its last token."""
    return [each + _GROUP for each in row.hashes[: (row.prompt_tokens - 1) // block_size]]
