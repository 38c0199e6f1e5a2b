"""Generated dialogues have the corpus's outlines, its prefix sharing, and so its hit shares. No engine is needed."""

import json
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.traces.dialogues import Dialogue
from harness.traces.generator import generate, planned
from harness.traces.shape import END, Outline, Shape, load_shape, load_words, outlines_of, symbols
from tests.traces.endless_cache import endless_share
from tests.traces.word_requests import NUMBERS, numbers, requests_of

SHAPE, WORDS = load_shape(), load_words()


def made(seed: int, count: int, shape: Shape = SHAPE, words: list[str] = WORDS) -> list[Dialogue]:
    return list(islice(generate(shape, words, seed), count))


@pytest.fixture(scope="module", params=range(3))
def series(request: pytest.FixtureRequest) -> tuple[int, list[Dialogue]]:
    return request.param, made(request.param, 1900)


def test_every_dialogue_shares_as_much_as_its_outline_says(series: tuple[int, list[Dialogue]]) -> None:
    seed, dialogues = series
    found = outlines_of(map(numbers, dialogues))
    plan = list(islice(planned(SHAPE.outlines, seed), len(found)))
    assert sum(a.shared == b.shared for a, b in zip(found, plan, strict=True)) > 0.99 * len(plan)
    assert sum(each.shared for each in found) == pytest.approx(sum(each.shared for each in plan), rel=0.002)


def test_turns_and_lengths_are_the_corpuss(series: tuple[int, list[Dialogue]]) -> None:
    found, corpus = outlines_of(map(numbers, series[1])), SHAPE.outlines
    assert Counter(len(each.lengths) for each in found) == Counter(len(each.lengths) for each in corpus)
    for place in range(4):
        here, there = (sorted(each.lengths[place] for each in of) for of in (found, corpus))
        assert sum(abs(a - b) for a, b in zip(here, there, strict=True)) < 0.01 * sum(there)


@pytest.mark.parametrize("count", [1000, 1900])
def test_hit_shares_are_within_two_points_of_the_corpuss(series: tuple[int, list[Dialogue]], count: int) -> None:
    """In order of the dialogues; the shipped numbers are in order of arrival, which moves them by less than 0.1."""
    requests = [requests_of(dialogue) for dialogue in series[1][:count]]
    for size, wanted in SHAPE.facts["hit_shares"][str(count)].items():
        single = endless_share([turns[0] for turns in requests], int(size))
        multi = endless_share([turn for turns in requests for turn in turns], int(size))
        assert abs(single - wanted["single_turn"]) < 0.02
        assert abs(multi - wanted["multi_turn"]) < 0.02
        assert (single == 0) == (wanted["single_turn"] == 0)  # 2 points are more than the whole share


def test_a_longer_series_begins_with_the_shorter_one_and_seeds_differ() -> None:
    assert made(5, 300)[:100] == made(5, 100)
    assert made(5, 100) != made(6, 100)


def test_there_are_more_dialogues_than_the_corpus_has() -> None:
    found = outlines_of(map(numbers, made(1, 2600)))
    half = SHAPE.outlines[len(SHAPE.outlines) // 2 :]
    shared = [each.shared for each in found[1900:]]
    assert sum(shared) / len(shared) == pytest.approx(sum(each.shared for each in half) / len(half), rel=0.1)


MESSAGES = st.lists(st.integers(0, 2), min_size=1, max_size=4)
CORPORA = st.lists(
    st.lists(MESSAGES, min_size=1, max_size=3).map(lambda turns: [*turns, *turns]), min_size=1, max_size=12
)


@settings(max_examples=60)
@given(corpus=CORPORA, words=st.integers(1, 5), seed=st.integers(0, 9))
def test_any_shape_makes_dialogues_even_with_too_few_words(
    corpus: list[list[list[int]]], words: int, seed: int
) -> None:
    shape = Shape("any", tuple(outlines_of(corpus)), "", {})
    for dialogue in made(seed, 30, shape, WORDS[:words]):
        texts = [text for turn in dialogue.turns for text in turn]
        assert texts
        assert all(set(text.split(" ")) <= set(WORDS[:words]) for text in texts)


@given(corpus=CORPORA)
def test_an_outline_is_the_longest_prefix_shared_with_any_dialogue_before(corpus: list[list[list[int]]]) -> None:
    def common(a: list[int], b: list[int]) -> int:
        return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))

    rows = [symbols(dialogue) for dialogue in corpus]
    shared = [max((common(row, other) for other in rows[:place]), default=0) for place, row in enumerate(rows)]
    assert [each.shared for each in outlines_of(corpus)] == shared


def test_the_words_are_plain_and_the_shape_holds_no_text() -> None:
    assert len(set(WORDS)) == len(WORDS) >= 500
    assert all(word.isascii() and word.isalpha() and word.islower() for word in WORDS)
    assert all(isinstance(number, int) for each in SHAPE.outlines for number in (each.shared, *each.lengths))
    assert END not in NUMBERS.values()


@pytest.mark.parametrize(
    "content", ["", "{}", '{"dialogues": []}', '{"dialogues": [[0, 1, 2, 3]]}', '{"dialogues": [[]]}']
)
def test_a_damaged_shape_is_said_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "shape.json"
    path.write_text(content)
    with pytest.raises(HarnessError, match="no shape of dialogues"):
        load_shape(path)
    with pytest.raises(HarnessError, match="No such file"):
        load_shape(tmp_path / "absent.json")


def test_a_shape_names_what_it_was_measured_on() -> None:
    assert SHAPE.facts["corpus"]["dialogues"] == len(SHAPE.outlines) == 1900
    assert SHAPE.facts["tokenizer"]["name"].startswith("tokenizer-python-docs-")
    assert Outline(0, (14, 24, 7, 17)) == SHAPE.outlines[0]
    assert json.dumps(SHAPE.facts)
