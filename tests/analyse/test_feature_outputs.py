"""Answers against a baseline's: identical, first different at a near tie, or different; exactly one of the three."""

from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.feature_outputs import agreement
from harness.analyse.first_difference import first_difference
from harness.record.feature_run import Output

TOKENS = st.lists(st.integers(0, 3), min_size=1, max_size=8)
NEAR = 0.001


def output(
    tokens: list[int],
    gaps: list[float] | None = None,
    nll: list[float] | None = None,
    runners_up: list[int] | None = None,
) -> Output:
    """Everywhere the token + 1 comes second, 1 nat behind."""
    seconds = [token + 1 for token in tokens] if runners_up is None else runners_up
    return Output(
        tokens, nll, [1.0] * len(tokens) if gaps is None else gaps, seconds[: len(tokens if gaps is None else gaps)]
    )


@given(st.lists(st.tuples(TOKENS, TOKENS), max_size=6))
def test_every_answer_is_of_one_kind_and_equal_ones_are_identical(pairs: list[tuple[list[int], list[int]]]):
    found = agreement([output(a) for a, _ in pairs], [output(b) for _, b in pairs], NEAR)
    assert found.compared == found.identical + found.near_ties + found.different == len(pairs)
    assert found.identical == sum(a == b for a, b in pairs)


@given(TOKENS, st.integers(0, 7), st.floats(0, 0.01))
def test_a_difference_counts_as_a_near_tie_only_if_the_two_best_are_that_close_there(
    tokens: list[int], where: int, gap: float
):
    at = where % len(tokens)
    other = [*tokens[:at], tokens[at] + 1, *tokens[at + 1 :]]
    gaps = [1.0] * len(tokens)
    gaps[at] = gap
    base = output(tokens, gaps)
    assert first_difference(base.tokens, output(other).tokens) == at
    found = agreement([base], [output(other)], NEAR)
    assert (found.near_ties, found.different) == ((1, 0) if gap <= NEAR else (0, 1))


@given(TOKENS, st.integers(0, 7), st.integers(2, 9))
def test_a_token_that_is_not_the_second_best_is_different_however_close_the_two_best_are(
    tokens: list[int], where: int, further: int
):
    at = where % len(tokens)
    other = [*tokens[:at], tokens[at] + further, *tokens[at + 1 :]]
    found = agreement([output(tokens, [0.0] * len(tokens))], [output(other)], NEAR)
    assert (found.near_ties, found.different) == (0, 1)


def test_a_difference_where_the_gap_is_not_known_is_no_near_tie():
    untold = Output([1, 2], None, None, None)
    assert agreement([untold], [output([1, 3])], NEAR).different == 1
    assert agreement([output([1, 2], gaps=[0.0])], [output([1, 3])], NEAR).different == 1


def test_an_answer_that_is_shorter_is_different():
    assert agreement([output([1, 2], [0.0, 0.0])], [output([1])], NEAR).different == 1


def test_log_probabilities_are_compared_after_the_same_prefix_alone():
    base, other = output([1, 2, 3], nll=[1.0, 2.0, 3.0]), output([1, 2, 4], nll=[1.0, 2.25, 9.0])
    assert agreement([base], [other], NEAR).largest_difference == 0.25
