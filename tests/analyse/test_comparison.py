"""Numbers of compared engines, from runs whose truth is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.comparison import comparison_rows, gaps, points
from harness.analyse.comparison_parity import IDS, TEXTS, agreements
from harness.analyse.first_difference import first_difference
from tests.comparison_runs import record, run

DOWN = ((2, "it was down"), (3, "it still was"))
WORDS = st.lists(st.integers(0, 3), max_size=8)


def metrics(made, target: str = "a") -> dict[str, float]:
    return {row.metric: row.value for row in comparison_rows([made]) if row.target == target}


def test_tokens_are_those_of_one_tokenizer_whatever_the_server_says() -> None:
    records = [record(request=0, told=500), record(request=1, told=500)]
    found = metrics(run([records], wall_s=2.0, tokens={"a-c1-0": [1, 2, 3], "a-c1-1": [1, 2, 3, 4, 5]}))
    assert (found["tokens"], found["told_tokens"], found["throughput"]) == (8, 1000, 4.0)
    assert found["decode_median"] == pytest.approx((2 / 0.2 + 4 / 0.2) / 2)
    assert found["chunks_per_token"] == pytest.approx(6 / 8)


def test_without_a_tokenizer_chunks_with_text_are_counted() -> None:
    found = metrics(run([[record(told=None), record(request=1, told=None)]]))
    assert (found["tokens"], found["chunks_per_token"]) == (6, 1.0)
    assert "told_tokens" not in found
    assert "cpu_s_per_1000_tokens" not in found


def test_failed_requests_are_counted_and_in_no_other_number() -> None:
    found = metrics(run([[record(), record(request=1, ok=False)]], cpu_s=0.3))
    assert (found["completed"], found["failed"], found["tokens"]) == (1, 1, 3)
    assert found["cpu_s_per_1000_tokens"] == pytest.approx(100)
    assert found["others_cpu_share"] == 0.5


def test_of_a_level_without_any_answer_only_the_counts_exist() -> None:
    assert metrics(run([[record(ok=False)]])) == {"completed": 0, "failed": 1}


def test_an_answer_in_one_piece_tells_no_decode_speed() -> None:
    assert "decode_median" not in metrics(run([[record(gaps=())]], tokens={"a-c1-0": [1, 2]}))


def test_chunks_that_came_together_tell_no_decode_speed_and_are_told() -> None:
    found = metrics(run([[record(gaps=(0.05, 0.00001, 0.00001, 0.00002))]]))
    assert found["together_share"] == 0.75
    assert "decode_median" not in found
    assert metrics(run([[record(gaps=(0.05, 0.05, 0.00001))]]))["decode_median"] == pytest.approx(3 / 0.10001)


def test_ratios_are_taken_repeat_by_repeat_against_the_first_target() -> None:
    def repeat(number: int, slow: float):
        return run([[record("a")], [record("b")]], number, wall_s=slow)

    made = [repeat(1, 1.0), repeat(2, 4.0)]
    for each in made:  # b takes twice as long as a in each repeat, whatever the machine does
        each.facts.levels[1].client["wall_s"] *= 2
    found = points(comparison_rows(made), ["a", "b"])
    assert found["b", 1, "throughput"].ratio == pytest.approx(0.5)
    assert found["b", 1, "throughput"].ratio_interval == pytest.approx((0.5, 0.5))
    assert found["a", 1, "throughput"].ratio is None
    assert found["a", 1, "throughput"].summary.n == 2


def test_a_gap_is_told_with_the_reason_why_it_came_about() -> None:
    first, second = (run([[record("a")]], number, gaps={"b": reason}) for number, reason in DOWN)
    made = [run([[record("a")], [record("b")]], 1), first, second]
    assert gaps(made) == {"b": "it was down"}


def test_token_ids_and_texts_are_held_against_the_first_target() -> None:
    a = [record("a", request=0, text="x y"), record("a", request=1, text="x y z")]
    b = [record("b", request=0, text="x y"), record("b", request=1, text="x q z")]
    tokens = {"a-c1-0": [1, 2], "b-c1-0": [1, 2], "a-c1-1": [1, 2, 3], "b-c1-1": [1, 9, 3]}
    made = run([a, b], tokens=tokens, greedy={"a": [[1, 2], [3]], "b": [[1, 2], [3]], "c": [[1]]})
    by_ids, by_texts = agreements([made], ["a", "b"])
    assert (by_ids.what, by_ids.compared, by_ids.identical, by_ids.first_least) == (IDS, 2, 2, None)
    assert (by_texts.what, by_texts.compared, by_texts.identical, by_texts.first_least) == (TEXTS, 2, 1, 1)


def test_half_a_character_at_the_end_is_no_difference_and_one_before_it_is() -> None:
    made = run([[record("a", text="ab\ufffd")], [record("b", text="ab")]])
    assert agreements([made], ["a", "b"])[0].identical == 1
    made = run([[record("a", text="a\ufffdb")], [record("b", text="ab")]])
    assert agreements([made], ["a", "b"])[0].identical == 0


def test_equal_tokens_of_other_texts_are_a_difference() -> None:
    made = run([[record("a", text="x")], [record("b", text="y")]], tokens={"a-c1-0": [1], "b-c1-0": [1]})
    assert agreements([made], ["a", "b"])[0].identical == 0


def test_requests_that_failed_on_one_side_are_not_compared() -> None:
    made = run([[record("a")], [record("b", ok=False)]])
    assert agreements([made], ["a", "b"]) == []


@given(WORDS, WORDS)
def test_what_comes_before_the_divergence_is_the_same_and_the_next_is_not(one: list[int], other: list[int]) -> None:
    at = first_difference(one, other)
    assert at == first_difference(other, one)
    if at is None:
        assert one == other
    else:
        assert one[:at] == other[:at]
        assert one[at : at + 1] != other[at : at + 1]
