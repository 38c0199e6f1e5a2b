"""``run_figure.sh NUM --budget MINUTES``: what is chosen of a call, and how it is told."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.analyse.evidence import Evidence
from harness.commands.figure.budget_claims import Machine
from harness.commands.figure.budget_plan import Budgeted, check_budget, print_budgeted, print_outcome, within_budget
from harness.commands.figure.cases import Asked, asked_figures
from harness.commands.figure.plan import Planned, plan_beside
from harness.commands.figure.start_seconds import StartSeconds
from harness.errors import HarnessError
from harness.measure.case import Options
from harness.record.run import Run, read_run
from harness.spec.claims import load_claims
from harness.spec.figure import figure_numbers, load_figure
from harness.spec.pin import DEFAULT_CPU_PIN
from harness.workspace import ROOT, Workspace
from tests.claims_evidence import papers

FIGURES = {number: load_figure(number, Workspace()) for number in figure_numbers(Workspace())}
NOTHING = Evidence(FIGURES, {}, {})
EXAMPLE = read_run(next((ROOT / "tests" / "example_runs" / "schema_4").rglob("run.json")).parent)


def call(name: str, slot: int | None, options: Options) -> list[Asked]:
    return asked_figures(name, slot, options, DEFAULT_CPU_PIN, Workspace())


def budgeted(
    name: str,
    minutes: float,
    root: Path,
    slot: int | None = None,
    evidence: Evidence = NOTHING,
    stored: tuple[Run, ...] = (),
    cores: int = 2,
    **options: Any,
) -> Budgeted:
    """As on a CPU machine that has measured nothing, or what is ``stored``."""
    given = Options(**options)
    asked = call(name, slot, given)
    planned = plan_beside(asked, given, StartSeconds(list(stored)))
    machine = Machine("node-1", cores, root / "models")
    return within_budget(asked, planned, given, minutes * 60, load_claims(), evidence, machine)


def runs_of(planned: Planned, measured: int, seconds: float = 40.0) -> list[Run]:
    """A warm-up and so many measured starts of a planned case."""
    kinds = ["warmup"] + ["measured"] * measured
    return [replace(EXAMPLE, case=json.loads(planned.key), kind=kind, wall_s=seconds) for kind in kinds]


def stored_of(name: str, measured: int, *models: str, slot: int | None = None) -> tuple[Run, ...]:
    """Runs of these models' cases (of all)."""
    planned = plan_beside(call(name, slot, Options()), Options(), StartSeconds())
    return tuple(run for each in planned if each.model in models or not models for run in runs_of(each, measured))


def models_of(found: Budgeted) -> list[str]:
    return [each.model for each in found.planned]


def told(budgeted: Budgeted, minutes: float) -> str:
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        print_budgeted(budgeted, minutes * 60, console)
    return capture.get()


def test_a_large_budget_measures_every_case_of_every_claim_that_can_be_decided_here(tmp_path: Path) -> None:
    found = budgeted("rest", 1000, tmp_path)
    assert set(found.chosen.claims) == {"f3-linear", "f3-slope", "f3-all-models", "f5-linear", "repeatability"}
    assert all(each.whole for each in found.chosen.decided)
    assert found.options.iterations == 5
    assert {point.model for each in found.asked for point in each.points} == set(FIGURES["17"].models)
    assert (found.left_out, found.measured, found.elsewhere) == ((), (), ())


@pytest.mark.parametrize("minutes", [6, 12, 30, 60, 120])
def test_what_is_chosen_fits_and_the_rest_is_told_with_its_minutes(minutes: float, tmp_path: Path) -> None:
    found = budgeted("rest", minutes, tmp_path)
    assert 0 < found.chosen.seconds <= minutes * 60
    costs = sum(each.cost.seconds(found.options.iterations) for each in found.planned)
    assert found.chosen.seconds == pytest.approx(costs)
    assert {claim for claim, _ in found.left_out} | set(found.chosen.claims) >= {"f3-linear", "f5-linear"}
    assert all("minutes by itself" in why and not why.startswith("0 ") for _, why in found.left_out)
    said = told(found, minutes)
    assert f"budget {minutes:g} minutes:" in said
    assert all(claim in said for claim, _ in found.left_out)


