"""Head-room policies: what each keeps free, and what cannot describe one."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.model_free.worker_headroom import Headroom, Occupant, Probabilistic, make_headroom

BLOCK = 16
occupants = st.lists(
    st.builds(
        Occupant,
        prompt_tokens=st.integers(1, 400),
        generated_tokens=st.integers(0, 300),
        predicted_tokens=st.none() | st.integers(0, 400),
    ),
    max_size=12,
)
quantiles = st.lists(st.integers(0, 500), min_size=1, max_size=20)


def made(spec: dict[str, Any], blocks: int = 100) -> Headroom:
    found = make_headroom(spec, blocks, BLOCK)
    assert found is not None
    return found


def kept(policy: Headroom, running: list[Occupant], candidate: Occupant) -> int:
    return policy.keep_free(len(running), lambda: running, candidate)


def new(prompt: int = 32, generated: int = 0, predicted: int | None = None) -> Occupant:
    return Occupant(prompt, generated, predicted)


@pytest.mark.parametrize(
    ("running", "factor", "blocks"), [(0, 4, 0), (1, 4, 1), (16, 4, 4), (17, 4, 5), (40, 0.2, 1), (40, 0, 0)]
)
def test_the_naive_search_keeps_a_factor_of_a_sixteenth_block_for_each_sequence(
    running: int, factor: float, blocks: int
) -> None:
    policy = made({"policy": "naive", "factor": factor})
    assert kept(policy, [new()] * running, new()) == blocks


@given(st.floats(1, 50), st.integers(1, 500), st.integers(0, 300))
def test_a_target_admits_exactly_while_the_average_stays_at_it(target: float, blocks: int, running: int) -> None:
    policy = made({"policy": "target", "blocks_per_sequence": target}, blocks)
    free = kept(policy, [new()] * running, new())
    assert (free == 0) == (blocks / (running + 1) >= target)
    assert free in (0, blocks + 1)


def test_one_sequence_whose_length_is_known_needs_the_blocks_it_will_grow_by() -> None:
    exact = made({"policy": "probabilistic", "sigmas": 3.0, "of": "residual", "quantiles": [0]})
    # 32 prompt tokens are two blocks; the last of 88 output tokens is never computed: at most 119 tokens, eight blocks.
    assert kept(exact, [], new(32, 0, 88)) == 6
    assert kept(exact, [], new(32, 80, 88)) == 1
    assert kept(exact, [], new(32, 87, 88)) == 0


def test_nobody_counts_on_the_end_of_a_sequence_that_is_longer_than_all_known_ones() -> None:
    policy = made({"policy": "probabilistic", "sigmas": 0.0, "of": "length", "quantiles": [40]})
    assert kept(policy, [], new(16)) == 3
    assert kept(policy, [new(16, 41)], new(16)) == 3
    assert kept(policy, [new(16, 39)], new(16)) == 0  # its last token: four blocks come free


def test_the_worst_moment_is_found_even_if_it_is_a_single_step() -> None:
    """Two sequences grow into a block each at their 15th step; one ends there."""
    exact = made({"policy": "probabilistic", "sigmas": 0.0, "of": "residual", "quantiles": [0]})
    assert kept(exact, [new(2, 0, 16)], new(2, 0, 16)) == 2
    assert kept(exact, [new(2, 0, 15)], new(2, 0, 15)) == 0


def test_sequences_that_end_make_room_for_those_that_stay() -> None:
    exact = made({"policy": "probabilistic", "sigmas": 0.0, "of": "residual", "quantiles": [0]})
    alone = kept(exact, [], new(160, 0, 320))
    beside_a_short_one = kept(exact, [new(160, 0, 16)], new(160, 0, 320))
    beside_a_long_one = kept(exact, [new(160, 0, 320)], new(160, 0, 320))
    assert beside_a_short_one < alone < beside_a_long_one


@given(occupants, quantiles, st.floats(0, 4), st.floats(0, 4))
def test_more_sigmas_never_keep_less_free_and_nothing_is_kept_below_zero(
    running: list[Occupant], lengths: list[int], one: float, other: float
) -> None:
    fewer, more = (
        made({"policy": "probabilistic", "sigmas": each, "of": "length", "quantiles": lengths})
        for each in sorted((one, other))
    )
    assert 0 <= kept(fewer, running, new()) <= kept(more, running, new())


@given(occupants, quantiles, st.sampled_from(["length", "residual"]))
def test_what_is_kept_is_a_whole_number_whatever_runs_and_no_more_than_everybody_can_grow_by(
    running: list[Occupant], lengths: list[int], of: str
) -> None:
    policy = made({"policy": "probabilistic", "sigmas": 0.0, "of": of, "quantiles": lengths})
    free = kept(policy, running, new())
    assert isinstance(free, int)
    longest = max(lengths) + max([each.predicted_tokens or 0 for each in running] + [0]) * (of == "residual")
    assert free <= sum(math.ceil(max(1, longest) / BLOCK) + 1 for _ in [*running, new()])


@given(occupants, quantiles, st.randoms())
def test_the_order_of_sequences_is_no_matter(running: list[Occupant], lengths: list[int], chance: Any) -> None:
    policy = Probabilistic(1.0, "length", lengths, BLOCK)
    shuffled = list(running)
    chance.shuffle(shuffled)
    assert kept(policy, running, new()) == kept(policy, shuffled, new())


def test_a_replay_without_a_policy_has_none() -> None:
    assert make_headroom(None, 100, BLOCK) is None


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"policy": "naive", "factor": -0.2}, "factor must be a number from 0 (got -0.2)"),
        ({"policy": "naive", "factor": math.nan}, "factor must be a number from 0 (got nan)"),
        ({"policy": "naive", "factor": True}, "factor must be a number from 0 (got True)"),
        ({"policy": "naive"}, "naive takes factor (got nothing)"),
        ({"policy": "naive", "o": 1}, "naive takes factor (got o)"),
        ({"policy": "target", "blocks_per_sequence": 0.9}, "blocks_per_sequence must be a number from 1"),
        ({"policy": "lucky"}, "head-room policy 'lucky': it is one of naive, target, probabilistic"),
        ({}, "head-room policy 'None'"),
        ({"policy": []}, "head-room policy '[]'"),
        ({"policy": "probabilistic", "sigmas": -1, "of": "length", "quantiles": [1]}, "sigmas must be a number from 0"),
        ({"policy": "probabilistic", "sigmas": 1, "of": "width", "quantiles": [1]}, "of must be length or residual"),
        ({"policy": "probabilistic", "sigmas": 1, "of": "length", "quantiles": []}, "quantiles must be a list"),
        ({"policy": "probabilistic", "sigmas": 1, "of": "length", "quantiles": [1.5]}, "quantiles must be a list"),
        ({"policy": "probabilistic", "sigmas": 1, "of": "length", "quantiles": [10**7]}, "at most 1,000,000 tokens"),
    ],
)
def test_what_cannot_be_a_policy_is_refused_in_one_line(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refused:
        make_headroom(spec, 100, BLOCK)
    assert said in str(refused.value)
