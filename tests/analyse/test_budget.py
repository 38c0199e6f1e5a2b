"""Choosing what to measure in a given time."""

from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.budget import Candidate, Chosen, Cost, choose, is_measured, least_seconds, whole_seconds
from harness.analyse.deciding import Needs
from tests.deciding_starts import candidate, point, start

COST = Cost(warm_up_s=60, start_s=30)
MODELS = tuple("abcdefghij")
COSTS = {model: COST for model in MODELS}


def chosen(minutes: float, *candidates: Candidate, costs: dict[str, Cost] = COSTS, iterations: int = 5) -> Chosen:
    found = choose(costs, candidates, minutes * 60, iterations)
    assert found is not None
    return found


def parts(found: Chosen) -> dict[str, str]:
    """Claim → by how many points of how many."""
    return {each.claim: f"{each.points}/{each.declared}" for each in found.decided}


def test_a_whole_comparison_is_chosen_with_as_many_repeats_as_fit() -> None:
    found = chosen(25, candidate("line", MODELS, 5))
    assert (set(found.cases), found.iterations, parts(found)) == (set(MODELS), 3, {"line": "10/10"})
    assert found.seconds == 10 * (60 + 3 * 30)


def test_where_no_whole_comparison_fits_a_part_is_chosen() -> None:
    found = chosen(12, candidate("line", MODELS, 5))
    assert (len(found.cases), found.iterations, parts(found)) == (5, 2, {"line": "5/10"})


def test_what_was_asked_is_a_part_of_what_is_declared() -> None:
    found = chosen(100, candidate("line", "abcdefg", 5, declared=10))
    assert parts(found) == {"line": "7/10"}, "all that were asked"


def test_where_not_even_a_part_fits_nothing_is_chosen() -> None:
    assert choose(COSTS, [candidate("line", MODELS, 5)], 60, 5) is None
    assert least_seconds(candidate("line", MODELS, 5), COSTS, 5) == 5 * 90
    assert whole_seconds(candidate("line", MODELS, 5), COSTS, 2) == 10 * 120


def test_what_a_claim_must_have_is_in_its_part() -> None:
    line = candidate("line", MODELS[:8], 5, must=(start("i"), start("j")))
    found = chosen(17, line)
    assert {"i", "j"} < set(found.cases)
    assert (len(found.cases), parts(found)) == (7, {"line": "5/8"})


def test_what_decides_more_claims_per_minute_comes_first() -> None:
    few, many = candidate("few", "ab"), [candidate(name, "cd") for name in ("one", "two")]
    found = chosen(4, few, *many)
    assert (found.cases, found.claims) == (("c", "d"), ("one", "two"))


def test_parts_are_of_the_cases_that_most_claims_share() -> None:
    found = chosen(7, candidate("one", "abcdefgh", 3), candidate("other", "fghij", 3))
    assert set(found.cases) == {"f", "g", "h"}
    assert parts(found) == {"one": "3/8", "other": "3/5"}


def test_a_shared_case_that_takes_too_long_is_left_for_one_that_fits() -> None:
    costs = COSTS | {"c": Cost(3600, 60)}
    found = chosen(5, candidate("one", "abc", 2), candidate("other", "cde", 2), costs=costs)
    assert "c" not in found.cases
    assert len(found.claims) == 1


def test_time_that_a_whole_comparison_leaves_goes_to_a_part_of_another() -> None:
    found = chosen(11, candidate("small", "ab"), candidate("large", "cdefghij", 3))
    assert (found.iterations, parts(found)) == (2, {"small": "2/2", "large": "3/8"})


def test_a_claim_more_is_worth_fewer_repeats_but_not_the_interval() -> None:
    one, other = candidate("one", "a"), candidate("other", "b")
    assert chosen(4, one, other).iterations == 2
    assert set(chosen(4, one, other).claims) == {"one", "other"}
    assert chosen(3.4, one, other).claims == ("one",), "both fit with one repeat each, without an interval"


def test_a_spread_over_repeats_needs_two_of_them_and_keeps_no_other_claim_from_its_time() -> None:
    spread, line = candidate("spread", ["a"], repeats=2), candidate("line", "abcde")
    assert parts(chosen(8, spread, line)) == {"line": "5/5"}, "with one start each"
    assert chosen(3, spread, line).claims == ("spread",)
    assert choose(COSTS, [spread], 1.5 * 60, 5) is None
    assert least_seconds(spread, COSTS, 5) == 120


