"""Findings of the head-room study: planted effects are found, planted noise is not, and luck is not reported."""

import math
from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.headroom_choice import MOST_LOST, best, normalised, pareto_front
from harness.analyse.headroom_findings import (
    BETTER,
    MIXED,
    NO_DIFFERENCE,
    NO_INTERVAL,
    WORSE,
    finding_rows,
    never_binding,
    verdict,
)
from harness.analyse.headroom_rows import point_rows
from harness.analyse.headroom_series import Group, Points, Setting, changes, complete, curve, points_of
from harness.analyse.paired import paired
from harness.record.headroom_tables import FINDINGS
from harness.record.tables import parse_table, table_csv
from tests.headroom_slot import effect, made_point

GROUP = Group("original", "opt-125m", "recompute")
BASE = Setting(GROUP, "none", 0.0)

Values = Sequence[float]


def metrics(preemptions: Values, throughput: Values) -> dict[str, dict[int, float]]:
    return {
        "requests": dict.fromkeys(range(len(preemptions)), 1000.0),
        "preemptions": dict(enumerate(preemptions)),
        "output_throughput": dict(enumerate(throughput)),
    }


def points(settings: Mapping[tuple[str, float], tuple[Values, Values]]) -> Points:
    return {Setting(GROUP, search, at): metrics(*values) for (search, at), values in settings.items()}


def test_a_paired_effect_is_found_where_the_repeats_differ_far_more_from_each_other():
    found = paired({0: 100.0, 1: 200.0, 2: 400.0}, {0: 98.0, 1: 196.1, 2: 391.9})
    assert found is not None
    assert found.ratio == pytest.approx(0.98, abs=1e-3)
    assert found.ratio_interval is not None
    assert 0.979 < found.ratio_interval[0] < 0.98 < found.ratio_interval[1] < 0.982
    assert found.sign_of_ratio == -1


def test_a_difference_has_students_interval():
    found = paired({0: 10.0, 1: 20.0}, {0: 11.0, 1: 23.0})
    assert found is not None
    assert (found.a_mean, found.b_mean, found.difference, found.n) == (15.0, 17.0, 2.0, 2)
    assert found.half_width == pytest.approx(12.7062 * math.sqrt(2) / math.sqrt(2), rel=1e-4)
    assert found.sign == 0


def test_what_is_zero_has_a_difference_and_no_ratio_and_one_repeat_has_no_interval():
    found = paired({0: 10.0, 1: 20.0}, {0: 0.0, 1: 0.0})
    assert found is not None
    assert (found.ratio, found.ratio_interval, found.sign_of_ratio) == (None, None, None)
    alone = paired({0: 10.0, 7: 1.0}, {0: 5.0, 3: 1.0})
    assert alone is not None
    assert (alone.n, alone.ratio, alone.half_width, alone.sign, alone.ratio_interval) == (1, 0.5, None, None, None)
    assert paired({0: 1.0}, {1: 1.0}) is None


@pytest.mark.parametrize(
    ("preemptions", "throughput", "expected"),
    [
        ((50, 61, 70), (100, 101, 102), BETTER),
        ((100, 111, 120), (103, 104.1, 105), BETTER),
        ((130, 140, 151), (100, 101, 102), WORSE),
        ((50, 61, 70), (97, 98.1, 99), MIXED),
        ((103, 107, 121), (100.2, 100.9, 101.9), NO_DIFFERENCE),
        ((100, 110, 120), (100, 101, 102), NO_DIFFERENCE),
    ],
)
def test_verdicts(preemptions: Values, throughput: Values, expected: str):
    assert verdict(metrics((100, 110, 120), (100, 101, 102)), metrics(preemptions, throughput)) == expected


def test_one_repeat_has_no_verdict():
    assert verdict(metrics((100,), (100,)), metrics((10,), (120,))) == NO_INTERVAL


