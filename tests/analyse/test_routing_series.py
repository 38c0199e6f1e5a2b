"""What the routing figure draws: distributions, gains against power-of-two, series, agreement of simulated runs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.routing_series import (
    Labelled,
    against_baseline,
    ecdf,
    gain_points,
    labelled,
    labels_of,
    latency_ecdfs,
    prefill_token_s,
    request_counts,
)
from harness.analyse.routing_series_simulated import FOLLOWED, OWN, agreement, by_replicas
from harness.analyse.routing_series_time import Steps, hit_rate_so_far, load_of_replicas, shown_repeat
from harness.record.routing_run import RoutingRun
from harness.record.routing_tables import ROUTING_TABLES, STUDY
from harness.record.study_slot import StudySlot, read_study_slot
from harness.record.tables import Cells
from tests.routing_slot import Made, made_slot

NOTHING = Labelled("a", [], [], [], 2, {}, {}, {}, {}, [], [], {})


def sample(t: float, replica: int, running: int, queries: int, hits: int) -> Cells:
    return {"t_s": t, "replica": replica, "running": running, "waiting": 1, "queries": queries, "hits": hits}


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> StudySlot:
    folder: Path = made_slot(tmp_path_factory.mktemp("series") / "node0", Made())
    return read_study_slot(folder, ROUTING_TABLES, STUDY)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_a_distribution_function_counts_what_is_at_most_its_value(sample_of: list[float]) -> None:
    found = ecdf(sample_of)
    assert found.probability[-1] == 1
    last = {value: share for value, share in zip(found.seconds, found.probability, strict=True)}
    for value, share in last.items():
        assert share == pytest.approx(sum(each <= value for each in sample_of) / len(sample_of))


def test_no_value_has_no_distribution_function() -> None:
    assert ecdf([]).seconds == []


def test_labels_and_strategies_stand_in_the_studys_order(slot: StudySlot) -> None:
    assert labels_of(slot) == ["no-chunked-prefill", "two-replicas"]
    found = labelled(slot, "two-replicas")
    assert found.strategies == ["power-of-two", "prefix", "exact", "session", "round-robin", "random"]
    assert found.phases == ["cold", "warm"]
    assert found.replicas == 2


def test_a_failed_run_is_named_and_in_nothing_else(slot: StudySlot) -> None:
    found = labelled(slot, "two-replicas")
    assert [(run["strategy"], run["repeat"]) for run in found.failed_runs] == [("random", 3)]
    assert sorted(found.of("cold", "random", "hit_rate")) == [1, 2]
    assert len(latency_ecdfs(found, "cold", "random", "ttft")[1]) == 2


def test_a_run_under_two_labels_is_seen_under_both(tmp_path: Path) -> None:
    class Twice(Made):
        def runs(self) -> Iterator[RoutingRun]:
            for run in super().runs():
                yield run
                yield replace(run, facts=replace(run.facts, label="again"))

    folder = made_slot(tmp_path / "node0", Twice(("one",), ("power-of-two", "prefix"), 2, simulated=False, requests=6))
    read = read_study_slot(folder, ROUTING_TABLES, STUDY)
    one, again = labelled(read, "one"), labelled(read, "again")
    assert labels_of(read) == ["again", "one"]
    assert (one.values, one.latencies, one.gains) == (again.values, again.latencies, again.gains)
    assert again.gains["cold", "prefix"]


def test_failed_requests_are_counted_where_they_happened_and_have_no_latency(slot: StudySlot) -> None:
    found = labelled(slot, "two-replicas")
    counts = request_counts(found)
    assert {name: each["failed"] for name, each in counts.items() if each["failed"]} == {"prefix": 12}
    assert counts["prefix"]["all"] == 3 * 2 * 30
    pooled, each = latency_ecdfs(found, "cold", "prefix", "ttft")
    assert len(pooled.seconds) == sum(len(one.seconds) for one in each) == 3 * 28


def test_gains_are_of_a_request_and_power_of_two_has_none(slot: StudySlot) -> None:
    found = labelled(slot, "two-replicas")
    assert gain_points(found, "cold", "power-of-two") == []
    points = gain_points(found, "cold", "prefix")
    assert len(points) == 3
    gain = found.gains["cold", "prefix"][1]
    assert points[0] == ((gain.tokens[0] - gain.tokens[1]) / gain.requests, gain.lost_s / gain.requests)
    assert all(saved > 0 for saved, _ in points)
    assert prefill_token_s(found, "cold") == 2**-10  # as the made-up engine computes
    assert prefill_token_s(replace(found, strategies=[]), "cold") is None


def test_a_finding_is_read_with_its_interval(slot: StudySlot) -> None:
    found = labelled(slot, "two-replicas")
    higher = against_baseline(found, "cold", "prefix", "hit_rate")
    assert higher is not None
    assert (higher.n, higher.sign) == (3, 1)
    assert higher.difference == pytest.approx(0.378, abs=0.001)
    undecided = against_baseline(found, "cold", "random", "ttft_mean_s")
    assert undecided is not None
    assert undecided.sign == 0
    assert against_baseline(found, "cold", "power-of-two", "hit_rate") is None


def test_the_hit_rate_so_far_is_that_of_all_replicas() -> None:
    rows = [sample(2, 0, 3, 300, 200), sample(0, 0, 0, 0, 0), sample(1, 1, 2, 100, 0), sample(1, 0, 1, 100, 50)]
    found = replace(NOTHING, series={("cold", "prefix"): {1: rows}})
    assert hit_rate_so_far(found, "cold", "prefix", 1) == Steps([1, 2], [0.25, 0.5])
    assert load_of_replicas(found, "cold", "prefix", 1) == {0: Steps([0, 1, 2], [1, 2, 4]), 1: Steps([1], [3])}
    assert hit_rate_so_far(found, "cold", "exact", 1) == Steps([], [])


def test_the_repeat_that_is_shown_is_the_first_that_most_strategies_have() -> None:
    series: dict[tuple[str, str], dict[int, list[Cells]]] = {
        ("cold", "prefix"): {1: [], 2: [], 3: []}, ("cold", "exact"): {2: [], 3: []}, ("warm", "exact"): {1: []},
    }  # fmt: skip
    assert shown_repeat(replace(NOTHING, series=series), "cold") == 2
    assert shown_repeat(NOTHING, "cold") is None


def test_simulated_runs_are_compared_with_real_ones_of_as_many_replicas() -> None:
    def row(source: str, repeat: int, value: float, replicas: int = 2) -> Cells:
        return {
            "source": source, "strategy": "prefix", "replicas": replicas, "repeat": repeat, "metric": "hit_rate",
            "value": value,
        }  # fmt: skip

    simulated = [row(FOLLOWED, 1, 0.51), row(FOLLOWED, 2, 0.61), row(OWN, 1, 0.54), row(OWN, 1, 0.9, replicas=4)]
    found = replace(
        NOTHING, values={("cold", "prefix", "server", "hit_rate"): {1: 0.5, 2: 0.6, 3: 0.7}}, simulated=simulated
    )
    followed, own = agreement(found, FOLLOWED, "prefix"), agreement(found, OWN, "prefix")
    assert followed is not None
    assert own is not None
    assert (followed.points, followed.half_width) == pytest.approx((1.0, 0.0), abs=1e-9)  # pairs are alike
    assert (followed.real, followed.is_close) == (2, True)
    assert own.points == pytest.approx(-6)
    assert (own.half_width, own.is_close) == (None, False)
    assert agreement(found, OWN, "exact") is None


def test_replicas_stand_in_order(slot: StudySlot) -> None:
    found = by_replicas(labelled(slot, "two-replicas"), "round-robin", "hit_rate")
    assert list(found) == [1, 2, 4, 8, 16, 32, 64]
    assert {over.n for over in found.values()} == {2}
