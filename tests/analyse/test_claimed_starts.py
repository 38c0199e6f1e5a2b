"""Which starts a claim is judged on, and what is said of those that are left out or not there."""

from dataclasses import replace

import pytest

from harness.analyse.dataset import CaseData, Repeat, Side
from harness.analyse.evidence import Evidence, Here
from harness.analyse.judge import judge
from harness.analyse.judged import Judged
from tests.claims_evidence import CLAIMS, FIGURE_12, changed, papers, three_times, timed, verdict


def test_cores_are_those_of_the_figures_model_and_of_the_same_starts() -> None:
    """Another model's starts, and one of which no sample is there, take no part."""
    (use,) = papers().cores[FIGURE_12].values()
    busy = replace(use, percent=tuple(tuple(90.0 for _ in row) for row in use.percent))
    side = papers().sides["12"]["node0"]
    mine = three_times(side.cases[0])
    both = replace(side, whose="mine", cases=(replace(mine, model="yi-6b"), mine))
    cores = {("12", "node0", "yi-6b"): dict.fromkeys("123", busy), FIGURE_12: {"1": use, "3": use}}
    found = verdict("f12-one-core", replace(papers(), sides={**papers().sides, "12": {"node0": both}}, cores=cores))
    assert (found.verdict, found.n, found.mine) == ("reproduced", 2, pytest.approx(1.087, abs=1e-3))
    assert "repeat 2 lacks a part of it and is not in the interval" in found.flags
    assert "figure 12 node0: left out: yi-6b, which the figure does not declare" in found.flags


def mine(number: str, slot: str = "node0") -> Side:
    """The paper's starts of a figure, as if they had been made here."""
    return replace(papers().sides[number][slot], whose="mine")


def with_sides(number: str, **sides: Side) -> Evidence:
    return replace(papers(), sides={**papers().sides, number: sides}, recorded=False)


def test_other_models_decide_no_claim_and_are_named() -> None:
    other = replace(mine("2").cases[0], model="qwen-14b")
    alone = verdict("f2-weights", with_sides("2", node0=replace(mine("2"), cases=(other,))))
    assert (alone.verdict, alone.mine) == ("not run", None)
    assert "figure 2 node0: left out: qwen-14b, which the figure does not declare: bash run_figure.sh 2" in alone.reason
    beside = verdict("f2-weights", with_sides("2", node0=replace(mine("2"), cases=(other, *mine("2").cases))))
    assert beside.verdict == "reproduced"
    assert any("left out: qwen-14b" in flag for flag in beside.flags)


def test_starts_of_another_state_are_told_where_there_are_no_others() -> None:
    nothing = with_sides("2", node0=replace(mine("2"), cases=()))
    aside = {("2", "node0"): (("llama3-3b", "started with storage ssd instead of ram"),)}
    found = judge(CLAIMS["f2-weights"], replace(nothing, aside=aside), Here("cuda", frozenset(["llama3-3b"])))
    assert found.verdict == "not run"
    told = "figure 2 node0: left out: llama3-3b, started with storage ssd instead of ram: bash run_figure.sh 2"
    assert found.reason == told


def test_a_part_of_the_settings_is_told_and_another_models_settings_are_left_out() -> None:
    def judged(name: str, numbers: set[float], *more: CaseData) -> Judged:
        cases = tuple(case for case in mine("9").cases if case.facts["captured_sizes"] in numbers)
        return verdict(name, with_sides("9", node0=replace(mine("9"), cases=(*more, *cases))))

    few, most = {3.0, 30.0, 60.0}, {3.0, 10.0, 30.0, 50.0, 60.0}
    assert "3 of 7 settings" in judged("f9-monotone", few).reason
    assert (judged("f9-linear", few).verdict, "3 of 7 settings, needs 5" in judged("f9-linear", few).reason) == (
        "not run",
        True,
    )
    assert "5 of 7 settings" in judged("f9-linear", most).reason
    slower = [
        replace(case, model="yi-6b", repeats=tuple(timed(one, graph_capturing=9.0) for one in case.repeats))
        for case in mine("9").cases
    ]
    assert (
        judged("f9-monotone", {case.facts["captured_sizes"] for case in mine("9").cases}, *slower).verdict
        == "reproduced"
    )


def test_two_figures_that_share_eight_models_do_not_speak_of_ten() -> None:
    sides = {number: {"node0": mine(number)} for number in ("4", "5", "6", "15")}
    sides["13"] = {slot: mine("13", slot) for slot in ("case0", "case1")}
    evidence = replace(papers(), sides={**papers().sides, **sides})
    for name, part in (
        ("f15-cache-gain", "8 of 10 models"),
        ("f15-tracing-not-saved", "8 of 10 models"),
        ("f4-cold-over-warm", "8 of 11 models"),
    ):
        found = verdict(name, evidence)
        assert (found.verdict, part in found.reason) == ("reproduced", True), found.reason


def test_a_step_that_one_side_lacks_is_named() -> None:
    def without(_: CaseData, repeat: Repeat, __: int) -> Repeat:
        return replace(repeat, log={name: value for name, value in repeat.log.items() if name != "graph_capturing"})

    found = verdict("f13-other-steps", changed(papers(), without, ("13",), "case1"))
    assert "6 of 7 steps, without graph_capturing" in found.reason