def test_a_part_is_of_models_that_other_claims_share_and_of_different_sizes(tmp_path: Path) -> None:
    found = budgeted("rest", 15, tmp_path)
    assert {"f3-linear", "f3-slope", "f3-all-models", "f5-linear"} < set(found.chosen.claims)
    assert set(models_of(found)) <= set(FIGURES["3"].models) & set(FIGURES["5"].models)
    assert "f3-linear (by 5 of 10)" in told(found, 15)
    alone = models_of(budgeted("3", 12, tmp_path))
    assert "falcon-7b" in alone
    assert any(model.startswith("llama2") for model in alone)
    assert any(model.startswith("qwen") for model in alone)


def test_a_shared_case_is_in_the_call_of_each_figure_that_it_was_chosen_for(tmp_path: Path) -> None:
    found = budgeted("rest", 60, tmp_path)
    of_figure = {each.number: {point.model for point in each.points} for each in found.asked}
    assert of_figure["3"] == set(FIGURES["3"].models)
    assert of_figure["5"] <= of_figure["17"]


def test_a_figure_about_which_nothing_can_be_decided_here_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"no claim about figure 6 can be decided on this machine \(python"):
        budgeted("6", 30, tmp_path)
    with pytest.raises(HarnessError, match="no claim about figure 12"):
        budgeted("12", 30, tmp_path, cores=4)
    assert "f12-one-core" in budgeted("12", 30, tmp_path, cores=8).chosen.claims


@pytest.mark.parametrize(
    ("options", "less"),
    [
        ({"models": ("qwen-0.5b",)}, "without --models"),
        ({"smoke": True}, "without --smoke"),
        ({"models": ("qwen-0.5b", "yi-6b"), "iterations": 1}, "without --models or --iterations 1"),
        ({"storage": "ssd"}, "without --storage"),
        ({"eager": True, "mode": "serve"}, "without --mode or --eager"),
    ],
)
def test_a_claim_is_not_said_to_be_decided_by_fewer_models_or_other_starts_than_it_needs(
    options: dict[str, Any], less: str, tmp_path: Path
) -> None:
    with pytest.raises(HarnessError, match=f"no claim about figure 3 can be decided by these starts: try {less}"):
        budgeted("3", 10, tmp_path, **options)
    assert budgeted("13", 60, tmp_path, slot=0, models=("qwen-0.5b", "yi-6b")).chosen.claims == ("repeatability",)


def test_what_was_asked_is_told_as_a_part_of_what_is_declared(tmp_path: Path) -> None:
    found = budgeted("3", 100, tmp_path, models=FIGURES["3"].models[:6])
    assert "f3-linear (by 6 of 10), f3-slope (by 6 of 10)" in told(found, 100)


def test_a_figure_of_one_case_decides_repeatability(tmp_path: Path) -> None:
    found = budgeted("2", 30, tmp_path)
    assert (found.chosen.claims, models_of(found)) == (("repeatability",), ["llama3-3b"])
    with pytest.raises(HarnessError, match="try without --iterations 1"):
        budgeted("2", 30, tmp_path, iterations=1)


def test_too_little_time_says_how_much_the_shortest_comparison_takes(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"the shortest comparison takes about 10\.2 minutes .*--smoke"):
        budgeted("3", 1, tmp_path)


@pytest.mark.parametrize("minutes", [math.inf, math.nan, 1e308, 0, -1, 10081])
def test_a_budget_that_nobody_would_wait_for_is_refused(minutes: float) -> None:
    with pytest.raises(HarnessError, match=r"--budget .*at most 10080 \(a week\)"):
        check_budget(minutes * 60)
    check_budget(10080 * 60)


def test_the_first_of_two_slots_is_planned_and_told_to_need_the_other(tmp_path: Path) -> None:
    found = budgeted("13", 60, tmp_path)
    assert set(found.chosen.claims) == {"f13-other-steps", "bootstrap-constant", "repeatability"}
    assert "f13-other-steps needs the other slot too: bash run_figure.sh 13 1 --budget 60\n" in told(found, 60)
    other = budgeted("13", 60, tmp_path, slot=1)
    assert dict(other.elsewhere) == {"f13-other-steps": "bash run_figure.sh 13 0 --budget 60"}