def test_what_is_stored_costs_nothing_and_keeps_nothing_else_from_being_measured() -> None:
    costs = COSTS | {case: Cost(0, 30, stored=5) for case in "ab"}
    had, new = candidate("had", "ab"), candidate("new", "cdefghij", 4)
    assert is_measured(had, costs, 5)
    assert not is_measured(new, costs, 5)
    found = chosen(9, had, new, costs=costs)
    assert (found.claims, len(found.cases), found.iterations) == (("new",), 4, 2), "the part that fits"
    assert choose(costs, [had, new], 60, 5) is None


def test_what_is_not_decided_comes_before_more_repeats_of_what_is() -> None:
    costs = COSTS | {case: Cost(0, 30, stored=2) for case in "ab"}
    old, new = candidate("old", "ab"), candidate("new", "cd")
    found = chosen(4, old, new, costs=costs)
    assert (found.claims, found.iterations) == (("new",), 2)
    assert set(chosen(6, old, new, costs=costs).claims) == {"old", "new"}, "three of each"
    assert chosen(4, old, costs=costs).iterations == 5


def test_what_is_begun_is_brought_to_the_same_repeats_as_the_rest_of_its_part() -> None:
    costs = COSTS | {case: Cost(0, 30, stored=1) for case in "ab"}
    found = chosen(7.1, candidate("line", MODELS, 5), costs=costs)
    assert {"a", "b"} < set(found.cases)
    assert (len(found.cases), found.iterations) == (5, 2)


def test_a_line_is_of_more_than_one_x() -> None:
    points = (*(point(case, size_b=7) for case in "abcde"), point("f", size_b=1))
    line = Candidate("line", Needs(points, 3, 6, axes=("size_b",)))
    shared = candidate("shared", "abcde", 3)
    found = chosen(9, line, shared)
    assert "f" in found.cases
    assert set(found.claims) == {"line", "shared"}


CASES = st.dictionaries(
    st.sampled_from(MODELS),
    st.builds(Cost, st.floats(0, 200), st.floats(1, 100), st.integers(0, 5)),
    min_size=1,
)


def test_what_an_interval_is_known_of_gets_another_repeat_where_the_whole_does_not_fit() -> None:
    costs = {"a": Cost(0.0, 1.0, stored=2), "b": Cost(0.0, 3.0)}
    found = choose(costs, [candidate("part", ["a", "b"], 1)], 2.0, 3)
    assert found is not None
    assert (found.cases, found.iterations, found.seconds) == (("a",), 3, 1.0)


@given(st.data(), CASES, st.floats(0, 3600), st.integers(1, 5))
def test_a_choice_fits_its_budget_and_decides_what_it_says(
    data: st.DataObject, costs: dict[str, Cost], budget_s: float, iterations: int
) -> None:
    names = st.lists(st.sampled_from(sorted(costs)), min_size=1, unique=True)
    candidates = []
    for at, cases in enumerate(data.draw(st.lists(names, max_size=4))):
        least = data.draw(st.integers(1, len(cases)))
        candidates.append(candidate(f"c{at}", cases, least, declared=len(cases) + data.draw(st.integers(0, 2))))
    found = choose(costs, candidates, budget_s, iterations)
    open_ = [each for each in candidates if not is_measured(each, costs, iterations)]
    if found is None:
        assert all(least_seconds(each, costs, iterations) > budget_s - 1e-6 for each in open_)
        return
    assert found.seconds <= budget_s + 1e-6
    assert abs(found.seconds - sum(costs[case].seconds(found.iterations) for case in found.cases)) < 1e-6
    assert 1 <= found.iterations <= iterations
    have = {case for case in costs if case in found.cases or costs[case].stored >= found.iterations}
    by_name = {each.claim: each.needs for each in candidates}
    for each in found.decided:
        needs = by_name[each.claim]
        there = sum(set(one.cases) <= have for one in needs.points)
        assert needs.least <= each.points == there <= each.declared
        assert not is_measured(next(one for one in candidates if one.claim == each.claim), costs, found.iterations)
