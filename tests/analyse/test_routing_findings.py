"""Strategies against power-of-two, by hand: pairs, intervals, and what a gain is made of."""

import math
from typing import Any

import pytest

from harness.analyse.routing_findings import PER_REQUEST, PREFILL_WORTH, QUEUEING, finding_rows
from harness.analyse.routing_gains import Group, gains
from harness.analyse.stats import t_quantile
from harness.record.findings import BASELINE_MEAN, DIFFERENCE_HALF_WIDTH, MEAN, RATIO, RATIO_HIGH, RATIO_LOW, N
from harness.record.routing_tables import ALL, DECISIONS, FINDINGS, METRICS, RUNS, SERVED
from harness.record.tables import Cell, parse_table, table_csv

Tables = dict[str, list[tuple[Cell, ...]]]
HIT_RATES = {"power-of-two": {1: 0.4, 2: 0.5, 3: 0.4}, "prefix": {1: 0.6, 2: 0.8, 3: 0.7}}


def slot(hit_rates: dict[str, dict[int, float]], failed: tuple[str, int] | None = None) -> Tables:
    tables: Tables = {table.name: [] for table in (RUNS, METRICS, SERVED, DECISIONS)}
    for strategy, by_repeat in hit_rates.items():
        for repeat, value in by_repeat.items():
            status = "failed" if (strategy, repeat) == failed else "ok"
            tables[RUNS.name].append((strategy, "default", strategy, repeat, status, "-", "-"))
            named = (strategy, "default", strategy, repeat, "cold", "server")
            tables[METRICS.name].append((*named, ALL, "hit_rate", value, "share"))
            tables[METRICS.name].append((*named, "0", "hit_rate", 0.0, "share"))
    return tables


def follow(
    tables: Tables, strategy: str, request: int, computed: int, prefill_s: float, waits: tuple[float, float]
) -> None:
    """One request of repeat 1 that waited in the router and in the queue."""
    what = (strategy, 1, "cold", request)
    tables[DECISIONS.name].append((*what, 0, "rule", 0, 0, "-", 1, 1, 1, waits[0], 0.001))
    tables[SERVED.name].append((*what, 0, 500, 500 - computed, 10, waits[1], prefill_s, 0.5, 0))


def said(tables: Tables, metric: str, **wanted: Any) -> dict[str, float]:
    found = {}
    for row in finding_rows(tables):
        cells = dict(zip(FINDINGS.columns, row, strict=True))
        if cells["metric"] == metric and all(cells[column] == value for column, value in wanted.items()):
            found[str(cells["statistic"])] = float(cells["value"])
    return found


def test_runs_are_paired_by_their_repeat() -> None:
    found = said(slot(HIT_RATES), "hit_rate", label="default", phase="cold", strategy="prefix", baseline="power-of-two")
    differences = [0.2, 0.3, 0.3]
    spread = math.sqrt(sum((d - 0.8 / 3) ** 2 for d in differences) / 2 / 3)
    assert found[BASELINE_MEAN] == pytest.approx(1.3 / 3)
    assert found[MEAN] == pytest.approx(0.7)
    assert found[DIFFERENCE_HALF_WIDTH] == pytest.approx(t_quantile(2) * spread)
    logs = [math.log(1.5), math.log(1.6), math.log(1.75)]
    middle = sum(logs) / 3
    assert found[RATIO] == pytest.approx(math.exp(middle))
    half = t_quantile(2) * math.sqrt(sum((each - middle) ** 2 for each in logs) / 2 / 3)
    assert (found[RATIO_LOW], found[RATIO_HIGH]) == pytest.approx((math.exp(middle - half), math.exp(middle + half)))
    assert found[N] == 3