def test_the_other_slot_is_of_the_models_that_are_there(tmp_path: Path) -> None:
    paper = papers()
    side = paper.sides["13"]["case0"]
    there = replace(side, cases=tuple(case for case in side.cases if case.model.startswith(("qwen", "llama2"))))
    evidence = replace(NOTHING, sides={"13": {"case0": there}}, origins=paper.origins)
    found = budgeted("13", 1000, tmp_path, slot=1, evidence=evidence)
    assert "f13-other-steps" in found.chosen.claims
    assert set(models_of(found)) == {case.model for case in there.cases} & set(FIGURES["13"].models)
    assert found.elsewhere == ()


def test_what_is_stored_is_told_and_the_rest_is_planned(tmp_path: Path) -> None:
    stored = stored_of("3", 5)
    found = budgeted("rest", 14, tmp_path, stored=stored)
    assert set(found.measured) == {"f3-linear", "f3-slope", "repeatability"}
    assert "already measured: f3-linear, f3-slope, repeatability\n" in told(found, 14)
    assert 0 < found.chosen.seconds <= 14 * 60
    assert not set(models_of(found)) & set(FIGURES["3"].models)
    kept = {each.number: {point.model for point in each.kept} for each in found.asked}
    assert kept["3"] == set(FIGURES["3"].models), "figure 3 keeps what it has"
    assert kept["5"] == set(FIGURES["3"].models) & set(FIGURES["5"].models)


def test_where_all_is_stored_nothing_is_started_and_the_figure_keeps_it(tmp_path: Path) -> None:
    found = budgeted("3", 30, tmp_path, stored=stored_of("3", 5))
    assert (found.planned, found.chosen.seconds) == ([], 0)
    assert [len(each.points) for each in found.asked] == [0]
    assert [point.model for point in found.asked[0].shown] == list(FIGURES["3"].models)
    said = told(found, 30)
    assert said.startswith("already measured: f3-linear, f3-slope")
    assert "nothing to start (--again" in said


def test_more_repeats_continue_what_is_stored_and_again_begins_anew(tmp_path: Path) -> None:
    stored = stored_of("3", 2)
    found = budgeted("3", 1000, tmp_path, stored=stored)
    assert {each.cost.seconds(5) for each in found.planned} == {3 * 40.0}
    again = budgeted("3", 1000, tmp_path, stored=stored, again=True)
    assert {each.cost.seconds(5) for each in again.planned} == {6 * 40.0}
    part = budgeted("3", 12, tmp_path, stored=stored, again=True)
    assert len(part.planned) == 5
    assert len(part.asked[0].kept) == 5, "those that are not started again stay in the figure"


def test_typed_iterations_are_the_most(tmp_path: Path) -> None:
    assert budgeted("3", 1000, tmp_path, iterations=3).options.iterations == 3
    assert budgeted("3", 1000, tmp_path, iterations=1).options.iterations == 1


def outcome(found: Budgeted, runs: list[Run], whole_s: float) -> str:
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        print_outcome(found, runs, whole_s, console)
    return capture.get()


def test_after_the_starts_predicted_and_actual_minutes_stand_side_by_side(tmp_path: Path) -> None:
    found = budgeted("3", 12, tmp_path)
    said = outcome(found, runs_of(found.planned[0], 1, seconds=75.0), 200.0)
    assert f"predicted {found.planned[0].cost.seconds(1) / 60:.1f} minutes of starts, took 2.5" in said
    assert "with preparations 3.3" in said


def test_each_case_is_told_by_its_own_starts(tmp_path: Path) -> None:
    """Of one model, as those of figure 9, which a CPU engine does not have."""
    asked = call("ladder", None, Options())
    planned = plan_beside(asked, Options(), StartSeconds())
    assert len({each.model for each in planned}) < len(planned)
    found = replace(budgeted("3", 12, tmp_path), planned=planned)
    starts = found.chosen.iterations
    runs = [run for each in planned for run in runs_of(each, starts, each.cost.seconds(starts) / (starts + 1))]
    said = outcome(found, runs, 0.0)
    assert said.count("+0%") + said.count("-0%") == len(planned) + 1
