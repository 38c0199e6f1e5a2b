"""Which free block is handed out next: queues in the place of vLLM's FreeKVCacheBlockQueue.

vLLM's own queue is LRU. These take any order: blocks without findable contents first (as in vLLM, the last freed
first), then the cached ones by ``rank``, smallest first. What each policy is, and is not: docs/prefix-sharing.md.
"""

import heapq
from collections.abc import Iterable, Sequence

from vllm.v1.core.kv_cache_utils import KVCacheBlock

from experiments.model_free.worker_contents import Contents
from experiments.model_free.worker_next_use import NextUse
from experiments.model_free.worker_trace import Trace

Rank = tuple[float, ...]
_FEW = 1024  # entries that are not worth looking through


class PolicyQueue:
    """Free blocks in the order of ``rank``; the interface that vLLM's BlockPool uses.

    A heap with lazy deletion: an entry counts only while it is the block's newest.
    """

    def __init__(self) -> None:
        self.num_free_blocks = 0
        self._entry: dict[int, int] = {}  # free block → number of its newest entry
        self._number = 0
        self._empty: list[tuple[int, KVCacheBlock]] = []
        self._cached: list[tuple[Rank, int, KVCacheBlock]] = []

    def rank(self, block: KVCacheBlock) -> Rank:
        """Place of a cached block that has just become free; the smallest goes first. Here: least recently freed."""
        return (self._number,)

    def on_store(self, blocks: Sequence[KVCacheBlock], contents: Contents) -> None:
        """Blocks of one request, in order, now hold these contents."""

    def on_use(self, blocks: Sequence[KVCacheBlock]) -> None:
        """Cached blocks were given to a request, free or in use before."""

    def on_admit(self, findable: Contents) -> None:
        """A request was admitted for the first time; these are the contents that it could have found."""

    def on_evict(self, block: KVCacheBlock, rank: Rank) -> None:
        """A block with findable contents is handed out."""

    def append(self, block: KVCacheBlock) -> None:
        """A block has become free."""
        self._number += 1
        self.num_free_blocks += 1
        self._entry[block.block_id] = self._number
        if block.block_hash is None:
            self._empty.append((self._number, block))
        else:
            heapq.heappush(self._cached, (self.rank(block), self._number, block))
            if len(self._cached) > 4 * self.num_free_blocks + _FEW:
                self._forget_old_entries()

    def append_n(self, blocks: Iterable[KVCacheBlock]) -> None:
        """Blocks have become free, the first to be evicted first."""
        for block in blocks:
            self.append(block)

    def prepend_n(self, blocks: Sequence[KVCacheBlock]) -> None:
        """Blocks without findable contents have become free: the first of them is the next to go."""
        self.append_n(reversed(blocks))

    def remove(self, block: KVCacheBlock) -> None:
        """A free block was found in the cache and is in use again."""
        del self._entry[block.block_id]
        self.num_free_blocks -= 1

    def popleft(self) -> KVCacheBlock:
        """The next block to be handed out.

        Raises:
            ValueError: there is none.
        """
        if self.num_free_blocks == 0:
            raise ValueError("No free blocks available")
        while self._empty:
            number, block = self._empty.pop()
            if self._entry.get(block.block_id) == number:
                self.remove(block)
                return block
        while True:
            rank, number, block = heapq.heappop(self._cached)
            if self._entry.get(block.block_id) == number:
                self.remove(block)
                self.on_evict(block, rank)
                return block

    def popleft_n(self, n: int) -> list[KVCacheBlock]:
        """The next ``n`` of them."""
        return [self.popleft() for _ in range(n)]

    def _forget_old_entries(self) -> None:
        """Where hits are many and evictions few, entries that no longer count would fill the memory."""
        self._cached = [entry for entry in self._cached if self._entry.get(entry[2].block_id) == entry[1]]
        heapq.heapify(self._cached)

    def get_all_free_blocks(self) -> list[KVCacheBlock]:
        """All of them, next first."""
        empty = [block for number, block in reversed(self._empty) if self._entry.get(block.block_id) == number]
        cached = [block for _, number, block in sorted(self._cached) if self._entry.get(block.block_id) == number]
        return empty + cached


class LRU(PolicyQueue):
    """Least recently freed first: vLLM's own order, by other means (the control of these queues)."""


