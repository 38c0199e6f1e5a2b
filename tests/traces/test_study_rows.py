"""Rows of the head-room study's traces: lengths as declared, prefixes kept, times stretched alike."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.traces.rows import MooncakeRow, TokenRow
from harness.traces.study_rows import at_rate, divided_rows, drawn_rows, with_predictions

ORIGINAL = ((17, 47), (88.0, 2.0, 480))


def arriving(*times: float) -> list[TokenRow]:
    return [TokenRow(f"r{index}", None, 1, at_s, [1, 2], [3]) for index, at_s in enumerate(times)]


def test_drawn_requests_have_the_original_studys_shape() -> None:
    rows = list(drawn_rows(*ORIGINAL, requests=3000, seed=0))
    prompts, outputs = [row.prompt_tokens for row in rows], [row.output_tokens for row in rows]
    assert (min(prompts), max(prompts)) == (17, 47)
    assert min(outputs) >= 1
    assert max(outputs) <= 480
    blocks = sum(prompts + outputs for prompts, outputs in zip(prompts, outputs, strict=True)) / len(rows) / 16
    assert blocks == pytest.approx(7.5, abs=0.15)
    assert sum(prompts) / len(rows) / 16 == pytest.approx(2.0, abs=0.05)
    assert rows[-1].arrival_s / len(rows) == pytest.approx(1.0, abs=0.06)


def test_a_seed_gives_the_same_requests_and_another_gives_others() -> None:
    one, again, other = (list(drawn_rows(*ORIGINAL, requests=20, seed=seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert list(drawn_rows(*ORIGINAL, requests=5, seed=1)) == one[:5]


def test_divided_requests_share_the_prefixes_that_their_hash_ids_share() -> None:
    ids = [[0, 5, 2_000_003], [0, 5, 9], [0, 7], [4]]
    mooncake = [MooncakeRow(10.0 + i, 512 * len(each) - 40 * i, 100, each) for i, each in enumerate(ids)]
    rows = list(divided_rows(mooncake, 32, 4, first=0, requests=4))
    assert [row.prompt_tokens for row in rows] == [48, 47, 30, 13]  # 16 tokens of each id, rounded up
    assert [row.output_tokens for row in rows] == [25] * 4
    assert [row.arrival_s for row in rows] == [0.0, 1.0, 2.0, 3.0]
    first, second, third, fourth = (row.prompt_token_ids for row in rows)
    assert first[:32] == second[:32]
    assert first[32:35] != second[32:35]
    assert first[:16] == third[:16]
    assert first[16:19] != third[16:19]
    assert fourth[:3] != first[:3]


def test_repeats_of_a_divided_trace_are_stretches_of_it_one_after_the_other() -> None:
    mooncake = [MooncakeRow(float(i), 100, 4, [i]) for i in range(10)]
    rows = list(divided_rows(mooncake, 32, 4, first=4, requests=3))
    assert [row.prompt_token_ids[0] for row in rows] == [4, 5, 6]
    assert rows[0].arrival_s == 0.0


@given(st.lists(st.floats(0, 1e4), min_size=2, max_size=30).map(sorted), st.floats(0.01, 1e3))
def test_another_rate_stretches_all_times_alike(times: list[float], rate: float) -> None:
    rows = at_rate(arriving(*times), rate)
    assert rows[0].arrival_s == 0.0
    assert all(earlier.arrival_s <= later.arrival_s for earlier, later in pairwise(rows))
    if times[-1] > times[0]:
        assert (len(rows) - 1) / rows[-1].arrival_s == pytest.approx(rate, rel=1e-3)
    assert [row.prompt_token_ids for row in rows] == [[1, 2]] * len(rows)


def test_at_an_infinite_rate_all_are_there_at_once() -> None:
    assert [row.arrival_s for row in at_rate(arriving(3.0, 4.0, 9.0), math.inf)] == [0.0, 0.0, 0.0]


def test_requests_that_all_arrive_at_once_stay_so_at_any_rate() -> None:
    assert [row.arrival_s for row in at_rate(arriving(3.0, 3.0), 2.0)] == [0.0, 0.0]


def test_predictions_go_with_their_requests() -> None:
    rows = with_predictions(arriving(0.0, 1.0), [7, 9])
    assert [row.predicted_output_tokens for row in rows] == [7, 9]
    with pytest.raises(ValueError, match="shorter"):
        with_predictions(arriving(0.0, 1.0), [7])
