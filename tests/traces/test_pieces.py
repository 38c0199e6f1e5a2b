"""Conversations cut into growing pieces: what every load has, whatever dialogues it is made of."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.record.load import LoadParameters, LoadRow
from harness.traces.arrivals import request_times
from harness.traces.dialogues import Dialogue
from harness.traces.pieces import chained, make_rows, piece_facts

TEXT = st.text(alphabet="ab \n:é", min_size=1, max_size=12)
DIALOGUE = st.builds(
    Dialogue,
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4).map(tuple),
    st.none() | TEXT,
)


@st.composite
def loads(draw: st.DrawFn, chat: bool = False) -> tuple[list[Dialogue], LoadParameters]:
    dialogues = draw(st.lists(DIALOGUE, min_size=1, max_size=12))
    messages = draw(st.integers(0, 6))
    conversations = list(chained(dialogues, messages))
    prompts = sum(len(each.turns) for each in conversations)
    if not prompts:
        messages, prompts = 0, sum(len(each.turns) for each in dialogues)
    wanted = draw(st.integers(1, prompts))
    return dialogues, LoadParameters(100, wanted, messages, 5, 20, seed=draw(st.integers(0, 5)), chat=chat)


def by_conversation(rows: list[LoadRow]) -> dict[int, list[LoadRow]]:
    found: dict[int, list[LoadRow]] = {}
    for row in rows:
        found.setdefault(row.conversation, []).append(row)
    return found


@given(loads())
def test_a_pieces_prompt_is_the_beginning_of_the_next_ones(load: tuple[list[Dialogue], LoadParameters]) -> None:
    for rows in by_conversation(make_rows(*load)).values():
        assert [row.piece for row in rows] == list(range(len(rows)))
        for before, after in pairwise(rows):
            assert str(after.prompt).startswith(f"{before.prompt} ")


@given(loads(chat=True))
def test_so_are_a_chats_messages_and_a_question_comes_last(load: tuple[list[Dialogue], LoadParameters]) -> None:
    for rows in by_conversation(make_rows(*load)).values():
        for before, after in pairwise(rows):
            assert before.messages == (after.messages or [])[: len(before.messages or [])]
            assert len(after.messages or []) == len(before.messages or []) + 2
        assert all((row.messages or [])[-1]["role"] == "user" for row in rows)


@given(loads())
def test_there_are_exactly_as_many_requests_as_asked_for_of_whole_conversations_but_one(
    load: tuple[list[Dialogue], LoadParameters],
) -> None:
    dialogues, parameters = load
    rows = make_rows(dialogues, parameters)
    assert [row.request for row in rows] == list(range(parameters.num_prompts))
    assert all(5 <= row.output_tokens <= 20 for row in rows)
    found = by_conversation(rows)
    lengths = sorted(len(each.turns) for each in chained(dialogues, parameters.min_messages))
    whole = [len(found[number]) for number in sorted(found)[:-1]]
    assert set(whole) <= set(lengths)
    facts = piece_facts(rows)
    assert facts["conversations"] == len(found) == max(found) + 1
    assert facts["prompts_per_conversation"]["mean"] == pytest.approx(len(rows) / len(found))


@given(loads())
def test_equal_parameters_give_equal_requests(load: tuple[list[Dialogue], LoadParameters]) -> None:
    assert make_rows(*load) == make_rows(*load)


@given(st.lists(DIALOGUE, max_size=8), st.integers(0, 9))
def test_chained_dialogues_have_enough_messages_and_keep_their_order(found: list[Dialogue], least: int) -> None:
    joined = list(chained(found, least))
    assert all(2 * len(each.turns) >= least for each in joined)
    said = [turn for each in joined for turn in each.turns]
    assert said == [turn for each in found for turn in each.turns][: len(said)]
    assert all(each.system in {other.system for other in found} for each in joined)


def dialogues(number: int, turns: int = 3) -> list[Dialogue]:
    return [Dialogue(tuple((f"q{one}-{two}", "a") for two in range(turns))) for one in range(number)]


def test_text_is_what_a_plain_client_sends() -> None:
    found = [Dialogue((("hello", "hi"), ("more", "no")), "Be brief.")]
    prompts = [row.prompt for row in make_rows(found, LoadParameters(1, 2))]
    assert prompts == [
        "Be brief.\nUser: hello\nAssistant:",
        "Be brief.\nUser: hello\nAssistant: hi\nUser: more\nAssistant:",
    ]


def test_conversations_are_mixed_and_another_seed_takes_others_in_another_order() -> None:
    parameters: Any = {"max_conversations": 40, "num_prompts": 60}
    one, other = (make_rows(dialogues(50), LoadParameters(**parameters, seed=seed)) for seed in (1, 2))
    assert {row.prompt for row in one} != {row.prompt for row in other}
    order = [row.conversation for row in one]
    assert sum(before != after for before, after in pairwise(order)) > 40
    assert piece_facts(one)["conversations"] == 20
    allowed = tuple(f"q{number}-" for number in range(40))
    assert all(str(row.prompt).removeprefix("User: ").startswith(allowed) for row in one)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (LoadParameters(2, 7), "2 conversations of at least 2 messages have 6 prompts, 7 are wanted"),
        (LoadParameters(9, 1, 99), "0 conversations of at least 99 messages"),
        (LoadParameters(9, 1, 2, 9, 8), "answers of 9 to 8 tokens"),
        (LoadParameters(9, 1, 2, 0, 8), "answers of 0 to 8 tokens"),
    ],
)
def test_what_cannot_be_is_said(parameters: LoadParameters, said: str) -> None:
    with pytest.raises(HarnessError, match=said):
        make_rows(dialogues(3), parameters)


@given(st.integers(1, 200), st.floats(0.01, 1e4), st.integers(0, 9))
def test_the_schedule_begins_at_zero_and_never_goes_back(requests: int, rate: float, seed: int) -> None:
    times = request_times(requests, rate, seed)
    assert len(times) == requests
    assert times[0] == 0
    assert times == sorted(times)
    assert times == request_times(requests, rate, seed)
    assert request_times(requests, float("inf"), seed) == [0.0] * requests


def test_the_schedule_has_the_rate_and_the_spread_of_a_poisson_process() -> None:
    times = request_times(20_001, 50.0, 0)
    gaps = [after - before for before, after in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(1 / 50, rel=0.03)
    assert sum((gap - mean) ** 2 for gap in gaps) / len(gaps) == pytest.approx(mean**2, rel=0.06)
