"""Prompts of the feature matrix: as long as asked for, with what they share and repeat, the same for the same seed."""

from hypothesis import given
from hypothesis import strategies as st

from harness.traces.feature_prompts import feature_prompts

SEEDS, LENGTHS = st.integers(0, 2**31), st.tuples(st.integers(1, 9), st.integers(9, 20))


@given(SEEDS, LENGTHS, st.integers(0, 12), st.integers(1, 3), st.integers(0, 8), st.integers(257, 200_000))
def test_prompts_have_the_prefix_and_the_body_as_often_as_asked(
    seed: int, body: tuple[int, int], prefix: int, repeats: int, count: int, vocabulary: int
):
    prompts = feature_prompts(count, body, prefix, repeats, seed, vocabulary)
    assert len(prompts) == count
    for prompt in prompts:
        own = prompt[prefix:]
        length = len(own) // repeats
        assert body[0] <= length <= body[1]
        assert own == own[:length] * repeats
        assert prompt[:prefix] == prompts[0][:prefix]
        assert all(0 <= token < vocabulary for token in prompt)


@given(SEEDS, LENGTHS, st.integers(1, 9))
def test_a_smaller_count_has_the_first_prompts_of_a_larger_one(seed: int, body: tuple[int, int], count: int):
    whole = feature_prompts(10, body, 5, 2, seed, 1000)
    assert feature_prompts(count, body, 5, 2, seed, 1000) == whole[:count]
