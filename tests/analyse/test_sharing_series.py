"""From replays to the figure's tables and back to curves: nothing is lost, invented or mixed between repeats."""

import pytest

from harness.analyse.sharing import block_hits, summary
from harness.analyse.sharing_rows import (
    ACROSS,
    ALL,
    BLOCK_HITS,
    PROBABILITIES,
    REUSE_GAP,
    SHARING_FRACTION,
    CaseReplay,
    comparison_rows,
    data_rows,
    distribution_rows,
    unit_of,
)
from harness.analyse.sharing_series import (
    base_block_size,
    by_block_size,
    by_cache_size,
    distribution,
    occupancy,
    rows_of,
    unlimited,
)
from harness.record.sharing_tables import DATA, MULTI, NONE, SHARING_TABLES, SINGLE
from harness.record.study_slot import StudySlot, read_study_slot
from tests.sharing_slot import cases, made_replay, made_slot


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> StudySlot:
    folder = made_slot(tmp_path_factory.mktemp("figure") / "node0")
    return read_study_slot(folder, SHARING_TABLES, "prefix_sharing")


def ratio_of(case: CaseReplay) -> float:
    counters = case.replay.facts.counters
    return counters.hit_tokens / counters.prompt_tokens


def test_a_point_is_the_mean_of_the_replays_at_that_size(slot: StudySlot) -> None:
    found = by_cache_size(slot, MULTI, "oracle")
    assert [each.x for each in found] == [64, 1024, 16384]
    for point in found:
        there = [case for case in cases() if (case.workload, case.policy) == (MULTI, "oracle")]
        values = [ratio_of(case) for case in there if case.replay.facts.counters.cache_blocks == point.x]
        assert point.over.n == len(values) == 3
        assert point.over.mean == pytest.approx(sum(values) / 3)
        assert point.over.half_width is not None


def test_block_sizes_are_those_of_unlimited_caches_alone(slot: StudySlot) -> None:
    assert [each.x for each in by_block_size(slot, MULTI)] == [16, 64, 256]
    assert base_block_size(slot, MULTI) == 16
    best = unlimited(slot, MULTI)
    assert best is not None
    assert best.mean == by_block_size(slot, MULTI)[0].over.mean


def test_a_size_that_not_every_repeat_has_is_no_point(slot: StudySlot) -> None:
    rows = [row for row in slot.tables[DATA.name] if not (row[2] == 0 and row[5] == 64)]
    thinner = StudySlot(slot.manifest, {**slot.tables, DATA.name: rows})
    assert [each.x for each in by_cache_size(thinner, MULTI, "lru")] == [1024, 16384]


def test_curves_lie_between_the_repeats_and_end_at_their_extremes(slot: StudySlot) -> None:
    curve = distribution(slot, SHARING_FRACTION, ALL, MULTI, "lru")
    assert curve is not None
    assert (curve.repeats, curve.probability[0], curve.probability[-1]) == (3, 0.0, 1.0)
    for low, mean, high in zip(curve.least, curve.mean, curve.greatest, strict=True):
        assert low - 1e-12 <= mean <= high + 1e-12
    assert list(curve.least) == sorted(curve.least)


def test_without_caching_nothing_is_shared_and_there_is_no_gap(slot: StudySlot) -> None:
    curve = distribution(slot, SHARING_FRACTION, ALL, MULTI, NONE)
    assert curve is not None
    assert set(curve.mean) == {0.0}
    assert distribution(slot, REUSE_GAP, ACROSS, MULTI, NONE) is None


def test_occupancy_is_that_of_the_first_repeat(slot: StudySlot) -> None:
    found = occupancy(slot, MULTI, NONE)
    assert found is not None
    assert len(found.times_s) == len(found.blocks) + 1
    wanted = made_replay(MULTI, 0, block_size=16, prefix_caching=False).occupancy
    assert list(found.blocks) == [row.mean_blocks_in_use for row in wanted]


def test_quantiles_are_the_samples_own() -> None:
    case = CaseReplay("a", MULTI, 0, made_replay(MULTI))
    found = {row[-2]: row[-1] for row in distribution_rows(case) if row[7] == BLOCK_HITS}
    assert set(found) == set(PROBABILITIES)
    assert found[1.0] == block_hits(case.replay).quantile(1.0)
    assert sorted(found.values()) == [found[probability] for probability in sorted(found)]


def test_a_limited_cache_has_numbers_but_no_distribution() -> None:
    case = CaseReplay("a", MULTI, 0, made_replay(MULTI, num_blocks=65))
    assert not list(distribution_rows(case))
    numbers = {row[7]: row[8] for row in data_rows(case)}
    assert numbers["hit_ratio"] == summary(case.replay)["hit_ratio"]
    assert numbers["requests"] == 12


def test_ratios_compare_repeats_with_the_same_seed() -> None:
    one = [CaseReplay(f"s{seed}", SINGLE, seed, made_replay(SINGLE, seed, requests=12)) for seed in (1, 0)]
    other = [
        CaseReplay(f"m{seed}", MULTI, seed, made_replay(MULTI, seed, requests=12 * (seed + 1))) for seed in (0, 1, 2)
    ]
    found = {(row[0], row[2], row[3]): row[4] for row in comparison_rows(one, other)}
    assert found["requests", "ratio", "mean"] == pytest.approx(1.5)
    assert found["requests", "ratio", "n"] == 2
    assert ("reuse_gap_s.mean", SINGLE, "mean") not in found or made_replay(SINGLE).gaps


def test_one_repeat_has_no_interval() -> None:
    found = {row[3] for row in comparison_rows(*[[CaseReplay("a", MULTI, 0, made_replay(MULTI))]] * 2)}
    assert found == {"mean", "n"}


def test_every_number_has_a_unit(slot: StudySlot) -> None:
    units = {row["metric"]: row["unit"] for row in rows_of(slot, DATA)}
    assert units["hit_tokens"] == "tokens"
    assert units["hit_ratio"] == units["sharing_fraction.mean"] == "share"
    assert units["reuse_gap_s.mean"] == units["queueing_s.mean"] == "s"
    assert units["within_session.blocks_reused"] == units["occupancy.mean"] == "blocks"
    assert unit_of("preemptions") == "preemptions"
