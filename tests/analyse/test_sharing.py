"""The summary of a replay against numbers worked out by hand, and against the toy's own counts."""

from pathlib import Path
from statistics import fmean, median

import pytest

from harness.analyse.sharing import compare, sharing_fractions, summary
from harness.record.replay import Replay, read_replay
from tests.replay_folder import SIZE, small_toy, write_replay
from tests.replay_toy import Toy, ToyRequest

KEYS = """
    schema_version requests prompt_tokens hit_tokens blocks_allocated blocks_reused unique_blocks block_reuse_rate
    sharing_fraction block_hits reuse_gap_s within_session across_sessions evictions preemptions queueing_s
    occupancy virtual_s wall_s parameters trace tokenizer engine step_time step_loop
"""


def replayed(folder: Path, toy: Toy) -> Replay:
    write_replay(folder, toy)
    return read_replay(folder)


def test_two_requests_with_a_common_beginning_by_hand(tmp_path: Path):
    requests = [
        ToyRequest("one", "s", 0.0, tuple(range(9)), (90, 91)),
        ToyRequest("two", "s", 10.0, tuple(range(8)), (80,)),
    ]
    found = summary(replayed(tmp_path / "replay", Toy(requests, 10, 4, chunk=16).replay()))
    # The first takes three blocks at 0 s and stores two contents; the second may reuse one: its last token is computed.
    assert (found["requests"], found["prompt_tokens"], found["hit_tokens"]) == (2, 17, 4)
    assert (found["blocks_allocated"], found["blocks_reused"], found["unique_blocks"]) == (4, 1, 2)
    assert found["block_reuse_rate"] == 0.2
    assert found["sharing_fraction"] == {"mean": 0.25, "median": 0.25, "min": 0.0, "max": 0.5}
    assert found["block_hits"] == {
        "mean": 0.5, "median": 0.5, "min": 0.0, "max": 1.0, "reused_contents": 1, "total": 1
    }  # fmt: skip
    assert found["reuse_gap_s"] == dict.fromkeys(("mean", "median", "min", "max"), 10.0)
    assert found["within_session"] == {"hit_tokens": 4, "blocks_reused": 1, "reuse_gap_s": found["reuse_gap_s"]}
    assert found["across_sessions"] == {"hit_tokens": 0, "blocks_reused": 0, "reuse_gap_s": None}
    assert found["occupancy"] == {"mean": pytest.approx((3 * 2 + 2 * 1) / 11), "max": 3, "cache_blocks": 10}
    assert found["virtual_s"] == 11.0


def test_it_has_the_keys_that_scripts_rely_on(tmp_path: Path):
    found = summary(replayed(tmp_path / "replay", small_toy()))
    assert set(KEYS.split()) <= set(found)
    assert next(iter(found)) == "schema_version"


def test_its_statistics_are_those_of_the_values_written_out(tmp_path: Path):
    toy = small_toy(blocks=12)
    found = summary(replayed(tmp_path / "replay", toy))
    gaps = [gap for reuses in toy.gaps for gap, _ in reuses]
    assert found["evictions"] == toy.counted["evictions"] > 0
    assert found["reuse_gap_s"] == {
        "mean": pytest.approx(fmean(gaps)), "median": median(gaps), "min": min(gaps), "max": max(gaps)
    }  # fmt: skip
    hits = list(toy.hits.values())
    assert (found["block_hits"]["mean"], found["block_hits"]["max"]) == (pytest.approx(fmean(hits)), max(hits))
    waits = [each.row["scheduled_s"] - each.arrival for each in toy.requests]
    assert found["queueing_s"]["mean"] == pytest.approx(fmean(waits))


def test_without_caching_what_does_not_exist_is_none_and_what_is_zero_is_zero(tmp_path: Path):
    found = summary(replayed(tmp_path / "replay", small_toy(caching=False)))
    assert found["reuse_gap_s"] is None
    assert found["block_hits"]["mean"] is None
    assert (found["block_reuse_rate"], found["sharing_fraction"]["max"], found["hit_tokens"]) == (0.0, 0.0, 0)


def test_whose_reuses_they_are_is_not_known_where_no_session_is_named(tmp_path: Path):
    requests = [ToyRequest(name, None, at, tuple(range(9)), (80,)) for name, at in (("one", 0.0), ("two", 10.0))]
    found = summary(replayed(tmp_path / "replay", Toy(requests, 10, 4, chunk=16).replay()))
    assert found["blocks_reused"] == 2
    unknown = {"hit_tokens": None, "blocks_reused": None, "reuse_gap_s": None}
    assert (found["within_session"], found["across_sessions"]) == (unknown, unknown)
    rows = {row.metric: row.ratio for row in compare(found, found)}
    assert (rows["within_session.blocks_reused"], rows["blocks_reused"]) == (None, 1.0)


def test_every_fraction_is_a_share(tmp_path: Path):
    values, shares = sharing_fractions(replayed(tmp_path / "replay", small_toy())).ecdf()
    assert 0 <= values.min() <= values.max() <= 1
    assert shares[-1] == 1


def test_two_replays_are_compared_by_the_ratio_of_each_metric(tmp_path: Path):
    cached = summary(replayed(tmp_path / "cached", small_toy()))
    without = summary(replayed(tmp_path / "without", small_toy(caching=False)))
    rows = {row.metric: row for row in compare(cached, without)}
    assert rows["requests"].ratio == 1.0
    assert (rows["hit_tokens"].first, rows["hit_tokens"].second, rows["hit_tokens"].ratio) == (
        cached["hit_tokens"], 0, 0.0
    )  # fmt: skip
    assert (rows["reuse_gap_s.mean"].second, rows["reuse_gap_s.mean"].ratio) == (None, None)
    assert {row.metric: row for row in compare(without, cached)}["hit_tokens"].ratio is None
    assert rows["blocks_allocated"].ratio == without["blocks_allocated"] / cached["blocks_allocated"] > 1
    assert cached["hit_tokens"] % SIZE == 0
