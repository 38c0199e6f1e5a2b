"""The paper's averages: means of the steps, sums recomputed from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.averages import average
from harness.analyse.logs import QUANTITIES
from tests.synthetic_recording import CACHED_QUANTITIES

NOTHING: dict[str, float | None] = dict.fromkeys(QUANTITIES)


def start(**other: float | None) -> dict[str, float | None]:
    return CACHED_QUANTITIES | other


def test_an_averaged_sum_is_the_sum_of_averaged_steps_not_the_mean_of_the_logged_one() -> None:
    averaged = average([start(init_engine=100.0)] * 5)
    assert averaged["init_engine"] == 4.5 + (1.375 + 2.125 + 1.25)
    assert averaged["model_loading"] == 0.75 + 0.5
    assert averaged["total_time"] == 6.5 + 1.25 + 9.25 + 0.25


def test_the_whole_time_is_the_recomputed_total_and_what_each_start_had_beyond_its_own() -> None:
    averaged = average([start(actual_total_time=18.0), start(actual_total_time=20.0)])
    assert averaged["actual_total_time"] == 17.25 + 1.5


def test_a_repeat_that_does_not_say_is_left_out_of_the_mean() -> None:
    averaged = average([start(load_weights=1.0), start(load_weights=None), start(load_weights=2.0)])
    assert averaged["load_weights"] == 1.5


def test_a_step_that_no_repeat_states_stays_none_and_counts_nothing_in_sums() -> None:
    averaged = average([start(dynamo_transform_time=None, graph_compile_cached=None)] * 2)
    assert averaged["dynamo_transform_time"] is None
    assert averaged["torch.compile"] == 0
    assert averaged["init_engine"] == 1.375 + 1.25


@pytest.mark.parametrize("repeats", [[], [NOTHING]])
def test_nothing_has_no_average(repeats: list[dict[str, float | None]]) -> None:
    averaged = average(repeats)
    assert averaged["load_weights"] is None
    assert averaged["actual_total_time"] is None


def test_means_add_from_left_to_right_on_every_python() -> None:
    """``sum`` compensates rounding from Python 3.12 on: 0.1 added ten times would be 1.0 there."""
    assert average([start(model_init=0.1)] * 10)["model_init"] == 0.9999999999999999 / 10


seconds = st.none() | st.floats(0, 1e6)


@given(st.lists(st.fixed_dictionaries({name: seconds for name in QUANTITIES}), max_size=6))
def test_averages_have_every_key_and_lie_between_the_repeats(repeats: list[dict[str, float | None]]) -> None:
    averaged = average(repeats)
    assert tuple(averaged) == QUANTITIES
    for name in ("load_weights", "model_init", "graph_capturing", "tokenizer_init"):
        stated = [value for repeat in repeats if (value := repeat[name]) is not None]
        mean = averaged[name]
        assert (mean is None) == (not stated)
        assert mean is None or min(stated) * (1 - 1e-9) <= mean <= max(stated) * (1 + 1e-9)
