"""vLLM's BlockPool, reporting what happens to blocks: as it is (``RecordingPool``), and batch by batch (``FastPool``).

``RecordingPool`` calls vLLM's methods and reports what they did. ``FastPool`` does the same to blocks, cache and queue
as the methods of vLLM 0.32.0 ``v1/core/block_pool.py`` that it replaces, for what a replay can contain: one KV-cache
group of full attention, no partial blocks, no KV events. That both come to the same is tested on every event.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from vllm.v1.core.block_pool import BlockPool
from vllm.v1.core.kv_cache_utils import KVCacheBlock, get_block_hash
from vllm.v1.request import Request

from experiments.model_free.worker_contents import Contents
from experiments.model_free.worker_policies import PolicyQueue
from experiments.model_free.worker_recorder import Recorder

_GROUP = (0).to_bytes(4, "big")  # how vLLM marks a hash as that of KV-cache group 0


class KnowsContents(Protocol):
    """A trace, or whoever else numbers what blocks hold."""

    def content_of(self, block_hash: bytes) -> int:
        """The content that vLLM's hash stands for."""


class RecordingPool(BlockPool):  # type: ignore[misc]  # vllm is not in the environment of the checks
    """A pool that has been taken over from vLLM (``take_over``)."""

    recorder: Recorder
    trace: KnowsContents
    policy: PolicyQueue | None = None  # of the free blocks, if it is not vLLM's own queue
    _lost: list[KVCacheBlock]
    _lost_contents: list[int]

    def _maybe_evict_cached_block(self, block: KVCacheBlock) -> bool:
        key = block.block_hash
        evicted: bool = super()._maybe_evict_cached_block(block)
        if evicted and key is not None:
            self._lost.append(block)
            self._lost_contents.append(self.trace.content_of(get_block_hash(key)))
        return evicted

    def get_new_blocks(self, num_blocks: int) -> list[KVCacheBlock]:
        """vLLM's; reports contents lost, then blocks taken."""
        self._lost, self._lost_contents = [], []
        blocks: list[KVCacheBlock] = super().get_new_blocks(num_blocks)
        if self._lost:
            self.recorder.evict(len(self._lost), ids(self._lost), self._lost_contents)
        if blocks:
            self.recorder.alloc(len(blocks), ids(blocks))
        return blocks

    def touch(self, blocks: Sequence[KVCacheBlock]) -> None:
        """vLLM's; reports cached blocks that a request was given."""
        unused = sum(block.ref_cnt == 0 for block in blocks)
        super().touch(blocks)
        if blocks:
            if self.policy:
                self.policy.on_use(blocks)
            self.recorder.hit(ids(blocks), self._contents()[: len(blocks)], unused)

    def cache_full_blocks(
        self,
        request: Request,
        blocks: list[KVCacheBlock],
        num_cached_blocks: int,
        num_full_blocks: int,
        block_size: int,
        kv_cache_group_id: int,
        block_mask: list[bool] | None = None,
    ) -> None:
        """vLLM's; reports blocks that can be found from now on."""
        super().cache_full_blocks(
            request, blocks, num_cached_blocks, num_full_blocks, block_size, kv_cache_group_id, block_mask
        )
        self.report_store(blocks, num_cached_blocks, num_full_blocks)

    def report_store(self, blocks: list[KVCacheBlock], begin: int, end: int) -> None:
        """Blocks ``begin`` to ``end`` of the current request were cached."""
        if begin < end:
            if self.policy:
                self.policy.on_store(blocks[begin:end], self._contents()[begin:end])
            named = ids(blocks[begin:end]) if self.recorder.wants_events else ()
            self.recorder.store(self._contents()[begin:end], named)

    def _contents(self) -> Contents:
        """Of the full blocks of the request whose blocks change hands."""
        assert self.recorder.current is not None
        return self.recorder.current.row.contents

    def free_blocks(self, ordered_blocks: Iterable[KVCacheBlock]) -> None:
        """vLLM's; reports blocks let go, and which of them have no user left."""
        released = list(ordered_blocks)
        super().free_blocks(released)
        self.report_free(released)

    def report_free(self, released: list[KVCacheBlock]) -> None:
        """Blocks were released by the current request."""
        if released:
            freed = [block for block in released if block.ref_cnt == 0]
            named = self.recorder.wants_events
            self.recorder.free(len(freed), ids(freed) if named else (), ids(released) if named else ())


class FastPool(RecordingPool):
    """The same over whole batches: no call per block, no object per block but its key."""

    def get_new_blocks(self, num_blocks: int) -> list[KVCacheBlock]:
        """Take free blocks; what they held can no longer be found."""
        queue = self.free_block_queue
        if num_blocks > queue.num_free_blocks:
            raise ValueError(f"Cannot get {num_blocks} free blocks from the pool")
        blocks: list[KVCacheBlock] = queue.popleft_n(num_blocks)
        cache = self.cached_block_hash_to_block._cache
        lost: list[KVCacheBlock] = []
        keys: list[bytes] = []
        for block in blocks:
            key = block._block_hash
            if key is not None:
                if cache[key] is block:
                    del cache[key]
                else:  # several blocks hold this content
                    self.cached_block_hash_to_block.pop(key, block.block_id)
                block._block_hash = block._block_hash_num_tokens = None
                lost.append(block)
                keys.append(key)
            block.ref_cnt = 1
        named = self.recorder.wants_events
        if lost:
            contents = [self.trace.content_of(key[: -len(_GROUP)]) for key in keys] if named else ()
            self.recorder.evict(len(lost), ids(lost) if named else (), contents)
        if blocks:
            self.recorder.alloc(num_blocks, ids(blocks) if named else ())
        return blocks

    def cache_full_blocks(
        self,
        request: Request,
        blocks: list[KVCacheBlock],
        num_cached_blocks: int,
        num_full_blocks: int,
        block_size: int,
        kv_cache_group_id: int,  # noqa: ARG002 - vLLM's signature; there is one group
        block_mask: list[bool] | None = None,  # noqa: ARG002 - full attention caches every block
    ) -> None:
        """Make full blocks findable by their hashes."""
        table = self.cached_block_hash_to_block
        cache, hashes = table._cache, request.block_hashes
        for index in range(num_cached_blocks, num_full_blocks):
            block: Any = blocks[index]
            key: Any = hashes[index] + _GROUP
            block._block_hash, block._block_hash_num_tokens = key, (index + 1) * block_size
            if key in cache:
                table.insert(key, block)
            else:
                cache[key] = block
        self.report_store(blocks, num_cached_blocks, num_full_blocks)


def ids(blocks: Iterable[KVCacheBlock]) -> list[int]:
    """Their numbers."""
    return [block.block_id for block in blocks]


def take_over(
    pool: BlockPool, kind: type[RecordingPool], recorder: Recorder, trace: KnowsContents, policy: PolicyQueue | None
) -> RecordingPool:
    """Make vLLM's pool, to which its managers refer already, one that reports, with another queue if one is given."""
    pool.__class__ = kind
    assert isinstance(pool, kind)
    pool.recorder, pool.trace, pool.policy = recorder, trace, policy
    if policy is not None:
        policy.prepend_n(pool.free_block_queue.get_all_free_blocks())
        pool.free_block_queue = policy  # the same methods, another order
    return pool
