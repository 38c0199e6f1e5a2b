"""Server metrics of a phase, by hand: differences, means, by time, and nothing where something is missing."""

from dataclasses import replace

import pytest

from harness.analyse.routing_join import join
from harness.analyse.routing_metrics import load_gap, server_metrics
from harness.analyse.routing_rows import FALLBACK, run_rows
from harness.record.routing_records import Choose, Routed, Sample
from harness.record.routing_run import PhaseMetrics, RoutingRun
from harness.record.routing_tables import DECISIONS, REQUESTS, ROUTING_TABLES, RUNS, SERIES
from harness.record.tables import parse_table, table_csv
from tests.routing_runs import REACHED, UNREACHED, Wanted, make_run

A, B = "replica-00", "replica-01"
BEGIN = 1000.0


def counters(prompt: int, hits: int, ttft: float, count: int) -> dict[str, float]:
    return {
        "vllm:prompt_tokens_total": prompt,
        "vllm:prefix_cache_queries_total": prompt,
        "vllm:prefix_cache_hits_total": hits,
        "vllm:time_to_first_token_seconds_sum": ttft,
        "vllm:time_to_first_token_seconds_count": count,
        "vllm:kv_cache_usage_perc": 0.5,
    }


def sample(replica: str, t: float, running: int, waiting: int, kv: float) -> Sample:
    return Sample(replica, BEGIN + t, running, waiting, kv, 0, 0)


def by_hand() -> RoutingRun:
    """Ten seconds; replica A prefilled 300 of 400 tokens, B 50 of 100; loads 3 and 1 from second 2 on, then 0 and 1."""
    run = make_run(Wanted(requests=4))
    phase = run.facts.phases[0]
    client = phase.client | {"begin_at": BEGIN, "wall_s": 10.0}
    phase = replace(phase, begin_at=BEGIN - 3, end_at=BEGIN + 12, client=client)
    routed = dict(zip(("cold-0", "cold-1", "cold-2", "cold-3"), (A, A, A, B), strict=True))
    return replace(
        run,
        facts=replace(run.facts, phases=[phase]),
        served=[replace(each, replica=routed.get(each.request, A)) for each in run.served],
        samples=[
            sample(A, -5.0, 9, 0, 0.1),
            sample(A, -1.0, 0, 0, 0.25),
            sample(A, 2.0, 2, 1, 0.75),
            sample(B, 2.0, 1, 0, 0.5),
            sample(A, 7.0, 0, 0, 0.0),
            sample(A, 11.0, 50, 0, 1.0),
        ],
        metrics={
            "cold": PhaseMetrics(
                {A: counters(20, 0, 1.0, 2), B: {}},
                {A: counters(420, 100, 4.0, 8), B: counters(100, 50, 0.5, 2)},
            )
        },
    )


def values(run: RoutingRun) -> dict[str, dict[str, float]]:
    found = server_metrics(run, run.facts.phases[0], join(run))
    return {replica: {name: value for name, (value, _) in metrics.items()} for replica, metrics in found.items()}


def test_counters_are_differences_and_means_are_over_all_requests() -> None:
    found = values(by_hand())
    assert found["0"]["prompt_tokens_total"] == 400
    assert found["1"]["prompt_tokens_total"] == 100
    assert found["all"]["prompt_tokens_total"] == 500
    assert found["0"]["hit_rate"] == 0.25
    assert found["1"]["hit_rate"] == 0.5
    assert found["all"]["hit_rate"] == 0.3
    assert found["all"]["prefill_tokens_computed"] == 350
    assert found["0"]["time_to_first_token_seconds_mean"] == 0.5
    assert found["1"]["time_to_first_token_seconds_mean"] == 0.25
    assert found["all"]["time_to_first_token_seconds_mean"] == 3.5 / 8
    assert "request_queue_time_seconds_mean" not in found["all"]
    assert "generation_tokens_total" not in found["all"]


def test_use_of_blocks_is_by_time_from_the_last_sample_before_the_phase_on() -> None:
    found = values(by_hand())
    assert found["0"]["kv_usage_mean"] == pytest.approx((2 * 0.25 + 5 * 0.75) / 10)
    assert found["0"]["kv_usage_max"] == 0.75
    assert found["1"]["kv_usage_mean"] == 0.5  # from its first sample on
    assert found["all"]["kv_usage_mean"] == pytest.approx((0.425 + 0.5) / 2)
    assert found["all"]["kv_usage_max"] == 0.75


