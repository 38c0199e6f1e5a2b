"""A load's metrics: by hand where a number says most, against numpy where any must agree."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.load_metrics import client_metrics, in_one_piece, percentile, tpot_s
from harness.record.load_output import CANCELLED, FAILED, OK, ClientRecord, ClientSummary

SUMMARY = ClientSummary(0.0, 2.0, 0.1, None, 0, 4, 2, 1, 1, {})


def record(request: int, status: str = OK, **more: Any) -> ClientRecord:
    base = ClientRecord(
        request, f"a-{request}", 0, 0, status, 200, None, 0, 0, 1, 0, 100, 3, None, 0.1, 0.5, [0.1, 0.3]
    )
    return replace(base, **more)


FOUR = [
    record(0),
    record(1, prompt_tokens=50, output_tokens=1, ttft_s=0.3, e2e_s=0.3, itl_s=[]),
    record(2, FAILED, ttft_s=9.0, itl_s=[9.0]),
    record(3, CANCELLED, ttft_s=9.0, output_tokens=1),
]


def test_metrics_are_of_what_was_answered() -> None:
    found = client_metrics(FOUR, SUMMARY)
    assert found["request_throughput"] == (1.0, "requests/s")
    assert found["input_throughput"] == (75.0, "tokens/s")
    assert found["output_throughput"] == (2.0, "tokens/s")
    assert [found[name][0] for name in ("duration_s", "completed", "failed", "cancelled")] == [2, 2, 1, 1]
    assert found["ttft_mean_s"] == (pytest.approx(0.2), "s")
    assert found["ttft_std_s"] == (pytest.approx(0.1), "s")
    assert found["tpot_mean_s"] == (pytest.approx(0.2), "s")  # of the one with several tokens: (0.5 − 0.1) / 2
    assert found["itl_median_s"] == (pytest.approx(0.2), "s")
    assert found["e2e_mean_s"] == (pytest.approx(0.4), "s")
    assert "e2e_p99_s" not in found


def test_what_does_not_exist_is_not_there() -> None:
    whole = [record(0, ttft_s=None, itl_s=[], prompt_tokens=None)]
    found = client_metrics(whole, SUMMARY)
    assert "e2e_mean_s" in found
    assert not [name for name in found if name.startswith(("ttft", "tpot", "itl", "input"))]
    none = client_metrics([record(0, FAILED)], replace(SUMMARY, completed=0))
    assert not [name for name in none if name.startswith(("ttft", "e2e"))]
    assert none["output_throughput"] == (0.0, "tokens/s")


def test_an_answer_whose_tokens_came_all_at_once_is_told_from_a_stream() -> None:
    at_once = record(0, output_tokens=9, ttft_s=0.5, e2e_s=0.5004, itl_s=[0.00005] * 8)
    assert in_one_piece(at_once)
    assert not any(map(in_one_piece, (record(1), record(2, output_tokens=1), record(3, ttft_s=None, itl_s=[]))))
    assert client_metrics([at_once, record(1)], SUMMARY)["in_one_piece"] == (1.0, "requests")


def test_one_token_has_no_time_for_each_further_one() -> None:
    assert tpot_s(record(0, output_tokens=1)) is None
    assert tpot_s(record(0, output_tokens=2)) == pytest.approx(0.4)


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=30), st.floats(0, 100))
def test_percentiles_are_numpys(values: list[float], percent: float) -> None:
    assert percentile(values, percent) == pytest.approx(float(np.percentile(values, percent)), abs=1e-9)


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=30))
def test_statistics_are_numpys(values: list[float]) -> None:
    found = client_metrics([record(number, ttft_s=value) for number, value in enumerate(values)], SUMMARY)
    for name, wanted in (
        ("mean", np.mean(values)),
        ("median", np.median(values)),
        ("std", np.std(values)),
        ("p99", np.percentile(values, 99)),
    ):
        assert found[f"ttft_{name}_s"][0] == pytest.approx(float(wanted), abs=1e-7)
