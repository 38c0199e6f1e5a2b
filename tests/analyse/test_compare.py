"""Comparing two sets of starts: phases add up, pairs are found, many phases are not many chances to be wrong."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analyse.compare import compare, differences, judge, pair
from harness.analyse.contrast import NO_DIFFERENCE, SLOWER, contrast
from harness.record.facts import GROUPS
from harness.record.sides import Side, Start

LEAVES = ("imports:main", "load_weights", "warmup", "unattributed")
phases = st.dictionaries(st.sampled_from(LEAVES), st.floats(0, 100), min_size=1)
sides = st.lists(phases, min_size=1, max_size=6)


def starts(runs: list[dict[str, float]], paired: bool = False) -> list[Start]:
    return [Start(str(n), f"call:{n}" if paired else None, run) for n, run in enumerate(runs, start=1)]


def side(source: str = "runs", **facts: dict[str, object]) -> Side:
    return Side("x@s1", source, "measured", (), {}, {group: facts.get(group, {}) for group in GROUPS})


@settings(max_examples=40)
@given(a=sides, b=sides)
def test_the_differences_of_the_phases_add_up_to_the_difference_of_the_total(
    a: list[dict[str, float]], b: list[dict[str, float]]
) -> None:
    found = compare(starts(a), starts(b))
    total = math.fsum(line.difference_s for line in found.parts.values())
    assert total == pytest.approx(found.ready.difference_s, abs=1e-9)
    sizes = [abs(line.difference_s) for line in found.phases.values()]
    assert sizes == sorted(sizes, reverse=True)


@settings(max_examples=30)
@given(runs=st.lists(st.tuples(phases, phases), min_size=2, max_size=6), rng=st.randoms(use_true_random=False))
def test_pairs_are_found_in_whatever_order_the_starts_are_listed(
    runs: list[tuple[dict[str, float], dict[str, float]]], rng: random.Random
) -> None:
    a, b = (starts(list(side), paired=True) for side in zip(*runs, strict=True))
    expected = compare(a, b)
    rng.shuffle(a)
    rng.shuffle(b)
    assert compare(a, b) == expected
    assert expected.paired


def test_starts_are_paired_if_there_are_more_pairs_than_starts_without_a_partner() -> None:
    a = starts([{"warmup": 1.0}] * 3, paired=True)
    assert len(pair(a, a)) == 3
    assert pair(a, a[:2]) == pair(a[:2], a) == list(zip(a[:2], a[:2], strict=True))
    assert len(pair([*a, Start("9", None, {})], a)) == 3
    assert pair(a[:1], a[:1]) == []
    assert pair(a, starts([{"warmup": 1.0}] * 3)) == []
    assert pair(a, [*a[:2], Start("9", "another call:1", {})]) == []
    assert pair([*a, a[0]], [*a, a[0]]) == []


def test_a_start_whose_partner_failed_does_not_count_in_a_paired_comparison() -> None:
    a, b = (starts([{"warmup": more + n} for n in range(5)], paired=True) for more in (1.0, 1.5))
    found = compare(a, [*b[:1], *b[2:]])
    assert (found.paired, found.ready.difference_s) == (True, pytest.approx(0.5))
    assert found.ready.a_mean_s == pytest.approx(1 + (0 + 2 + 3 + 4) / 4)


def test_a_machine_that_slows_down_hides_a_difference_unless_the_starts_are_paired() -> None:
    drift = [0.0, 1.0, 2.1, 2.9, 4.0]
    a = [{"imports:main": 5 + slow, "warmup": 0.5} for slow in drift]
    b = [{"imports:main": 5.3 + slow + 0.01 * n, "warmup": 0.5} for n, slow in enumerate(drift)]
    assert compare(starts(a), starts(b)).ready.verdict == NO_DIFFERENCE
    found = compare(starts(a, paired=True), starts(b, paired=True))
    assert (found.ready.verdict, found.phases["imports:main"].verdict) == (SLOWER, SLOWER)
    assert found.phases["warmup"].verdict == NO_DIFFERENCE


def test_a_phase_that_one_side_never_enters_took_no_time_there() -> None:
    found = compare(starts([{"warmup": 1.0}, {"warmup": 1.1}]), starts([{"isa_probe": 2.0}, {"isa_probe": 2.2}]))
    assert (found.phases["isa_probe"].a_mean_s, found.phases["isa_probe"].ratio) == (0.0, None)
    assert found.phases["warmup"].b_mean_s == 0.0


def test_the_more_phases_there_are_the_wider_is_the_interval_of_each_but_not_that_of_the_total() -> None:
    a, b = [1.0, 1.1, 1.2], [1.3, 1.5, 1.4]
    runs = [[{"warmup": value, **{f"leaf{n}": 1.0 for n in range(9)}} for value in values] for values in (a, b)]
    found = compare(starts(runs[0]), starts(runs[1]))
    assert found.phase_confidence == pytest.approx(0.995)
    assert found.phases["warmup"] == contrast(a, b, False, found.phase_confidence)
    assert found.ready.interval_s == pytest.approx(contrast(a, b, False, 0.95).interval_s)


def test_what_differs_in_the_records_is_grouped_and_what_is_equal_is_left_out() -> None:
    a = side(flags={"eager": False, "X": "1"}, machine={"id": "n1"})
    b = side(flags={"eager": True}, machine={"id": "n1"})
    assert differences(a, b) == {"flags": {"X": ("1", None), "eager": (False, True)}}
    assert differences(a, a) == {}


def test_facts_that_a_slot_does_not_record_are_not_called_different() -> None:
    a = side(flags={"eager": False, "X": "1"})
    assert differences(a, side("slot", flags={"eager": True})) == {"flags": {"eager": (False, True)}}


@pytest.mark.parametrize(
    ("factor", "limit", "crossed"),
    [(1.10, 0.05, True), (1.10, 0.12, False), (1.05, 0.05, False), (1.0, 0.05, False), (0.5, 0.05, False)],
)
def test_the_gate_is_crossed_if_the_whole_interval_of_the_ratio_lies_above_it(
    factor: float, limit: float, crossed: bool
) -> None:
    a = [20.0, 20.1, 19.9, 20.05, 19.95]
    gate = judge(contrast(a, [factor * value for value in a], False, 0.95), limit)
    assert gate.crossed is crossed


def test_the_gate_says_from_which_ratio_these_runs_would_have_crossed_it() -> None:
    a = [20.0, 21.0, 19.0, 20.5]
    seen_from = judge(contrast(a, a, False, 0.95), 0.05).crossed_from
    assert seen_from is not None
    slower = [[factor * value for value in a] for factor in (0.999 * seen_from, 1.001 * seen_from)]
    assert [judge(contrast(a, b, False, 0.95), 0.05).crossed for b in slower] == [False, True]


def test_a_gate_without_an_interval_is_undecided() -> None:
    assert judge(contrast([1.0], [9.0], False, 0.95), 0.05).crossed is None


def test_phases_that_could_not_matter_have_one_interval_together() -> None:
    small = {"warmup": 0.05, "unattributed": 0.01}
    a = [{"imports:main": 10.0 + n, "plugins": 0.03 + 0.001 * n, **small} for n in range(3)]
    b = [{**run, "warmup": 0.06, "config": 0.5} for run in a]
    found = compare(starts(a), starts(b))
    assert set(found.phases) == {"imports:main", "config", "unattributed"}  # config is large on one side
    assert set(found.small) == {"warmup", "plugins"}
    assert found.phase_confidence == pytest.approx(1 - 0.05 / 4)
    assert [line.interval_s for line in found.small.values()] == [None, None]
    assert found.parts["2 under 1 %"].difference_s == pytest.approx(0.01)
    assert found.parts["2 under 1 %"].interval_s is not None