def test_noise_is_called_a_difference_no_more_often_than_its_intervals_allow():
    random, shown = Random(3), 0
    for _ in range(400):
        noisy = [metrics([random.gauss(100, 9) for _ in range(4)], [random.gauss(50, 1) for _ in range(4)])
                 for _ in range(2)]  # fmt: skip
        shown += verdict(*noisy) != NO_DIFFERENCE
    assert shown / 400 < 2 * 0.05 + 0.035  # two intervals, and three standard errors of the share


def test_rows_compare_every_setting_with_none_and_fit_the_table():
    given = points(
        {("none", 0): ((100, 110), (10, 11)), ("naive", 2): ((50, 60), (9, 9.9)), ("oracle", 0): ((0, 0), (10, 11))}
    )
    rows = list(finding_rows(given))
    assert parse_table(FINDINGS, table_csv(FINDINGS, rows), "findings.csv") == rows
    cells = {(row[3], row[6], row[7]): row[8] for row in rows}
    assert cells["naive", "preemptions", "baseline mean"] == 105
    assert cells["naive", "output_throughput", "ratio"] == pytest.approx(0.9)
    assert ("oracle", "preemptions", "ratio") not in cells  # of nothing there is no ratio, and no 0 in its place
    assert cells["oracle", "preemptions", "half width of the difference"] == pytest.approx(12.7062 * 5, rel=1e-4)
    assert {row[3] for row in rows} == {"naive", "oracle"}


def test_planted_effects_are_recovered_from_stored_rows():
    factors = [("naive", at) for at in (0.0, 1.0, 2.0, 4.0)]
    settings = [("none", 0.0), ("target", 1.8), ("target", 4.0), *factors, ("oracle", 0.0)]
    made = [made_point("original", repeat, search, at) for search, at in settings for repeat in range(5)]
    found = complete(points_of(row for point in made for row in point_rows(point)))
    for search, at in settings[2:]:
        left, faster = effect("original", search, at)
        preempted, output = (
            paired(found[BASE][metric], found[Setting(GROUP, search, at)][metric])
            for metric in ("preemptions", "output_throughput")
        )
        assert preempted is not None
        assert output is not None
        assert preempted.ratio == pytest.approx(left, rel=0.1)
        assert output.ratio == pytest.approx(faster, abs=0.0006)
    assert [setting.parameter for setting in never_binding(found, "target")] == [1.8]
    assert verdict(found[BASE], found[Setting(GROUP, "oracle", 0.0)]) == BETTER
    chosen = best(found, GROUP, "naive")
    assert chosen is not None
    assert (chosen.parameter, set(chosen.parameters)) == (4.0, {4.0})


def test_settings_that_change_nothing_are_named():
    same = ((100, 110), (10, 11))
    found = never_binding(
        points({("none", 0): same, ("target", 2): same, ("target", 3): ((100, 109), (10, 11))}), "target"
    )
    assert [setting.parameter for setting in found] == [2]


def test_the_best_loses_little_throughput_and_has_the_fewest_preemptions():
    base = ((100, 100), (50, 50))
    lost = 50 * (1 - MOST_LOST)
    given = points({
        ("none", 0): base, ("naive", 1): ((40, 40), (50, 50)), ("naive", 2): ((20, 20), (lost, lost)),
        ("naive", 3): ((20, 20), (49.9, 49.9)), ("naive", 4): ((0, 0), (lost - 0.1, lost - 0.1)),
    })  # fmt: skip
    found = best(given, GROUP, "naive")
    assert found is not None
    assert (found.parameter, found.parameters, found.held_out) == (3, (3, 3), False)
    assert best(given, GROUP, "target") is None


def test_if_all_lose_more_the_one_that_loses_least_is_taken():
    given = points({("none", 0): ((9,), (50,)), ("naive", 1): ((5,), (40,)), ("naive", 2): ((0,), (30,))})
    found = best(given, GROUP, "naive")
    assert found is not None
    assert found.parameter == 1


