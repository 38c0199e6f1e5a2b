"""What is noise and what is a fault, on comparisons whose errors are known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.parity import DIFFERENT, FAR, IDENTICAL, NEAR_TIES, RATIO_LIMIT, parity_of
from tests.parity_runs import comparison, parted, with_answer


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
    gap = share * FAR * parity_of(run).noise.largest
    parity = parity_of(parted(run, prompt, position, gap))
    assert parity.verdict == NEAR_TIES
    assert [(each.prompt, each.position) for each in parity.divergences] == [(prompt, position)]
    assert parity.divergences[0].gap == pytest.approx(gap, abs=1e-12)
    assert parity.identical == 7


@given(st.floats(1.01, 1e6), st.integers(0, 7), st.integers(0, 11))
def test_answers_may_not_part_anywhere_else(times: float, prompt: int, position: int):
    run = comparison()
    parity = parity_of(parted(run, prompt, position, times * FAR * parity_of(run).noise.largest))
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


def test_an_answer_that_ends_without_a_reason_is_a_fault():
    run = comparison()
    longer = [*run.references[2].tokens, 5]
    object.__setattr__(run.references[2], "tokens", longer)
    parity = parity_of(run)
    assert parity.verdict == DIFFERENT
    assert parity.divergences[0].gap == math.inf
    assert parity.divergences[0].position == 12


def test_engines_that_do_the_very_same_are_identical_and_any_error_beside_no_noise_is_a_fault():
    assert parity_of(comparison(noise=0, error=0)).verdict == IDENTICAL
    assert parity_of(comparison(noise=0, error=1e-9)).verdict == DIFFERENT
