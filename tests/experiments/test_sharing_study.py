"""The grid of the prefix-sharing figure: what is replayed, each once, in caches that can serve every request."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.prefix_sharing import study
from experiments.prefix_sharing.study import Workload, points
from harness.record.replay import Parameters
from harness.record.sharing_tables import MOONCAKE, MULTI, SINGLE
from harness.record.store import case_id
from harness.spec.sharing import load_sharing
from harness.traces.check import TraceFacts
from harness.workspace import Workspace

FIGURE = load_sharing("sharing", Workspace())
GRID = FIGURE.full
ENGINE = {"pin": "p", "version": "v", "lock_sha256": "0", "patches_sha256": "1"}


def workload(kind: str, max_tokens: int = 200, total_blocks: int = 5000) -> Workload:
    facts = TraceFacts("tokens", 100, 60_000, 20_000, max_tokens, total_blocks, 0.0, 9.0, 50, "ab" * 32)
    return Workload(kind, None if kind == MOONCAKE else 0, Path("trace.jsonl"), facts, {})


@given(max_tokens=st.integers(1, 4000), total_blocks=st.integers(1, 10_000), kind=st.sampled_from([SINGLE, MULTI]))
def test_every_limited_cache_can_serve_the_longest_request_and_cannot_hold_the_trace(
    max_tokens: int, total_blocks: int, kind: str
) -> None:
    found = points(workload(kind, max_tokens, total_blocks), GRID.dialogues, Parameters())
    sizes = {point.cache_blocks for point in found if point.cache_blocks}
    assert all(size * 16 >= max_tokens and size < total_blocks for size in sizes)
    assert len(found) == len({point.name for point in found})


def test_multi_turn_gets_every_policy_at_every_size_and_single_turn_vllms_own() -> None:
    by_kind = {kind: points(workload(kind), GRID.dialogues, Parameters()) for kind in (SINGLE, MULTI)}
    for kind, policies in ((SINGLE, {"lru"}), (MULTI, set(GRID.dialogues.policies))):
        limited = [point for point in by_kind[kind] if point.cache_blocks]
        sizes = {point.cache_blocks for point in limited}
        assert {(point.cache_blocks, point.parameters.policy) for point in limited} == {
            (size, policy) for size in sizes for policy in policies
        }
        unlimited = [point.parameters for point in by_kind[kind] if point.cache_blocks is None]
        assert {each.block_size for each in unlimited if each.prefix_caching} == set(GRID.dialogues.block_sizes)
        assert [each.block_size for each in unlimited if not each.prefix_caching] == [16]


def test_mooncakes_sizes_are_the_declared_ones_that_can_serve_its_longest_request() -> None:
    found = points(workload(MOONCAKE, max_tokens=2000 * 512), GRID.mooncake, Parameters())
    sizes = {point.cache_blocks for point in found if point.cache_blocks}
    assert sizes == {size for size in GRID.mooncake.cache_blocks if size >= 2000}
    assert {point.parameters.block_size for point in found} == {512}


def test_names_say_what_a_replay_is() -> None:
    first, without, *_, last = points(workload(MULTI), GRID.dialogues, Parameters())
    assert (first.name, without.name) == ("multi-turn-seed0_b16_cinf_lru", "multi-turn-seed0_b16_cinf_nocache")
    assert last.name == "multi-turn-seed0_b16_c4096_oracle"
    smoke = points(workload(MOONCAKE), FIGURE.smoke.mooncake, Parameters())
    assert smoke[0].name == f"mooncake_first{FIGURE.smoke.mooncake.limit}_b512_cinf_lru"


def test_whatever_decides_a_replay_is_in_its_cases_name(monkeypatch: pytest.MonkeyPatch) -> None:
    point = points(workload(MULTI), GRID.dialogues, Parameters())[0]
    other_trace = replace(point.workload, facts=replace(point.workload.facts, sha256="cd" * 32))
    variants = [
        point.definition(ENGINE),
        point.definition({**ENGINE, "lock_sha256": "2"}),
        point.definition({**ENGINE, "patches_sha256": "2"}),
        replace(point, workload=other_trace).definition(ENGINE),
        replace(point, parameters=replace(point.parameters, watermark=0.1)).definition(ENGINE),
        replace(point, parameters=replace(point.parameters, step_time=replace(FIGURE.clock, base_s=1.0))).definition(
            ENGINE
        ),
    ]
    monkeypatch.setattr(study, "workers_sha256", lambda: "another worker")
    variants.append(point.definition(ENGINE))
    assert len({case_id(point.name, each) for each in variants}) == len(variants)
    elsewhere = replace(point, workload=replace(point.workload, trace=Path("/other/place.jsonl")))
    assert elsewhere.definition(ENGINE) == variants[-1]
