"""What vLLM's CPU offload connector does to GPU blocks: reported as transfers, not as doings of requests.

A transfer to the host holds its blocks until it is over, longer than the request that filled them if that ends or is
preempted meanwhile. A transfer from the host fills blocks that a waiting request holds.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from vllm.v1.core.block_pool import BlockPool
from vllm.v1.core.kv_cache_utils import KVCacheBlock
from vllm.v1.core.sched.scheduler import Scheduler

from experiments.model_free.worker_pool import RecordingPool, ids
from experiments.model_free.worker_recorder import Recorder, RequestRecord


class TransferPool:
    """The scheduler's pool as the connector is given it. What is going on is said by ``report_transfers``."""

    def __init__(self, pool: RecordingPool, recorder: Recorder, manager: Any) -> None:
        self.storing: RequestRecord | None = None  # whose blocks are stored; None: nobody's in particular
        self.loading: RequestRecord | None = None  # for whom blocks are, or were, loaded
        self.stored: int | None = None  # the store that is over; None: one that was never begun
        self._pool, self._recorder, self._manager = pool, recorder, manager
        self._last_out = self._last_in = -1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def touch(self, blocks: Sequence[KVCacheBlock]) -> None:
        """vLLM's; a transfer begins to hold blocks."""
        unused = sum(block.ref_cnt == 0 for block in blocks)
        BlockPool.touch(self._pool, blocks)
        if not blocks:
            return
        recorder, counts = self._recorder, self._recorder.counts
        if self.loading is None:
            transfer = self._manager._store_event_counter  # that of the next store, of which these will be a part
            counts["swap_outs"] += transfer != self._last_out
            counts["blocks_swapped_out"] += len(blocks)
            self._last_out = transfer
            recorder.occupancy.at(recorder.now)
            recorder.occupancy.in_use += unused
            whose = None if self.storing is None else self.storing.row.name
            recorder.write(event="swap_out", request=whose, transfer=transfer, blocks=ids(blocks))
            return
        transfer = self._manager._load_event_counter
        counts["swap_ins"] += transfer != self._last_in
        counts["blocks_swapped_in"] += len(blocks)
        self._last_in = transfer
        tokens = self.loading.loaded_tokens = len(blocks) * recorder.block_size
        counts["swapped_in_tokens"] += tokens
        recorder.write(event="swap_in", request=self.loading.row.name, transfer=transfer, blocks=ids(blocks))

    def free_blocks(self, ordered_blocks: Iterable[KVCacheBlock]) -> None:
        """vLLM's; a transfer lets go of its blocks: it is over."""
        released = list(ordered_blocks)
        BlockPool.free_blocks(self._pool, released)
        recorder = self._recorder
        if self.loading is not None:  # the request holds them on
            recorder.write(event="swapped_in", request=self.loading.row.name)
            return
        freed = [block for block in released if block.ref_cnt == 0]
        recorder.counts["blocks_freed"] += len(freed)
        recorder.occupancy.at(recorder.now)
        recorder.occupancy.in_use -= len(freed)
        transfer = self._manager._store_event_counter if self.stored is None else self.stored
        recorder.write(event="swapped_out", transfer=transfer, blocks=ids(freed), released=ids(released))


def report_transfers(scheduler: Scheduler, recorder: Recorder) -> None:
    """Report what a scheduler's ``SimpleCPUOffloadConnector`` does to blocks of the pool, taken over already."""
    manager, cache = scheduler.connector.scheduler_manager, scheduler.kv_cache_manager
    pool = TransferPool(cache.block_pool, recorder, manager)
    scheduler.connector.bind_gpu_block_pool(pool)
    allocated, select = manager.update_state_after_alloc, manager._select_eager_blocks_to_store
    loaded, stored, cache_blocks = manager._cleanup_load_request, manager._process_store_event, cache.cache_blocks

    def update_state_after_alloc(request: Any, *args: Any) -> None:
        pool.loading = recorder.record_of(request.request_id)
        allocated(request, *args)
        pool.loading = None

    def select_eager_blocks_to_store(state: Any, *args: Any) -> Any:
        pool.storing = recorder.record_of(state.request.request_id)
        return select(state, *args)

    def cleanup_load_request(request_id: str) -> Any:
        pool.loading = recorder.record_of(request_id)
        blocks = loaded(request_id)
        pool.loading = None
        return blocks

    def process_store_event(event: int) -> None:
        pool.stored = event
        stored(event)
        pool.stored = None

    def cache_loaded_blocks(request: Any, tokens: int) -> None:
        recorder.current = recorder.record_of(request.request_id)
        cache_blocks(request, tokens)

    manager.update_state_after_alloc = update_state_after_alloc
    manager._select_eager_blocks_to_store = select_eager_blocks_to_store
    manager._cleanup_load_request = cleanup_load_request
    manager._process_store_event = process_store_event
    cache.cache_blocks = cache_loaded_blocks
