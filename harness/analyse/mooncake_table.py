"""Mooncake's published cache-hit ratios, and the same counts on a trace in its format. Read docs/prefix-sharing.md.

Sources: R. Qin et al., Mooncake: A KVCache-centric Disaggregated Architecture for LLM Serving, arXiv 2407.00079v3,
section 4.2, table 1 (a trace of 23,608 requests, 7,590 tokens on average); the same authors, Mooncake: Trading More
Storage for Less Computation, FAST '25, table 2 (cache ratio) and figure 9 (its conversation trace: 12,031 requests).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.analyse.global_pool import POOL_POLICIES, Hashed, PoolHits, finer_hit_tokens, pool_hits
from harness.record.sharing_tables import GLOBAL_POOL, LIMITED, PUBLISHED, UNLIMITED
from harness.record.tables import Cell

CAPACITIES = (None, 100_000, 50_000, 30_000, 10_000, 1_000)  # blocks of 512 tokens; None: unlimited
TABLE_1 = {
    "LRU": (0.51, 0.51, 0.50, 0.48, 0.40, 0.30),
    "LFU": (0.51, 0.51, 0.49, 0.43, 0.35, 0.30),
    "LengthAware": (0.51, 0.50, 0.48, 0.42, 0.35, 0.30),
}
POLICY_NAMES = {"lru": "LRU", "lfu": "LFU"}  # of ours that it has too; ours ages, see docs/prefix-sharing.md
CACHE_RATIO = 0.40  # FAST '25, table 2, conversation
# FAST '25, figure 9, conversation: capacity in tokens → hit rate, read off the curve's vertices in the PDF.
FIGURE_9 = {
    10_000: 0.0449,
    100_000: 0.0731,
    1_000_000: 0.0866,
    2_000_000: 0.1202,
    4_000_000: 0.2149,
    5_000_000: 0.2471,
    8_000_000: 0.2997,
    10_000_000: 0.3263,
    50_000_000: 0.3983,
    100_000_000: 0.4006,
}
# The curve is flat from 1e5 to 1e6 tokens, where little but what all requests share is found: 0.0731 of 12,035 tokens.
SHARED_HEAD = 880


@dataclass(frozen=True)
class CacheRatios:
    """What "cache ratio" may mean, of an unlimited pool. None: a share of nothing."""

    of_blocks: float
    of_tokens: float
    of_full_blocks: float | None  # a prompt's last block, if it is not full, is left out
    mean_of_blocks: float  # each request's share, averaged over requests
    mean_of_tokens: float
    without_shared_id: float | None  # of blocks, the id that all requests begin with left out
    finer: float  # of tokens, were prefixes not cut down to whole ids (an estimate)


def cache_ratios(requests: Sequence[Hashed], head_tokens: float | None = None, block_size: int = 512) -> CacheRatios:
    """Every variant, of these requests in their order.

    ``head_tokens``: of the text that all requests begin with; None: there is none, or nothing is known of it.
    """
    hits = pool_hits(requests, None, block_size=block_size)
    pairs = list(zip(requests, hits.request_hits, strict=True))
    full = sum(each.prompt_tokens // block_size for each in requests)
    shared = {requests[0].hash_ids[0]} if len({each.hash_ids[0] for each in requests}) == 1 else set()
    n, first = len(requests), len(shared)
    tokens = [min(found * block_size, each.prompt_tokens) / each.prompt_tokens for each, found in pairs]
    return CacheRatios(
        of_blocks=hits.of_blocks,
        of_tokens=hits.of_tokens,
        of_full_blocks=_share(sum(min(found, each.prompt_tokens // block_size) for each, found in pairs), full),
        mean_of_blocks=sum(found / len(each.hash_ids) for each, found in pairs) / n,
        mean_of_tokens=sum(tokens) / n,
        without_shared_id=_share(hits.hit_blocks - first * (n - 1), hits.blocks - first * n),
        finer=finer_hit_tokens(requests, hits, 1.5 * block_size if head_tokens is None else head_tokens, block_size),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def figure_9(requests: Sequence[Hashed]) -> Iterator[tuple[int, float, float, float]]:
    """Capacity in tokens; published; of tokens counted with whole ids; estimated without the rounding."""
    for capacity, published in FIGURE_9.items():
        hits: PoolHits = pool_hits(requests, capacity // 512)
        yield capacity, published, hits.of_tokens, finer_hit_tokens(requests, hits, SHARED_HEAD)


def table_rows(requests: Sequence[Hashed]) -> Iterator[tuple[Cell, ...]]:
    """Rows of ``mooncake.csv``: table 1 as published (of another trace), and counted in the same way on this one."""
    unlimited = len({each for request in requests for each in request.hash_ids})
    for policy in POOL_POLICIES:
        for capacity, published in zip(CAPACITIES, TABLE_1[policy], strict=True):
            cache = UNLIMITED if capacity is None else LIMITED
            blocks = unlimited if capacity is None else capacity
            yield (PUBLISHED, policy, cache, blocks, published)
            yield (GLOBAL_POOL, policy, cache, blocks, pool_hits(requests, capacity, policy).of_blocks)
