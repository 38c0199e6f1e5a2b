"""Tasks over sequences: what is learnt from and tested on, and what the simple rules predict."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.sequence_baselines import LEAST_SEEN, STATES, baselines, markov_class, markov_median
from harness.analyse.sequences import LEAST_TARGETS, MAX_CLASSES, Split, as_values, make_settings, modelled, split
from harness.errors import HarnessError

values = st.lists(st.integers(0, 9), min_size=20, max_size=80)


@given(st.integers(1, 40), st.integers(0, 500))
def test_the_parts_follow_each_other_and_none_is_empty(window: int, more: int) -> None:
    parts = split(window + LEAST_TARGETS + more, window)
    assert parts.first == window < parts.train_end < parts.validation_end < parts.end == window + LEAST_TARGETS + more
    targets = parts.end - parts.first
    assert (parts.train_end - parts.first, parts.validation_end - parts.train_end) == (
        int(0.7 * targets),
        int(0.15 * targets),
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("ranking", 4, None), "no such task; name one of regression, classification"),
        (("regression", 0, None), "--window-size 0: it must be 1 to 512"),
        (("regression", 513, None), "--window-size 513"),
        (("regression", 4, 1), "--mod 1: it must be at least 2"),
        (("regression", 91, None), "100 values are too few: a window of 91 takes at least 101"),
        (("classification", 4, MAX_CLASSES + 1), "--mod 257: a classification has at most 256 classes"),
    ],
)
def test_impossible_settings_say_what_to_change(asked: tuple[Any, ...], said: str) -> None:
    with pytest.raises(HarnessError, match=said):
        make_settings(*asked, list(range(100)))


def test_a_classification_has_as_many_classes_as_there_are_distinct_values() -> None:
    assert make_settings("classification", 2, None, [3, 5, 9] * 5).mod == 3
    assert make_settings("regression", 2, None, [3, 5, 9] * 5).mod is None
    with pytest.raises(HarnessError, match=r"257 distinct values are too many classes .*; give --mod M"):
        make_settings("classification", 2, None, list(range(257)))
    with pytest.raises(HarnessError, match="all values are equal"):
        make_settings("classification", 2, None, [7] * 20)


def test_with_a_mod_the_whole_sequence_is_taken_mod_it() -> None:
    sequence = as_values([3, 10, 22])
    assert modelled(sequence, make_settings("regression", 2, 8, [3] * 20)).tolist() == [3, 2, 6]
    assert modelled(sequence, make_settings("regression", 2, None, [3] * 20)).tolist() == [3, 10, 22]


@pytest.mark.parametrize("wrong", [[-1, 2], [0.5, 2.0], [[1], [2]], [2**53, 1], ["a", "b"]])
def test_what_is_no_sequence_of_whole_numbers_is_refused(wrong: Any) -> None:
    with pytest.raises(HarnessError, match="a sequence has"):
        as_values(wrong)


@given(values, st.sampled_from(["regression", "classification"]), st.data())
def test_a_baseline_knows_only_the_training_part_and_the_value_before(
    given_values: list[int], task: str, data: st.DataObject
) -> None:
    settings = make_settings(task, 3, 10, given_values)
    sequence, parts = as_values(given_values), split(len(given_values), 3)
    place = data.draw(st.integers(parts.train_end, parts.end - 1))
    changed = sequence.copy()
    changed[place] = (changed[place] + 1) % 10
    before, after = (baselines(each, settings, parts) for each in (sequence, changed))
    for name, predicted in before.items():
        assert len(predicted) == parts.end - parts.validation_end
        differ = np.flatnonzero(predicted != after[name]) + parts.validation_end
        assert set(differ.tolist()) <= {place + 1}


def test_the_constants_are_those_of_the_training_part() -> None:
    sequence = as_values([1, 1, 1, 9, 9, 4, 4, 4, 4, 4, 2, 2, 2])
    regression = baselines(sequence, make_settings("regression", 1, None, sequence), Split(1, 5, 10, 13))
    assert {name: each.tolist() for name, each in regression.items()} == {
        "last value": [4, 2, 2],
        "mean": [4, 4, 4],
        "median": [1, 1, 1],
        "Markov, order 1": [1, 1, 1],  # too little was seen of any value
    }
    classes = baselines(sequence, make_settings("classification", 1, 10, sequence), Split(1, 5, 10, 13))
    assert classes["majority"].tolist() == [1, 1, 1]


def test_a_markov_chain_of_classes_backs_off_to_the_majority() -> None:
    training = as_values([0, 1, 0, 1, 0, 2, 0, 1, 2, 2, 2, 2])
    assert markov_class(training, as_values([0, 1, 2, 7])).tolist() == [1, 0, 2, 2]


def test_a_markov_chain_of_numbers_backs_off_to_the_median_where_too_few_were_seen() -> None:
    training = as_values([10, 100, 20, 10, 110, 20, 10, 120, 20, 10, 130, 20, 10, 140, 20, 10])
    assert LEAST_SEEN == 5
    assert markov_median(training, as_values([10, 20, 25, 100, 3])).tolist() == [120, 10, 10, 20, 20]


def test_a_markov_chain_joins_values_where_there_are_many() -> None:
    random = np.random.default_rng(1)
    highs = random.integers(1000, 2000, 3000)
    training = as_values(np.where(np.arange(3000) % 2, highs, highs - 1000))
    assert len(np.unique(training)) > STATES
    low, high = markov_median(training, as_values([1500, 300]))
    assert 300 < low < 700
    assert 1300 < high < 1700
