"""What a head-room point is judged by, against numbers worked out by hand, and rules that hold of any requests."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.headroom_metrics import Slo, point_metrics, slo_kept, tpot
from harness.analyse.headroom_rows import point_rows
from harness.record.headroom_tables import POINTS, RECOMPUTE, STEPS, SWAP
from harness.record.replay_rows import OccupancyRow, RequestRow
from harness.record.tables import parse_table, table_csv
from tests.headroom_slot import SLO, made_point

EMPTY = RequestRow("r", None, None, 0.0, 0.0, 0.0, 0.0, 1, 1, 1, 0, 0, 0, 1, 0)


def request(arrival: float, scheduled: float, first: float, finish: float, prompt: int, output: int) -> RequestRow:
    return replace(
        EMPTY, arrival_s=arrival, scheduled_s=scheduled, first_token_s=first, finished_s=finish, prompt_tokens=prompt,
        output_tokens=output,
    )  # fmt: skip


# Two requests over ten seconds: TTFT 1 s and 3 s; TPOT 0.5 s of the first, the second has one token.
BY_HAND = [request(1.0, 1.5, 2.0, 6.0, 30, 9), request(3.0, 5.0, 6.0, 11.0, 50, 1)]

request_rows = st.builds(
    lambda arrival, waits, prompt, output: request(
        arrival, arrival + waits[0], arrival + sum(waits[:2]), arrival + sum(waits), prompt, output
    ),
    st.floats(0, 1e3),
    st.tuples(*[st.floats(1e-5, 100)] * 3),
    st.integers(1, 4000),
    st.integers(1, 4000),
)
slos = st.builds(Slo, st.floats(0, 200), st.floats(0, 10))


def test_two_requests_by_hand():
    counters = {"preemptions": 3, "preempted_blocks": 7, "recomputed_tokens": 90, "swap_outs": 2, "swap_ins": 1}
    occupancy = [OccupancyRow(0.0, 5.0, 3.0, 8, 0.0, 0), OccupancyRow(5.0, 10.0, 2.0, 6, 0.0, 0)]
    found = point_metrics(BY_HAND, counters, occupancy, Slo(ttft_s=2.0, tpot_s=0.5))
    assert found == {
        "requests": (2.0, "requests"),
        "output_tokens": (10.0, "tokens"),
        "ttft_p50": (2.0, "s"),
        "ttft_p90": (pytest.approx(2.8), "s"),
        "ttft_p99": (pytest.approx(2.98), "s"),
        "tpot_p50": (0.5, "s"),
        "tpot_p90": (0.5, "s"),
        "tpot_p99": (0.5, "s"),
        "makespan": (10.0, "s"),
        "output_throughput": (1.0, "tokens/s"),
        "input_traffic": (8.0, "tokens/s"),
        "request_throughput": (0.2, "requests/s"),
        "mean_running": (pytest.approx((4.5 + 6.0) / 10), "sequences"),
        "goodput": (0.1, "requests/s within the SLO"),
        "peak_blocks": (8.0, "blocks"),
        "preemptions": (3.0, "operations"),
        "recomputed_tokens": (90.0, "tokens"),
        "blocks_recomputed": (7.0, "blocks"),
        "swap_operations": (3.0, "operations"),
        "swap_ins": (1.0, "operations"),
    }


def test_what_does_not_exist_is_left_out_and_what_is_zero_is_zero():
    found = point_metrics([replace(EMPTY)], {"preemptions": 0}, [], SLO)
    assert found["preemptions"] == (0.0, "operations")
    assert found["ttft_p99"] == (0.0, "s")
    for absent in ("tpot_p50", "makespan", "output_throughput", "goodput", "peak_blocks", "recomputed_tokens",
                   "blocks_recomputed", "swap_operations"):  # fmt: skip
        assert absent not in found
    assert point_metrics([], {}, [], SLO) == {"requests": (0.0, "requests"), "output_tokens": (0.0, "tokens")}


def test_blocks_that_swapping_brings_back_are_not_called_recomputed():
    counters = {"preempted_blocks": 7, "blocks_swapped_out": 7, "blocks_swapped_in": 5}
    assert point_metrics(BY_HAND, counters, [], SLO, mode=RECOMPUTE)["blocks_recomputed"][0] == 7
    found = point_metrics(BY_HAND, counters, [], SLO, mode=SWAP)
    assert "blocks_recomputed" not in found
    assert (found["blocks_swapped_out"][0], found["blocks_swapped_in"][0]) == (7, 5)


def test_a_clock_of_steps_says_so_and_is_not_held_against_seconds():
    found = point_metrics(BY_HAND, {}, [], SLO, arrivals=STEPS)
    assert found["output_throughput"] == (1.0, "tokens/step")
    assert found["ttft_p50"][1] == found["makespan"][1] == "steps"
    assert "goodput" not in found


def test_of_one_token_the_first_alone_decides():
    slow = request(0.0, 0.0, 1.0, 50.0, 1, 1)
    assert tpot(slow) is None
    assert slo_kept(slow, Slo(1.0, 0.0))
    assert not slo_kept(replace(slow, output_tokens=2), Slo(1.0, 0.0))


@given(st.lists(request_rows, min_size=1, max_size=20), slos)
def test_goodput_is_at_most_the_request_throughput(rows: list[RequestRow], slo: Slo):
    found = point_metrics(rows, {}, [], slo)
    if "goodput" in found:
        assert 0 <= found["goodput"][0] <= found["request_throughput"][0]
    assert found["ttft_p50"][0] <= found["ttft_p90"][0] <= found["ttft_p99"][0]


@given(st.lists(request_rows, min_size=1, max_size=20), slos, st.randoms())
def test_the_order_of_requests_changes_nothing(rows: list[RequestRow], slo: Slo, random: Random):
    shuffled = random.sample(rows, len(rows))
    assert point_metrics(shuffled, {}, [], slo) == point_metrics(rows, {}, [], slo)


@given(st.lists(request_rows, min_size=2, max_size=20), st.floats(0.5, 8.0))
def test_a_slower_clock_divides_rates_and_multiplies_times(rows: list[RequestRow], factor: float):
    names = ("arrival_s", "scheduled_s", "first_token_s", "finished_s")
    slower = [replace(row, **{name: getattr(row, name) * factor for name in names}) for row in rows]
    fast, slow = (point_metrics(each, {}, [], SLO) for each in (rows, slower))
    for metric in ("output_throughput", "input_traffic", "request_throughput"):
        if metric in fast:
            assert slow[metric][0] == pytest.approx(fast[metric][0] / factor, rel=1e-6)
    for metric in ("ttft_p50", "tpot_p99", "makespan"):
        if metric in fast:
            assert slow[metric][0] == pytest.approx(fast[metric][0] * factor, rel=1e-6, abs=1e-9)


def test_rows_of_a_point_fit_the_table():
    point = made_point("original", 1, "naive", 2.4, SWAP)
    rows = list(point_rows(point))
    assert parse_table(POINTS, table_csv(POINTS, rows), "points.csv") == rows
    assert {row[POINTS_AT["metric"]] for row in rows} >= {"output_throughput", "preemptions", "swap_operations"}
    assert {row[POINTS_AT["parameter"]] for row in rows} == {2.4}


POINTS_AT = {name: at for at, name in enumerate(POINTS.columns)}
