"""What is noise and what is a fault, on comparisons whose errors are known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.parity import (
    DIFFERENT,
    FAR,
    IDENTICAL,
    LEAST,
    NEAR_TIES,
    NOT_DECIDABLE,
    RATIO_LIMIT,
    UNDECIDED,
    parity_of,
)
from tests.parity_runs import comparison, parted, with_answer, with_reference


@given(st.sampled_from([1e-7, 1e-4, 1e-2]), st.integers(0, 1000))
def test_an_engine_that_rounds_as_often_as_transformers_is_identical_whatever_the_precision(noise: float, seed: int):
    parity = parity_of(comparison(noise, noise, seed=seed, gap=10 * noise))
    assert parity.verdict == IDENTICAL
    assert parity.reasons == ()
    assert parity.identical == parity.prompts == 8
    assert parity.ratio == pytest.approx(1, abs=0.35)


@given(st.sampled_from([1e-7, 1e-4, 1e-2]), st.integers(0, 1000))
def test_a_small_fault_that_is_everywhere_is_seen_though_no_answer_changes(noise: float, seed: int):
    parity = parity_of(comparison(noise, 5 * noise, seed=seed))
    assert parity.identical == parity.prompts
    assert parity.verdict == DIFFERENT
    assert "times the rounding noise (limit 3)" in parity.reasons[0]


def test_the_smallest_fault_that_would_be_seen_is_said():
    parity = parity_of(comparison(noise=1e-4, error=1e-4, prompts=200))
    seen = math.hypot(parity.detectable, parity.noise.rms) / parity.noise.rms
    assert seen == pytest.approx(RATIO_LIMIT)


def test_one_wrong_log_probability_is_seen_among_thousands_of_right_ones():
    run = comparison(prompts=100)
    rows = [list(row) for row in run.answers[7].log_p]
    rows[3][1] += 1e-4
    parity = parity_of(with_answer(run, 7, log_p=rows))
    assert parity.verdict == DIFFERENT
    assert any("its largest error is 0.0001" in reason for reason in parity.reasons)


@given(st.floats(0, 0.99), st.integers(0, 7), st.integers(0, 11))
def test_answers_may_part_where_rounding_decides(share: float, prompt: int, position: int):
    run = comparison()
    gap = share * parity_of(run).tolerances[prompt]
    parity = parity_of(parted(run, prompt, position, gap))
    assert parity.verdict == NEAR_TIES
    assert [(each.prompt, each.position) for each in parity.divergences] == [(prompt, position)]
    assert parity.divergences[0].gap == pytest.approx(gap, abs=1e-12)
    assert parity.identical == 7


@given(st.floats(1.01, 1e6), st.integers(0, 7), st.integers(0, 11))
def test_answers_may_not_part_anywhere_else(times: float, prompt: int, position: int):
    run = comparison()
    parity = parity_of(parted(run, prompt, position, times * parity_of(run).tolerances[prompt]))
    assert parity.verdict == DIFFERENT
    assert f"token {position + 1} of prompt {prompt + 1}," in parity.reasons[0]


def test_a_fault_of_vllm_does_not_widen_what_it_is_allowed():
    right, wrong = parity_of(comparison(error=1e-6)), parity_of(comparison(error=1.0))
    assert wrong.noise == right.noise
    assert wrong.tolerance == right.tolerance


def test_a_token_that_transformers_holds_for_unlikely_is_a_fault_even_where_its_own_top_two_tie():
    run = parted(comparison(), 0, 0, gap=2.0)
    best_log_p = [list(row) for row in run.references[0].best_log_p]
    best_log_p[0][1] = best_log_p[0][0]  # the second is as likely as the first; vLLM chose neither
    references = [*run.references]
    object.__setattr__(references[0], "best_log_p", best_log_p)
    assert parity_of(run).verdict == DIFFERENT


@pytest.mark.parametrize(("more", "position"), [([5], 12), ([], 4)])
def test_an_answer_that_ends_without_a_reason_or_goes_on_beyond_its_end_is_a_fault(more: list[int], position: int):
    run = comparison()
    own = run.references[2].tokens[:position]
    parity = parity_of(with_reference(run, 2, tokens=[*own, *more]))
    assert parity.verdict == DIFFERENT
    assert parity.divergences[0].gap == math.inf
    assert parity.divergences[0].position == position
    assert f"token {position + 1} of prompt 3, one of the two answers ended before it" in parity.reasons[0]


def test_noise_at_one_prompt_does_not_widen_the_tolerance_at_another():
    run = comparison(noise=1e-6, error=1e-6)
    exact = [[value + 1e-2 for value in row] for row in run.references[3].exact]  # as where experts are chosen anew
    run = with_reference(run, 3, exact=exact[:1] + run.references[3].exact[1:])
    noise = parity_of(run).noise
    assert noise.largest > 1e-2 - 1e-4
    near, gap = parity_of(parted(run, 3, 5, gap=0.03)), parity_of(parted(run, 0, 5, gap=0.03))
    assert near.faults == ()
    assert near.divergences[0].tolerance == FAR * noise.largest
    assert [each.prompt for each in gap.faults] == [0]


@given(st.integers(0, 1000))
def test_few_numbers_that_are_small_by_chance_do_not_narrow_the_tolerance_beyond_reason(seed: int):
    parity = parity_of(comparison(noise=1e-3, error=1e-3, prompts=60, tokens=1, seed=seed))
    assert all(
        FAR * min(LEAST * parity.noise.rms, parity.noise.largest) <= each <= FAR * parity.noise.largest
        for each in parity.tolerances
    )


def test_a_tie_within_a_tolerance_of_a_nat_is_not_decidable_and_a_gap_beyond_it_still_a_fault():
    run = comparison(noise=0.2, error=0.2, gap=3.0)
    tolerance = parity_of(run).tolerances[0]
    assert tolerance >= UNDECIDED
    assert parity_of(run).verdict == IDENTICAL
    found = parity_of(parted(run, 0, 0, gap=0.5))
    assert found.verdict == NOT_DECIDABLE
    assert len(found.undecided) == 1
    assert parity_of(parted(run, 0, 0, gap=1.01 * tolerance)).verdict == DIFFERENT


def test_engines_that_do_the_very_same_are_identical_and_any_error_beside_no_noise_is_a_fault():
    assert parity_of(comparison(noise=0, error=0)).verdict == IDENTICAL
    assert parity_of(comparison(noise=0, error=1e-9)).verdict == DIFFERENT
