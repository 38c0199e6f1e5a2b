"""A calibration trace makes an engine do steps of every size that it can have, and fits into its cache."""

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.record.real_point import RealEngine
from harness.traces.calibration import calibration_rows, doubled
from harness.traces.check import check_trace

USUAL = RealEngine(num_blocks=300, max_model_len=2048, max_num_seqs=48, max_num_batched_tokens=1024)
ENGINES = {
    "usual": USUAL,
    "one sequence": replace(USUAL, max_num_seqs=1),
    "small cache": replace(USUAL, num_blocks=8),
    "short context": replace(USUAL, max_model_len=64),
}


def rows_of(engine: RealEngine, seed: int = 0) -> list[dict[str, Any]]:
    return list(calibration_rows(engine, 1000, seed))


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> RealEngine:
    return ENGINES[request.param]


def test_it_is_a_trace_whose_requests_the_engine_takes(engine: RealEngine, tmp_path: Path):
    path = tmp_path / "trace.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows_of(engine)))
    facts = check_trace(path, engine.block_size)
    assert facts.max_tokens <= min(engine.max_model_len, (engine.num_blocks - 1) * engine.block_size)
    assert facts.requests > 200


def test_batches_and_prompts_of_every_size_are_there(engine: RealEngine):
    together = defaultdict[float, list[dict[str, Any]]](list)
    for row in rows_of(engine):
        together[row["arrival_s"]].append(row)
    at_once = {len(rows) for rows in together.values()}
    fitting = [size for size in doubled(engine.max_num_seqs) if size <= (engine.num_blocks - 1) * 0.9 / 2]
    assert set(fitting) <= at_once
    alone = {len(rows[0]["prompt_token_ids"]) for rows in together.values() if len(rows) == 1}
    longest = min(engine.max_num_batched_tokens, engine.max_model_len - 2, (engine.num_blocks - 1) * 32 - 2)
    assert set(doubled(longest)) <= alone


def test_a_batch_fits_into_the_cache_without_a_preemption(engine: RealEngine):
    together = defaultdict[float, list[tuple[int, int]]](list)
    for row in rows_of(engine):
        together[row["arrival_s"]].append((len(row["prompt_token_ids"]), len(row["output_token_ids"])))
    batches = [same for same in together.values() if len(same) > 1 and len(set(same)) == 1]
    assert len(batches) >= 2 * (engine.max_num_seqs > 1)
    for same in batches:
        assert len(same) * -(-sum(same[0]) // engine.block_size) <= engine.num_blocks - 1


def test_no_two_prompts_begin_alike_so_that_nothing_is_found_cached():
    begins = [tuple(row["prompt_token_ids"][:32]) for row in rows_of(USUAL) if len(row["prompt_token_ids"]) >= 32]
    assert len(set(begins)) == len(begins) > 100


def test_the_seed_decides_everything():
    assert rows_of(USUAL, 1) == rows_of(USUAL, 1)
    first, second = (rows_of(USUAL, seed) for seed in (1, 2))
    assert sorted(len(row["prompt_token_ids"]) for row in first) != sorted(len(r["prompt_token_ids"]) for r in second)


@pytest.mark.parametrize(
    ("most", "expected"), [(0, []), (1, [1]), (2, [1, 2]), (8, [1, 2, 4, 8]), (9, [1, 2, 4, 8, 9])]
)
def test_sizes_double_up_to_the_largest(most: int, expected: list[int]):
    assert doubled(most) == expected
