"""Mooncake's ratios by its own method: set counts, the policies one by one, and what rounding to 512 tokens costs."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.global_pool import POOL_POLICIES, PoolPolicy, pool_hits
from harness.analyse.mooncake_table import table_rows
from harness.traces.rows import MooncakeRow, read_trace
from tests.beside import MOONCAKE_CONVERSATION, TRACES
from tests.mooncake_ratios import CACHE_RATIO, SHARED_HEAD, cache_ratios, figure_9, finer_hit_tokens


def made(seed: int) -> list[MooncakeRow]:
    """Requests whose ids are chained: each begins with some of an earlier one's ids and goes on with new ones."""
    draw, rows, new = random.Random(seed), list[MooncakeRow](), 0
    for _ in range(draw.randrange(1, 25)):
        begun = draw.choice(rows).hash_ids if rows and draw.random() < 0.6 else []
        kept = begun[: draw.randrange(len(begun) + 1)]
        more = draw.randrange(0 if kept else 1, 5)
        ids = [*kept, *range(new, new + more)]
        new += more
        rows.append(MooncakeRow(0.0, 512 * (len(ids) - 1) + draw.randrange(1, 513), 1, ids))
    return rows


def chained() -> st.SearchStrategy[list[MooncakeRow]]:
    return st.builds(made, st.integers(0, 10**6))


@given(chained())
def test_an_unlimited_pool_hits_every_id_but_the_first_of_each(rows: list[MooncakeRow]) -> None:
    ids = [each for row in rows for each in row.hash_ids]
    for policy in POOL_POLICIES:
        hits = pool_hits(rows, None, policy)
        assert (hits.hit_blocks, hits.blocks) == (len(ids) - len(set(ids)), len(ids))
        assert pool_hits(rows, len(ids), policy) == hits


def slowly(rows: Sequence[MooncakeRow], capacity: int, policy: PoolPolicy) -> int:
    """The same by looking at every block of the pool whenever one has to go."""
    pool: dict[int, tuple[int, int, int]] = {}  # id → uses, last use, place
    now = found = 0
    for row in rows:
        for each in row.hash_ids:
            if each not in pool:
                break
            found += 1
        for place, each in enumerate(row.hash_ids):
            now += 1
            if each not in pool and len(pool) >= capacity:
                ranks = {
                    "LRU": lambda one: pool[one][1],
                    "LFU": lambda one: pool[one][:2],
                    "LengthAware": lambda one: (pool[one][0], -pool[one][2], pool[one][1]),
                }
                del pool[min(pool, key=ranks[policy])]
            pool[each] = (pool.get(each, (0, 0, 0))[0] + 1, now, place)
    return found


@given(chained(), st.integers(1, 12), st.sampled_from(POOL_POLICIES))
def test_each_policy_evicts_what_it_says(rows: list[MooncakeRow], capacity: int, policy: PoolPolicy) -> None:
    assert pool_hits(rows, capacity, policy).hit_blocks == slowly(rows, capacity, policy)


@given(chained())
def test_ratios_are_shares_and_the_finer_one_is_no_smaller(rows: list[MooncakeRow]) -> None:
    ratios = cache_ratios(rows)
    assert all(0 <= share <= 1 for share in vars(ratios).values() if share is not None)
    assert ratios.finer >= ratios.of_tokens


def test_what_rounding_to_whole_blocks_costs_is_what_the_estimate_adds() -> None:
    """Dialogues of random lengths, known token by token, beside the same ones rounded as Mooncake's release is."""
    draw, head, rows, exact, total = random.Random(0), 880, [], 0, 0
    new = iter(range(1, 1_000_000))
    for dialogue in range(800):
        lengths = [head + draw.randrange(200, 9000)]
        lengths += [lengths[0] + draw.randrange(300, 6000)] if dialogue % 2 else []
        ids: list[int] = []
        for turn, length in enumerate(lengths):
            kept = ids[: lengths[0] // 512] if turn else [0]
            ids = [*kept, *(next(new) for _ in range(-(-length // 512) - len(kept)))]
            rows.append(MooncakeRow(0.0, length, 1, ids))
            exact += lengths[0] if turn else head if dialogue else 0
            total += length
    hits = pool_hits(rows, None)
    assert hits.of_tokens < exact / total - 0.02
    assert finer_hit_tokens(rows, hits, head) == pytest.approx(exact / total, abs=0.003)


@pytest.fixture(scope="module")
def conversation() -> list[MooncakeRow]:
    trace = TRACES.need(MOONCAKE_CONVERSATION)
    return [row for _, row in read_trace(trace) if isinstance(row, MooncakeRow)]


def test_no_count_of_the_published_ids_is_the_published_ratio_but_the_finer_one_is(
    conversation: list[MooncakeRow],
) -> None:
    ratios = cache_ratios(conversation, SHARED_HEAD)
    assert (round(ratios.of_blocks, 3), round(ratios.of_tokens, 3)) == (0.366, 0.374)
    assert round(ratios.finer, 2) == CACHE_RATIO
    for _, published, of_tokens, finer in figure_9(conversation):
        assert of_tokens < published - 0.019
        assert finer == pytest.approx(published, abs=0.009)


def test_every_policy_and_capacity_of_the_published_table_has_both_rows() -> None:
    rows = [MooncakeRow(0.0, 1024, 1, [0, number % 3]) for number in range(1, 9)]
    found = list(table_rows(rows))
    assert len(found) == 2 * 3 * 6
    assert {row[0] for row in found} == {"published", "one pool"}