def test_a_winner_by_luck_is_not_reported_with_its_luck():
    random = Random(0)
    repeats = 6
    lucky = {
        ("naive", float(at)): ([random.gauss(100, 20) for _ in range(repeats)], [50.0] * repeats) for at in range(40)
    }
    given = points({("none", 0.0): ([100.0] * repeats, [50.0] * repeats), **lucky})
    found = best(given, GROUP, "naive")
    assert found is not None
    assert found.held_out
    reported = paired(given[BASE]["preemptions"], found.metrics["preemptions"])
    chosen = paired(given[BASE]["preemptions"], given[Setting(GROUP, "naive", found.parameter)]["preemptions"])
    assert reported is not None
    assert chosen is not None
    assert chosen.b_mean < 90  # of forty equal ones the luckiest
    assert reported.b_mean > 92
    assert reported.sign == 0


def test_a_repeat_is_reported_at_what_the_others_choose():
    given = points({
        ("none", 0): ((100, 100, 100), (50, 50, 50)), ("naive", 1): ((0, 60, 60), (50, 50, 50)),
        ("naive", 2): ((50, 50, 50), (50, 50, 50)),
    })  # fmt: skip
    found = best(given, GROUP, "naive")
    assert found is not None
    assert (found.parameter, found.parameters) == (1, (2, 1, 1))
    assert found.metrics["preemptions"] == {0: 50, 1: 60, 2: 60}


def test_a_setting_without_all_repeats_is_not_compared():
    given = points({("none", 0): ((1, 2), (1, 2)), ("naive", 1): ((1,), (1,)), ("naive", 2): ((1, 2), (1, 2))})
    assert [setting.parameter for setting in complete(given)] == [0, 2]
    assert complete(points({("naive", 2): ((1, 2), (1, 2))})) == {}


def test_curves_and_changes_are_of_sums_over_what_all_repeats_have():
    given = points({("none", 0): ((1, 2), (10, 20)), ("naive", 1): ((3, 5), (11, 22))})
    (at,) = curve(given, GROUP, "naive", "preemptions", "output_throughput")
    assert (at.parameter, at.over.mean, at.over.n) == (1, (14 + 27) / 2, 2)
    assert changes(given, GROUP, "naive", "preemptions", "output_throughput")[1].mean == (3 + 5) / 2
    assert curve(given, GROUP, "naive", "preemptions", "absent") == []


def test_what_lacks_a_number_or_has_no_throughput_is_neither_chosen_nor_drawn():
    given = {
        **points({("none", 0): ((4, 4), (10, 10)), ("naive", 1): ((0, 0), (10, 0)), ("naive", 2): ((2, 2), (10, 10))}),
        Setting(GROUP, "naive", 3.0): {"requests": {0: 1000.0, 1: 1000.0}},
        Setting(GROUP, "unheard of", 0.0): metrics((0, 0), (20, 20)),
    }
    found = best(given, GROUP, "naive")
    assert found is not None
    assert found.parameter == 2
    assert [each.at for each in normalised(given, GROUP)] == [(4, 1), (2, 1)]
    assert best({BASE: metrics((4,), (0,)), Setting(GROUP, "naive", 2.0): metrics((4,), (1,))}, GROUP, "naive") is None


pairs = st.tuples(st.integers(0, 20).map(float), st.integers(0, 20).map(float))


@given(st.lists(pairs, max_size=30))
def test_nothing_beats_what_is_on_the_front_and_something_on_it_beats_all_others(given: list[tuple[float, float]]):
    front = pareto_front(given)
    assert set(front) <= set(given)
    assert front == sorted(front)
    for cost, gain in given:
        assert any(c <= cost and g >= gain for c, g in front)
    for at, (cost, gain) in enumerate(front):
        others = [*front[:at], *front[at + 1 :]]
        assert not any(c <= cost and g >= gain for c, g in others)


@given(st.lists(pairs, max_size=30), pairs)
def test_a_beaten_point_changes_no_front(given: list[tuple[float, float]], more: tuple[float, float]):
    front = pareto_front(given)
    if any(c <= more[0] and g >= more[1] for c, g in front):
        assert pareto_front([*given, more]) == front
