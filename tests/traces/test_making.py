"""From tokens to traces: order, arrivals, ids, and how many prompts go on from the one before."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.traces.arrivals import Arrivals, response_s
from harness.traces.check import check_trace
from harness.traces.making import read_turns, write_trace
from harness.traces.rows import read_trace
from tests.traces.endless_cache import endless_share

IDS = st.lists(st.integers(0, 3), min_size=1, max_size=6)
CONVERSATIONS = st.lists(st.lists(st.tuples(IDS, IDS), min_size=1, max_size=4), min_size=1, max_size=6)
Conversations = list[list[tuple[list[int], list[int]]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("making")


def write_tokens(path: Path, conversations: Conversations) -> Path:
    rows = [
        [number, turn, prompt, answer]
        for number, turns in enumerate(conversations, start=1)
        for turn, (prompt, answer) in enumerate(turns, start=1)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@settings(max_examples=50)
@given(conversations=CONVERSATIONS, seed=st.integers(0, 99), rate=st.sampled_from([0.01, 2.0, 1e6]))
def test_a_trace_holds_every_turn_by_arrival_and_passes_the_check(
    folder: Path, conversations: Conversations, seed: int, rate: float
) -> None:
    tokens = write_tokens(folder / "tokens.jsonl", conversations)
    arrivals = Arrivals(rate, seed)
    turns = read_turns(tokens, arrivals)
    facts = write_trace(folder / "trace.jsonl", turns.turns, tokens, 2)
    rows = [row for _, row in read_trace(folder / "trace.jsonl")]
    assert facts["requests"] == len(rows) == sum(map(len, conversations))
    assert facts["sessions"] == len(conversations)
    assert facts["sha256"] == check_trace(folder / "trace.jsonl", 16).sha256
    assert facts["hit_share_of_endless_cache"] == pytest.approx(
        endless_share([(row.prompt_token_ids, row.output_token_ids) for row in rows], 2), abs=1e-6
    )
    by_id = {row.request_id: row for row in rows}
    for (number, said), start_s in zip(enumerate(conversations, start=1), arrivals.starts(), strict=False):
        arrival_s, gaps = start_s, arrivals.gaps(number)
        for turn, (prompt, answer) in enumerate(said, start=1):
            row = by_id[f"c{number}-t{turn}"]
            assert (row.session_id, row.turn) == (f"c{number}", turn)
            assert (row.prompt_token_ids, row.output_token_ids) == (prompt, answer)
            assert row.arrival_s == pytest.approx(arrival_s, abs=1e-6)
            arrival_s += response_s(len(answer)) + next(gaps)


def test_prompts_that_go_on_from_prompt_and_answer_are_counted(tmp_path: Path) -> None:
    conversations: Conversations = [
        [([1], [2]), ([1, 2, 3], [4]), ([1, 2, 3, 4, 5], [6])],
        [([1], [2]), ([1, 3], [4])],  # the answer was tokenized otherwise as history
        [([1], [2]), ([1, 2], [4])],
    ]
    turns = read_turns(write_tokens(tmp_path / "tokens.jsonl", conversations), Arrivals(2.0, 0))
    assert (turns.further, turns.chained) == (4, 3)


def test_a_longer_trace_begins_with_the_arrivals_of_the_shorter_one(tmp_path: Path) -> None:
    conversations: Conversations = [[([1], [2]), ([1, 2, 3], [4])]] * 20
    short = read_turns(write_tokens(tmp_path / "short.jsonl", conversations[:5]), Arrivals(2.0, 3)).turns
    long = read_turns(write_tokens(tmp_path / "long.jsonl", conversations), Arrivals(2.0, 3)).turns
    assert long[: len(short)] == short