def test_imbalance_is_the_most_requests_over_the_mean_and_the_gap_a_mean_over_time() -> None:
    found = values(by_hand())
    assert found["all"]["imbalance"] == 3 / 2
    assert found["all"]["load_gap"] == pytest.approx((5 * (3 - 1) + 3 * (1 - 0)) / 10)
    assert load_gap({A: [], B: []}, 0.0, 10.0) is None
    assert load_gap({A: [replace(sample(A, 0, 4, 0, 0.0), t=2.0)], B: []}, 0.0, 8.0) == 3.0  # B has not begun
    assert load_gap({A: [replace(sample(A, 0, 4, 0, 0.0), t=2.0)]}, 8.0, 8.0) is None


def test_parts_add_up_to_the_mean_ttft() -> None:
    run = make_run(Wanted(requests=6))
    metrics = values(run)["all"]
    ttft = [record.ttft_s for record in run.client]
    parts = ("router_wait_mean_s", "queue_mean_s", "prefill_mean_s", "rest_mean_s")
    assert sum(metrics[name] for name in parts) == pytest.approx(sum(t or 0 for t in ttft) / 6)
    assert metrics["rest_mean_s"] == 0.0078125


def test_with_a_lost_replica_there_is_no_sum_over_all() -> None:
    run = by_hand()
    told = run.metrics["cold"]
    lost = replace(run, metrics={"cold": PhaseMetrics(told.before, {A: told.after[A]})})
    found = values(lost)
    assert found["0"]["hit_rate"] == 0.25
    assert "hit_rate" not in found["1"]
    assert found["all"].keys() == {"router_wait_mean_s", "queue_mean_s", "prefill_mean_s", "rest_mean_s"}


def test_without_prefix_caching_every_prompt_token_is_computed_and_there_is_no_hit_rate() -> None:
    run = by_hand()
    told = {"vllm:prompt_tokens_total": 7.0, "vllm:prefix_cache_queries_total": 0.0}
    found = values(replace(run, metrics={"cold": PhaseMetrics({A: {}, B: {}}, {A: told, B: told})}))
    assert found["all"]["prefill_tokens_computed"] == 14
    assert "hit_rate" not in found["all"]


def test_every_row_is_one_that_the_slots_tables_can_hold() -> None:
    wanted = Wanted(requests=9, phases=("cold", "warm"), failed={1: REACHED, 2: UNREACHED}, cancelled={3: REACHED})
    rows = run_rows(make_run(wanted))
    for table in ROUTING_TABLES:
        if table.name in rows:
            assert rows[table.name]
            assert parse_table(table, table_csv(table, rows[table.name]), table.name) == rows[table.name]
    assert len(rows[REQUESTS.name]) == 18
    assert [row[7] for row in rows[REQUESTS.name] if row[3] == 2] == [0, 0]  # nobody counted its prompt
    assert {row[3] for row in rows[DECISIONS.name]} == set(range(9)) - {2}


def test_a_failed_run_is_one_row() -> None:
    run = make_run()
    reason = "engine core died\nand more " + "x" * 400
    failed = replace(run, facts=replace(run.facts, status="failed", failed_in="load", reason=reason))
    rows = run_rows(failed)
    assert [name for name, found in rows.items() if found] == [RUNS.name]
    assert parse_table(RUNS, table_csv(RUNS, rows[RUNS.name]), "runs.csv")[0][4:6] == ("failed", "load")


def test_series_count_tokens_from_the_phases_begin() -> None:
    run = make_run(Wanted(phases=("cold", "warm")))
    rows = [row for row in run_rows(run)[SERIES.name] if row[2] == "warm"]
    first, last = rows[0], rows[-1]
    assert first[4:] == (0.0, 0, 0, 0.0, 0, 0)
    served = [each for each in run.served if each.request.startswith("warm") and each.replica == f"replica-0{last[3]}"]
    assert last[8] == sum(each.prompt_tokens for each in served)
    assert last[9] == sum(each.cached_tokens for each in served)


def test_a_request_that_its_choices_second_rank_took_says_so() -> None:
    run = make_run(Wanted(requests=1))
    routed = next(event for event in run.decisions if isinstance(event, Routed))
    other = {A: B, B: A}[routed.replica]
    decisions = [
        replace(event, ranks=[[other], [routed.replica]]) if isinstance(event, Choose) else event
        for event in run.decisions
    ]
    row = run_rows(replace(run, decisions=decisions))[DECISIONS.name][0]
    assert row[5] == f"power-of-two rule{FALLBACK}"
