from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.dataset import MEASURED, WARMUP, CaseData, Repeat, side_of_slot
from harness.analyse.formats import compare_weights, reads_past_page_cache
from harness.record.slot import Slot
from tests.synthetic_slot import CASE, synthetic

SAFE, RUNAI, TENSOR = "safetensors", "runai_streamer", "tensorizer"
ANSWER = [5, 3, 3, 9]
Answer = list[int] | None


def case(*answers: Answer, warmup: Answer = None) -> CaseData:
    """A case whose measured starts answered so; None: did not say."""
    said = [(WARMUP, warmup), *((MEASURED, answer) for answer in answers)]
    repeats = (
        Repeat(kind, str(number), output=None if tokens is None else {"token_ids": tokens})
        for number, (kind, tokens) in enumerate(said)
    )
    return CaseData("tiny", True, {}, {}, tuple(repeats))


def verdict(**formats: CaseData) -> tuple[str, str]:
    found = compare_weights(formats, SAFE)
    return found.verdict, found.said


def test_formats_whose_every_start_answers_alike_loaded_equal_weights() -> None:
    found = compare_weights({SAFE: case(ANSWER, ANSWER), RUNAI: case(ANSWER), TENSOR: case(ANSWER)}, SAFE)
    assert (found.verdict, found.alike, found.odd) == ("equal", (SAFE, RUNAI, TENSOR), ())
    assert found.said == "safetensors, runai_streamer and tensorizer answered with the same 4 tokens"


def test_a_format_that_answers_otherwise_is_named_with_the_token_where_it_parts() -> None:
    found = compare_weights({TENSOR: case([5, 3, 4, 9]), SAFE: case(ANSWER), RUNAI: case(ANSWER)}, SAFE)
    assert (found.verdict, found.alike, found.odd) == ("different", (SAFE, RUNAI), (TENSOR,))
    assert found.said == "tensorizer answered otherwise than safetensors from token 3 on"


def test_one_start_among_many_that_answers_otherwise_is_enough() -> None:
    found = compare_weights({SAFE: case(ANSWER), RUNAI: case(ANSWER, [1], ANSWER)}, SAFE)
    assert (found.verdict, found.odd) == ("different", (RUNAI,))
    assert found.said == "runai_streamer answered differently from start to start"


def test_where_the_default_format_wavers_the_others_are_compared_among_themselves() -> None:
    found = compare_weights({SAFE: case(ANSWER, [1]), RUNAI: case(ANSWER), TENSOR: case(ANSWER)}, SAFE)
    assert (found.verdict, found.alike, found.odd) == ("different", (RUNAI, TENSOR), (SAFE,))


def test_a_shorter_answer_is_another_one() -> None:
    assert verdict(safetensors=case(ANSWER), tensorizer=case(ANSWER[:2])) == (
        "different",
        "tensorizer answered otherwise than safetensors from token 3 on",
    )


@pytest.mark.parametrize(
    ("formats", "why"),
    [
        ({SAFE: case(ANSWER)}, "only safetensors was measured"),
        ({SAFE: case(None), RUNAI: case()}, "no start stated its answer"),  # runs from before answers were recorded
        ({SAFE: case(None), RUNAI: case(ANSWER)}, "only runai_streamer stated an answer"),
        ({SAFE: case(ANSWER), RUNAI: case(warmup=ANSWER)}, "only safetensors stated an answer"),
    ],
)
def test_what_cannot_be_compared_is_not_called_equal(formats: dict[str, CaseData], why: str) -> None:
    found = compare_weights(formats, SAFE)
    assert (found.verdict, found.said, found.alike, found.odd) == ("not compared", why, (), ())


def test_a_format_that_states_nothing_is_named_beside_those_that_are_equal() -> None:
    said = "safetensors and runai_streamer answered with the same 4 tokens; tensorizer stated no answer"
    equal = {SAFE: case(ANSWER, None), RUNAI: case(ANSWER), TENSOR: case(None)}
    assert verdict(**equal) == ("equal", said)


ANSWERS = st.lists(st.integers(0, 2), min_size=1, max_size=3)


@given(st.lists(st.lists(ANSWERS, min_size=1, max_size=3), min_size=2, max_size=4))
def test_equal_is_said_exactly_where_all_answers_are_one(answers: list[list[list[int]]]) -> None:
    formats = {f"format{number}": case(*said) for number, said in enumerate(answers)}
    found = compare_weights(formats, "format0")
    different = {tuple(tokens) for said in answers for tokens in said}
    assert found.verdict == ("equal" if len(different) == 1 else "different")
    assert set(found.alike) | set(found.odd) == set(formats)
    assert not set(found.alike) & set(found.odd)


@pytest.mark.parametrize(("direct", "past"), [(True, True), (False, False), ("yes", False), (None, False)])
def test_a_slots_certificate_says_whether_the_page_cache_was_passed(direct: Any, past: bool) -> None:
    rows, manifest = synthetic(measured=1)
    part = {"declared": "ssd", "holds": True, "reason": None, "weight_bytes": 1_240_000_000, "direct": direct}
    manifest["certificates"] = {f"{CASE}/1": {"storage": part}}
    manifest["runs"][1]["output"] = {"token_ids": ANSWER}
    (found,) = side_of_slot(Slot(tuple(rows), manifest), "mine", "a node").cases
    assert reads_past_page_cache(found) is past
    assert found.repeats[1].output == {"token_ids": ANSWER}