class FIFO(PolicyQueue):
    """First stored, first evicted, however often it was used since; of one chunk of a prompt the last block first."""

    def __init__(self) -> None:
        super().__init__()
        self._stored: dict[int, Rank] = {}
        self._stores = 0

    def on_store(self, blocks: Sequence[KVCacheBlock], contents: Contents) -> None:
        """Note when each block's contents came in."""
        self._stores += 1
        self._stored.update((block.block_id, (self._stores, -index)) for index, block in enumerate(blocks))

    def rank(self, block: KVCacheBlock) -> Rank:
        """When its contents came in."""
        return self._stored[block.block_id]


class LFU(PolicyQueue):
    """Least frequently used first, with dynamic ageing (LFU-DA: Arlitt et al., 2000).

    A cached block's key is its number of uses (stored, then each hit, also on blocks in use) plus the cache's age at
    its last use; the age is the key of the last block evicted. Equal keys: least recently freed first. The uses of an
    evicted block are forgotten.
    """

    def __init__(self) -> None:
        super().__init__()
        self._uses: dict[int, int] = {}
        self._key: dict[int, float] = {}
        self._age = 0.0

    def on_store(self, blocks: Sequence[KVCacheBlock], contents: Contents) -> None:
        """The first use."""
        for block in blocks:
            self._uses[block.block_id], self._key[block.block_id] = 1, self._age + 1

    def on_use(self, blocks: Sequence[KVCacheBlock]) -> None:
        """One more."""
        for block in blocks:
            self._uses[block.block_id] += 1
            self._key[block.block_id] = self._age + self._uses[block.block_id]

    def on_evict(self, block: KVCacheBlock, rank: Rank) -> None:
        """The cache has aged."""
        self._age = rank[0]

    def rank(self, block: KVCacheBlock) -> Rank:
        """Its key, then recency."""
        return (self._key[block.block_id], self._number)


class Oracle(PolicyQueue):
    """Furthest next use first (Belady), by the trace's own order of arrival; of equal ones the deepest in a prompt.

    Whoever uses a block uses all before it, so a block is never evicted while one that depends on it stays free. It is
    no bound: what is evicted decides when requests run, and with that what is asked for next; and blocks in use cannot
    be evicted at all.
    """

    def __init__(self, next_use: NextUse) -> None:
        super().__init__()
        self._next_use = next_use
        self._content: dict[int, int] = {}
        self._free: dict[int, dict[int, KVCacheBlock]] = {}  # content → free blocks that hold it

    def on_store(self, blocks: Sequence[KVCacheBlock], contents: Contents) -> None:
        """Note what each block holds."""
        for block, content in zip(blocks, contents.tolist(), strict=True):
            self._content[block.block_id] = content

    def on_admit(self, findable: Contents) -> None:
        """All that it asks for has a later next use now: what it did not find, and free copies of what it did."""
        self._next_use.admit()
        for content in findable.tolist():
            for block in list(self._free.get(content, {}).values()):
                self.remove(block)
                self.append(block)

    def append(self, block: KVCacheBlock) -> None:
        """A block has become free."""
        if block.block_hash is not None:
            self._free.setdefault(self._content[block.block_id], {})[block.block_id] = block
        super().append(block)

    def remove(self, block: KVCacheBlock) -> None:
        """A block is free no longer."""
        if block.block_hash is not None:
            holders = self._free[self._content[block.block_id]]
            del holders[block.block_id]
            if not holders:
                del self._free[self._content[block.block_id]]
        super().remove(block)

    def rank(self, block: KVCacheBlock) -> Rank:
        """Furthest next use first, then the deepest."""
        return (-self._next_use.of(self._content[block.block_id]), -(block.block_hash_num_tokens or 0), self._number)


def make_policy(name: str, trace: Trace) -> PolicyQueue | None:
    """The queue of a policy; None: vLLM's own.

    Raises:
        ValueError: there is no such policy.
    """
    if name == "lru":
        return None
    if name == "oracle":
        return Oracle(NextUse(trace))
    kinds: dict[str, type[PolicyQueue]] = {"lru-control": LRU, "fifo": FIFO, "lfu": LFU}
    if name not in kinds:
        raise ValueError(f"unknown policy {name!r}; known: lru, fifo, lfu, oracle")
    return kinds[name]()
