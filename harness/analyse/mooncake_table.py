"""Mooncake's published table of cache-hit ratios, and the same counts on a trace in its format.

Read docs/mooncake.md. Source: R. Qin et al., Mooncake: A KVCache-centric Disaggregated Architecture for LLM Serving,
arXiv 2407.00079v3, section 4.2, table 1 (a trace of 23,608 requests, 7,590 tokens on average).
"""

from collections.abc import Iterator, Sequence

from harness.analyse.global_pool import POOL_POLICIES, Hashed, pool_hits
from harness.record.sharing_tables import GLOBAL_POOL, LIMITED, PUBLISHED, UNLIMITED
from harness.record.tables import Cell

CAPACITIES = (None, 100_000, 50_000, 30_000, 10_000, 1_000)  # blocks of 512 tokens; None: unlimited
TABLE_1 = {
    "LRU": (0.51, 0.51, 0.50, 0.48, 0.40, 0.30),
    "LFU": (0.51, 0.51, 0.49, 0.43, 0.35, 0.30),
    "LengthAware": (0.51, 0.50, 0.48, 0.42, 0.35, 0.30),
}
POLICY_NAMES = {"lru": "LRU", "lfu": "LFU"}  # of ours that it has too; ours ages, see docs/prefix-sharing.md


def table_rows(requests: Sequence[Hashed]) -> Iterator[tuple[Cell, ...]]:
    """Rows of ``mooncake.csv``: table 1 as published (of another trace), and counted in the same way on this one."""
    unlimited = len({each for request in requests for each in request.hash_ids})
    for policy in POOL_POLICIES:
        for capacity, published in zip(CAPACITIES, TABLE_1[policy], strict=True):
            cache = UNLIMITED if capacity is None else LIMITED
            blocks = unlimited if capacity is None else capacity
            yield (PUBLISHED, policy, cache, blocks, published)
            yield (GLOBAL_POOL, policy, cache, blocks, pool_hits(requests, capacity, policy).of_blocks)
