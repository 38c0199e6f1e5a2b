"""Choosing what to measure in a given time."""

from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.budget import Candidate, Chosen, Cost, choose

COST = Cost(warm_up_s=60, start_s=30)
MODELS = tuple("abcdefghij")
COSTS = {model: COST for model in MODELS}


def chosen(minutes: float, *candidates: Candidate, costs: dict[str, Cost] = COSTS, iterations: int = 5) -> Chosen:
    found = choose(costs, candidates, minutes * 60, iterations)
    assert found is not None
    return found


def test_a_whole_comparison_is_chosen_with_as_many_repeats_as_fit() -> None:
    found = chosen(25, Candidate("line", MODELS, 5))
    assert (set(found.cases), found.iterations, found.whole) == (set(MODELS), 3, True)
    assert found.seconds == 10 * (60 + 3 * 30)


def test_only_where_no_whole_comparison_fits_a_part_is_chosen() -> None:
    found = chosen(12, Candidate("line", MODELS, 5))
    assert (len(found.cases), found.iterations, found.whole) == (5, 2, False)


def test_where_not_even_a_part_fits_nothing_is_chosen() -> None:
    assert choose(COSTS, [Candidate("line", MODELS, 5)], 60, 5) is None


def test_what_decides_more_claims_per_minute_comes_first() -> None:
    few, many = Candidate("few", ("a", "b"), 2), [Candidate(name, ("c", "d"), 2) for name in ("one", "two")]
    found = chosen(4, few, *many)
    assert (found.cases, found.claims) == (("c", "d"), ("one", "two"))


def test_a_claim_more_is_worth_fewer_repeats_but_not_the_interval() -> None:
    one, other = Candidate("one", ("a",), 1), Candidate("other", ("b",), 1)
    assert chosen(4, one, other).iterations == 2
    assert set(chosen(4, one, other).claims) == {"one", "other"}
    assert chosen(3.4, one, other).claims == ("one",), "both fit with one repeat each, without an interval"


def test_what_is_stored_costs_nothing() -> None:
    costs = {"a": Cost(0, 30, stored=5), "b": COST}
    found = chosen(1, Candidate("had", ("a",), 1), Candidate("new", ("b",), 1), costs=costs)
    assert (found.claims, found.seconds) == (("had",), 0)


CASES = st.dictionaries(
    st.sampled_from(MODELS),
    st.builds(Cost, st.floats(0, 200), st.floats(1, 100), st.integers(0, 5)),
    min_size=1,
)


@given(st.data(), CASES, st.floats(0, 3600), st.integers(1, 5))
def test_a_choice_fits_its_budget_and_decides_what_it_says(
    data: st.DataObject, costs: dict[str, Cost], budget_s: float, iterations: int
) -> None:
    names = st.lists(st.sampled_from(sorted(costs)), min_size=1, unique=True)
    candidates = [
        Candidate(f"c{at}", tuple(cases), 1) for at, cases in enumerate(data.draw(st.lists(names, max_size=4)))
    ]
    found = choose(costs, candidates, budget_s, iterations)
    if found is None:
        return
    assert found.seconds <= budget_s + 1e-6
    assert abs(found.seconds - sum(costs[case].seconds(found.iterations) for case in found.cases)) < 1e-6
    assert 1 <= found.iterations <= iterations
    if found.whole:
        by_name = {candidate.claim: candidate for candidate in candidates}
        assert all(set(by_name[claim].cases) <= set(found.cases) for claim in found.claims)
