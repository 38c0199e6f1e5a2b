"""Hit ratios of one pool of blocks that all requests share and none holds, as Mooncake's papers count them.

Requests are taken in turn, without time, queueing or answers: a request's hits are the blocks from its first on that
the pool has; then all its blocks are put into the pool. vLLM's pool differs: running requests hold blocks that cannot
be evicted, prompts compete with answers, and a block is there only once it is computed.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

PoolPolicy = Literal["LRU", "LFU", "LengthAware"]
_FIELD = 1 << 40  # of a key: more than there are uses of blocks in a trace, and blocks in a request
POOL_POLICIES: tuple[PoolPolicy, ...] = ("LRU", "LFU", "LengthAware")


class Hashed(Protocol):
    """A request known by its prompt's length and one id for each ``MOONCAKE_BLOCK`` tokens of it."""

    @property
    def prompt_tokens(self) -> int:
        """Length of the prompt."""

    @property
    def hash_ids(self) -> Sequence[int]:
        """One id for each block, the last one perhaps not full."""


@dataclass(frozen=True)
class PoolHits:
    """What a pool had of the requests. Blocks count alike; tokens: a prompt's last block has those it has."""

    hit_blocks: int
    blocks: int
    hit_tokens: int
    tokens: int
    request_hits: tuple[int, ...]  # blocks of each request, in their order

    @property
    def of_blocks(self) -> float:
        """Share of the blocks."""
        return self.hit_blocks / self.blocks

    @property
    def of_tokens(self) -> float:
        """Share of the tokens."""
        return self.hit_tokens / self.tokens


def pool_hits(
    requests: Iterable[Hashed], capacity: int | None, policy: PoolPolicy = "LRU", block_size: int = 512
) -> PoolHits:
    """Hits of the requests in a pool of ``capacity`` blocks (None: unlimited).

    LRU evicts the block that was used longest ago; LFU the one used least often, of these the longest ago; LengthAware
    the one used least often, of these the one that stands latest in its request ("similar to LFU but prioritizing
    eviction of cache blocks occurring later in requests", arXiv 2407.00079, section 4.2). Counts never age and are
    lost with the block. An unlimited pool's hits are the number of ids minus the number of different ones.
    """
    pool = _Pool(capacity, policy)
    hits: list[int] = []
    blocks = hit_tokens = tokens = 0
    for request in requests:
        found = 0
        for each in request.hash_ids:
            if each not in pool:
                break
            found += 1
        for place, each in enumerate(request.hash_ids):
            pool.use(each, place)
        hits.append(found)
        blocks += len(request.hash_ids)
        tokens += request.prompt_tokens
        hit_tokens += min(found * block_size, request.prompt_tokens)
    return PoolHits(sum(hits), blocks, hit_tokens, tokens, tuple(hits))


class _Pool:
    """Blocks with a key that says when each goes: the smallest first, out of a heap whose stale entries are skipped."""

    def __init__(self, capacity: int | None, policy: PoolPolicy) -> None:
        self._capacity, self._policy = capacity, policy
        self._uses: dict[int, int] = {}
        self._keys: dict[int, int] = {}
        self._heap: list[tuple[int, int]] = []
        self._now = 0

    def __contains__(self, block: int) -> bool:
        return block in self._uses

    def use(self, block: int, place: int) -> None:
        """``place``: of the block in its request. A block that is not there takes the place of the first to go."""
        if self._capacity is None:
            self._uses[block] = 1
            return
        uses = self._uses.get(block, 0) + 1
        if uses == 1 and len(self._uses) >= self._capacity:
            self._evict()
        self._uses[block] = uses
        self._now += 1
        key = self._now
        if self._policy == "LengthAware":
            key += (_FIELD - place) * _FIELD
        if self._policy != "LRU":
            key += uses * _FIELD**2
        self._keys[block] = key
        heapq.heappush(self._heap, (key, block))

    def _evict(self) -> None:
        while True:
            key, block = heapq.heappop(self._heap)
            if self._keys.get(block) == key:
                del self._uses[block], self._keys[block]
                return
