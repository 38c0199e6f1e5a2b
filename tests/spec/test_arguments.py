"""Engine arguments as the paper's release has them, and as a later one spells them."""

from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.dataset import captured
from harness.spec.arguments import captured_sizes, spelt
from harness.spec.pin import load_pin

LATER = {"cuda_graph_sizes": "cudagraph_capture_sizes"}


def test_the_paper_s_release_is_given_its_own_argument() -> None:
    parameters = {"cuda_graph_sizes": [56], "max_model_len": 2048}
    assert spelt(parameters, load_pin("vllm-0.10.1.1-cuda").spells) == parameters


def test_a_later_release_is_given_the_same_sizes_one_by_one() -> None:
    spells = load_pin("vllm-0.25.1-cuda").spells
    assert spells == LATER
    assert spelt({"cuda_graph_sizes": [24], "dtype": "half"}, spells) == {
        "cudagraph_capture_sizes": [1, 2, 4, 8, 16, 24],
        "dtype": "half",
    }
    assert spelt({"cuda_graph_sizes": [1]}, spells) == {"cudagraph_capture_sizes": [1, 2, 4]}


@given(st.integers(1, 2048))
def test_one_value_stands_for_a_list_as_long_as_the_figures_count(largest: int) -> None:
    sizes = captured_sizes([largest])
    assert sizes == captured_sizes(largest) == sorted(set(sizes))
    assert captured({"cuda_graph_sizes": [largest]}) == {"captured_sizes": len(sizes)}
    assert len(sizes) == 3 + largest // 8


@given(st.lists(st.integers(1, 2048), min_size=2, unique=True))
def test_several_values_are_the_sizes_themselves(sizes: list[int]) -> None:
    assert captured_sizes(sizes) == sorted(sizes)
    assert captured({"cuda_graph_sizes": sizes}) == {"captured_sizes": len(sizes)}


@given(st.dictionaries(st.text(min_size=1).filter(lambda name: name not in LATER), st.integers()))
def test_other_arguments_are_given_as_they_are(parameters: dict[str, int]) -> None:
    assert spelt(parameters, LATER) == parameters
    assert captured(parameters) == {}