def test_a_repeat_that_only_one_side_has_or_that_failed_is_in_no_pair() -> None:
    rates = {"power-of-two": {1: 0.4, 2: 0.5, 4: 0.9}, "prefix": {1: 0.6, 2: 0.8, 3: 0.7}}
    assert said(slot(rates), "hit_rate")[N] == 2
    assert said(slot(rates, failed=("prefix", 2)), "hit_rate") == pytest.approx(
        {BASELINE_MEAN: 0.4, MEAN: 0.6, RATIO: 1.5, N: 1}
    )


def test_one_repeat_has_no_interval_and_no_repeat_no_finding() -> None:
    rates = {"power-of-two": {1: 0.4}, "prefix": {1: 0.6}}
    assert said(slot(rates), "hit_rate").keys() == {BASELINE_MEAN, MEAN, RATIO, N}
    assert finding_rows(slot({"power-of-two": {1: 0.4}, "prefix": {2: 0.6}})) == []
    assert finding_rows(slot({"prefix": {1: 0.6}})) == []


def test_a_value_of_zero_has_a_difference_but_no_ratio() -> None:
    rates = {"power-of-two": {1: 0.0, 2: 0.1}, "random": {1: 0.1, 2: 0.2}}
    assert said(slot(rates), "hit_rate").keys() == {BASELINE_MEAN, MEAN, DIFFERENCE_HALF_WIDTH, N}


def test_a_gain_is_what_prefill_saved_at_the_baselines_speed_against_what_queues_cost() -> None:
    tables = slot({"power-of-two": {1: 0.4}, "prefix": {1: 0.6}})
    follow(tables, "power-of-two", 0, computed=400, prefill_s=0.75, waits=(0.125, 0.25))
    follow(tables, "power-of-two", 1, computed=100, prefill_s=0.25, waits=(0.0, 0.125))
    follow(tables, "power-of-two", 2, computed=500, prefill_s=9.0, waits=(9.0, 9.0))  # the other run has no request 2
    follow(tables, "prefix", 0, computed=100, prefill_s=5.0, waits=(0.25, 1.0))
    follow(tables, "prefix", 1, computed=150, prefill_s=5.0, waits=(0.0, 0.25))
    gain = gains(tables, "default")[Group("default", "cold", "prefix")][1]
    assert gain.requests == 2
    assert gain.tokens == (500, 250)
    assert gain.token_s == 1.0 / 500
    assert gain.queueing_s == (0.5, 1.5)
    assert gain.lost_s == 1.0
    worth, queueing = said(tables, PREFILL_WORTH), said(tables, QUEUEING)
    assert worth[BASELINE_MEAN] - worth[MEAN] == 0.5
    assert queueing[MEAN] - queueing[BASELINE_MEAN] == gain.lost_s
    each = said(tables, PREFILL_WORTH + PER_REQUEST)
    assert each[BASELINE_MEAN] - each[MEAN] == 0.25
    each = said(tables, QUEUEING + PER_REQUEST)
    assert each[MEAN] - each[BASELINE_MEAN] == gain.lost_s / 2


def test_without_a_computed_token_there_is_no_price_of_one() -> None:
    tables = slot({"power-of-two": {1: 0.4}, "prefix": {1: 0.6}})
    follow(tables, "power-of-two", 0, computed=0, prefill_s=0.0, waits=(0.0, 0.0))
    follow(tables, "prefix", 0, computed=0, prefill_s=0.0, waits=(0.0, 0.0))
    assert gains(tables, "default") == {Group("default", "cold", "prefix"): {}}


def test_findings_are_rows_that_a_slot_can_hold_in_one_order() -> None:
    rates = HIT_RATES | {"random": {1: 0.3, 2: 0.4, 3: 0.5}, "exact": {1: 0.8, 2: 0.8, 3: 0.9}}
    rows = finding_rows(slot(rates))
    assert parse_table(FINDINGS, table_csv(FINDINGS, rows), "findings.csv") == rows
    assert list(dict.fromkeys(row[2] for row in rows)) == ["prefix", "exact", "random"]
    assert rows == finding_rows(slot(dict(reversed(rates.items()))))
