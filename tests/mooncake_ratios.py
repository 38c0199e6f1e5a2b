"""Recounts docs/mooncake.md: what "cache ratio" may mean of Mooncake's published ids, and its published curve.

Sources: the authors of arXiv 2407.00079, Mooncake: Trading More Storage for Less Computation, FAST '25, table 2 (cache
ratio) and figure 9 (its conversation trace: 12,031 requests).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.analyse.global_pool import Hashed, PoolHits, pool_hits

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


def finer_hit_tokens(requests: Iterable[Hashed], hits: PoolHits, head_tokens: float, block_size: int = 512) -> float:
    """Share of the tokens that the same pool would have, were prefixes not cut down to whole ids; an estimate.

    A shared prefix ends anywhere in a block, in its middle on average, and the block's id differs from then on: half a
    block is lost of each request that hits two ids or more. One that hits only the first id hits the head that all
    share, of ``head_tokens``.
    """
    total = 0.0
    for request, found in zip(requests, hits.request_hits, strict=True):
        at_least = {0: 0.0, 1: head_tokens}.get(found, (found + 0.5) * block_size)
        total += min(at_least, request.prompt_tokens)
    return total / hits.tokens
