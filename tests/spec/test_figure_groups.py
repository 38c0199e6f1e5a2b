from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.spec.figure import figure_numbers, load_figure
from harness.spec.figure_groups import figures_of
from harness.workspace import Workspace


def test_every_figure_of_the_paper_but_the_drawing_is_declared_and_the_ladder():
    assert figure_numbers(Workspace()) == [*(str(number) for number in (*range(1, 16), 17)), "ladder"]


def test_rest_is_the_six_figures_that_share_their_starts():
    assert [figure.figure for figure in figures_of("rest", Workspace())] == ["3", "4", "5", "6", "8", "17"]


def test_figures_of_one_group_ask_for_the_same_start_of_the_same_model():
    asked: dict[str, set[str]] = {}
    for figure in figures_of("rest", Workspace()):
        for model in figure.models:
            start = (figure.case_parameters(model, "cuda"), figure.environment, figure.vary, figure.samples)
            asked.setdefault(model, set()).add(repr(start))
    assert {model: len(starts) for model, starts in asked.items()} == dict.fromkeys(asked, 1)


@pytest.mark.parametrize("first", ["10", "13"])
def test_the_figures_with_the_papers_eleven_models_share_their_first_slot_s_runs(first: str):
    one, other = load_figure(first, Workspace()), load_figure("11", Workspace())
    assert one.models == other.models
    for model in one.models:
        assert one.case_parameters(model, "cuda") == other.case_parameters(model, "cuda")
    assert one.states_in(one.slots[0]) == other.states_in(other.slots[0])


def test_figure_16_is_said_to_be_a_drawing():
    with pytest.raises(HarnessError, match="drawing of the predictor, without data"):
        figures_of("16", Workspace())


def test_an_unknown_name_lists_figures_and_groups():
    with pytest.raises(
        HarnessError, match=r"unknown figure 'all'; valid: 1, 2, .*, 17, anatomy, headroom, .*sharing, rest"
    ):
        figures_of("all", Workspace())


def test_a_checkout_without_groups_still_has_its_figures(tmp_path: Path):
    with pytest.raises(HarnessError, match=r"unknown figure .rest.; valid: $"):
        figures_of("rest", Workspace(tmp_path))
