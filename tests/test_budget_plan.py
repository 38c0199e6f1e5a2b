"""``run_figure.sh NUM --budget MINUTES``: what is chosen of a call, and how it is told."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.analyse.evidence import Evidence
from harness.budget_plan import Budgeted, print_budgeted, print_outcome, within_budget
from harness.errors import HarnessError
from harness.figure_cases import asked_figures
from harness.figure_plan import plan
from harness.measure.case import Options
from harness.record.run import read_run
from harness.spec.claims import load_claims
from harness.spec.figure import figure_numbers, load_figure
from harness.spec.pin import DEFAULT_CPU_PIN
from harness.workspace import ROOT, Workspace
from tests.claims_evidence import papers

FIGURES = {number: load_figure(number, Workspace()) for number in figure_numbers(Workspace())}
NOTHING = Evidence(FIGURES, {}, {})


def budgeted(name: str, minutes: float, root: Path, slot: int | None = None, evidence: Evidence = NOTHING) -> Budgeted:
    """As on a CPU machine that has measured nothing."""
    asked = asked_figures(name, slot, Options(), DEFAULT_CPU_PIN, Workspace())
    planned = plan(asked, Options(), Workspace(root))
    return within_budget(asked, planned, Options(), minutes * 60, load_claims(), evidence, root / "models")


def told(budgeted: Budgeted, minutes: float) -> str:
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        print_budgeted(budgeted, minutes * 60, console)
    return capture.get()


def test_a_large_budget_measures_every_case_of_every_claim_that_can_be_decided_here(tmp_path: Path) -> None:
    found = budgeted("rest", 1000, tmp_path)
    assert set(found.chosen.claims) == {"f3-linear", "f3-slope", "f3-all-models", "f5-linear"}
    assert found.options.iterations == 5
    assert {point.model for each in found.asked for point in each.points} == set(FIGURES["17"].models)
    assert found.left_out == ()


@pytest.mark.parametrize("minutes", [12, 30, 60, 120])
def test_what_is_chosen_fits_and_the_rest_is_told_with_its_minutes(minutes: float, tmp_path: Path) -> None:
    found = budgeted("rest", minutes, tmp_path)
    assert 0 < found.chosen.seconds <= minutes * 60
    assert {claim for claim, _ in found.left_out} | set(found.chosen.claims) >= {"f3-linear", "f5-linear"}
    assert all("minutes by itself" in why for _, why in found.left_out)
    said = told(found, minutes)
    assert f"budget {minutes:g} minutes:" in said
    assert all(claim in said for claim, _ in found.left_out)


def test_a_shared_case_is_in_the_call_of_each_figure_that_it_was_chosen_for(tmp_path: Path) -> None:
    found = budgeted("rest", 60, tmp_path)
    of_figure = {each.number: {point.model for point in each.points} for each in found.asked}
    assert of_figure["3"] == set(FIGURES["3"].models)
    assert of_figure["5"] <= of_figure["17"]


def test_a_figure_about_which_nothing_can_be_decided_here_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no claim about figure 6 can be decided on this machine"):
        budgeted("6", 30, tmp_path)


def test_too_little_time_says_how_much_the_shortest_comparison_takes(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"the shortest comparison takes about 10 minutes .*--smoke"):
        budgeted("3", 1, tmp_path)


def test_one_side_of_a_comparison_decides_nothing_until_the_other_is_there(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no claim about figure 13"):
        budgeted("13", 1000, tmp_path, slot=1)
    there = replace(NOTHING, sides={"13": {"case0": papers().sides["13"]["case0"]}})
    assert budgeted("13", 1000, tmp_path, slot=1, evidence=there).chosen.claims == ("f13-other-steps",)


def test_after_the_starts_predicted_and_actual_minutes_stand_side_by_side(tmp_path: Path) -> None:
    found = budgeted("3", 12, tmp_path)
    model = found.planned[0].model
    example = read_run(next((ROOT / "tests" / "example_runs" / "schema_4").rglob("run.json")).parent)
    runs = [replace(example, case={**example.case, "model": model}, wall_s=seconds) for seconds in (90.0, 60.0)]
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        print_outcome(found, runs, 200.0, console)
    said = capture.get()
    assert f"predicted {found.planned[0].cost.seconds(1) / 60:.1f} minutes of starts, took 2.5" in said
    assert "with preparations 3.3" in said
