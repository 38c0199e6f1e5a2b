"""Commands that measure a figure, or one of its cells, again."""

from typing import Any

import pytest

from harness.analyse.rerun import of_case, of_figure
from harness.spec.figure import load_figure
from harness.workspace import Workspace

CASE: dict[str, Any] = {
    "case": "c-1",
    "engine": {"pin": "vllm-0.32.0-cpu", "version": "0.32.0"},
    "model": {"name": "llama3-3b", "twin": True},
    "parameters": {"max_model_len": 2048, "eager": False, "storage": "ram"},
    "state": {"storage": "ram"},
}


def command(figure: str, slot: str, **changes: Any) -> str:
    return of_case(load_figure(figure, Workspace()), slot, {**CASE, **changes}).command


def test_a_figure_has_a_command_for_each_of_its_slots():
    assert [run.command for run in of_figure(load_figure("2", Workspace()))] == ["bash run_figure.sh 2"]
    second = of_figure(load_figure("11", Workspace()))[1]
    assert second.command == "bash run_figure.sh 11 1"
    assert second.elsewhere == "on the node with the other CPU"


def test_a_cell_is_measured_with_what_its_slot_says_of_it():
    plain = "bash run_figure.sh 2 --models llama3-3b --engine vllm-0.32.0-cpu"
    assert command("2", "node0") == f"{plain} --again"
    eager = {**CASE["parameters"], "eager": True, "mode": "serve", "drop_caches": "all"}
    assert command("2", "node0", parameters=eager) == f"{plain} --eager --mode serve --drop-caches all --again"
    assert command("2", "node0", state={"storage": "ssd"}) == f"{plain} --storage ssd --again"


def test_a_slot_that_was_measured_at_once_with_the_other_one_is_measured_so_again():
    parallel = {**CASE["parameters"], "parallel": "measured at once on one machine"}
    plain = "bash run_figure.sh 10 --models llama3-3b --engine vllm-0.32.0-cpu"
    assert command("10", "gpu1", parameters=parallel) == f"{plain} --parallel --again"


def test_a_level_that_the_figure_declares_is_not_typed():
    assert "--storage" not in command("13", "case1", state={"storage": "ssd"})
    assert "run_figure.sh 13 1 " in command("13", "case1", state={"storage": "ssd"})


def test_a_release_is_named_by_its_version_and_a_converted_model_by_its_original():
    assert "--versions 0.32.0" in command("1", "node0", model={"name": "opt-6.7b"})
    assert "--models yi-6b " in command("14", "node0", model={"name": "yi-6b-tensorized"})


@pytest.mark.parametrize("name", ["a; rm -rf /", "$(id)", "two words", "'"])
def test_names_from_elsewhere_stay_one_word_of_the_shell(name: str):
    import shlex

    words = shlex.split(command("2", "node0", model={"name": name}))
    assert words[words.index("--models") + 1] == name
