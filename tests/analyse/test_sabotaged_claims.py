"""Data that was tampered with, or that is of another world, must get the other verdict.

Over 300 lines: one sabotage of the paper's data per claim, over the same evidence.
"""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from harness.analyse.dataset import CaseData, Repeat
from harness.analyse.evidence import Evidence
from harness.analyse.judged import Verdict
from tests.claims_evidence import (
    FIGURE_12,
    SHARED,
    changed,
    noisier,
    papers,
    scaled,
    swapped,
    three_times,
    timed,
    verdict,
)

LOAD, TRACE, CACHED = "load_weights", "dynamo_transform_time", "graph_compile_cached"


def reversed_settings(case: CaseData, repeat: Repeat, _: int) -> Repeat:
    """More captured sizes take less time."""
    return replace(
        repeat, log={"graph_capturing": 3 - repeat.log["graph_capturing"] - 0 * case.facts["captured_sizes"]}
    )


SABOTAGES: Mapping[str, tuple[Evidence, Mapping[str, Verdict]]] = {
    "tracing and building the model are swapped in figure 2": (
        changed(papers(), swapped(TRACE, "model_init"), ("2",)),
        {"f2-largest": "contradicted", "f2-two-blocks": "same shape", "f2-total": "reproduced"},
    ),
    "bootstrap and graph capture are swapped in figure 2": (
        changed(papers(), swapped("get_model_info", "graph_capturing"), ("2",)),
        {"f2-cpu-bound": "same shape", "f2-largest": "contradicted"},
    ),
    "weight loading and tokenizer are swapped in the shared recording": (
        changed(papers(), swapped(LOAD, "tokenizer_init"), SHARED),
        {"f4-linear": "contradicted", "f3-linear": "contradicted"},
    ),
    "the second GPU's node takes twice as long in everything": (
        changed(papers(), scaled(2), ("10",), "gpu1"),
        {"f10-total": "contradicted", "f10-cpu-steps": "contradicted", "f10-capture": "same shape"},
    ),
    "the first CPU's node takes twice as long in everything": (
        changed(papers(), scaled(2), ("11",), "cpu0"),
        {"f11-total": "contradicted", "f11-tokenizer": "contradicted", "f11-steps": "reproduced"},
    ),
    "profiling is ten times noisier": (
        changed(papers(), noisier(10, "kv_cache_profiling"), ("7",)),
        {"f7-moe-above": "same shape"},
    ),
    "profiling is twenty times noisier": (
        changed(papers(), noisier(20, "kv_cache_profiling"), ("7",)),
        {"f7-moe-above": "inconclusive"},
    ),
    "every tokenizer takes time in proportion to its file": (
        changed(
            papers(), lambda case, repeat, _: timed(repeat, tokenizer_init=0.03 * case.facts["tokenizer_mb"]), SHARED
        ),
        {"f3-linear": "reproduced", "f3-all-models": "contradicted"},
    ),
    "the streaming loader shortens the whole start by a tenth": (
        changed(
            papers(),
            lambda case, repeat, _: (
                timed(repeat, actual_total_time=0.93 * repeat.log["actual_total_time"])
                if case.parameters["load_format"] == "runai_streamer"
                else repeat
            ),
            ("14",),
        ),
        {"f14-end-to-end": "contradicted", "f14-streamer-wins": "reproduced"},
    ),
    "the second CPU's node is ten times noisier": (
        changed(papers(), noisier(10), ("11",), "cpu1"),
        {"f11-total": "inconclusive", "f11-more-than-gpu": "inconclusive"},
    ),
    "one model was recorded with its weights in memory, the others from the disk": (
        changed(papers(), scaled(1 / 15, LOAD, model="qwen-14b"), SHARED),
        {"f4-linear": "contradicted", "f3-linear": "reproduced"},
    ),
    "the disk was never read: both cases of figure 13 are from memory": (
        replace(
            papers(),
            sides={**papers().sides, "13": {name: papers().sides["13"]["case0"] for name in ("case0", "case1")}},
        ),
        {"f13-load": "contradicted", "f13-total": "contradicted", "f13-other-steps": "reproduced"},
    ),
    "the disk is twice as slow": (
        changed(papers(), scaled(2, LOAD), ("13",), "case1"),
        {"f13-load": "same shape", "f13-other-steps": "reproduced"},
    ),
    "loading compiled graphs takes as long as compiling them": (
        changed(papers(), scaled(3.2, CACHED), SHARED),
        {"f15-cache-gain": "contradicted", "f6-linear": "reproduced", "f6-slope": "contradicted"},
    ),
    "compiling takes half as long": (
        changed(papers(), scaled(0.5, "graph_compile_general_shape"), ("15",)),
        {"f15-cache-gain": "same shape", "f15-linear": "reproduced"},
    ),
    "capturing more sizes takes less time": (
        changed(papers(), reversed_settings, ("9",)),
        {"f9-monotone": "contradicted", "f9-linear": "contradicted", "f9-slope": "contradicted"},
    ),
    "tokenizers take the same time whatever their size": (
        changed(
            papers(),
            lambda _, repeat, at: replace(repeat, log={**repeat.log, "tokenizer_init": 0.2 + at / 100}),
            SHARED,
        ),
        {"f3-linear": "contradicted", "f3-slope": "contradicted"},
    ),
    "every start of every figure is 3 % longer": (
        changed(papers(), scaled(1.03), tuple(papers().sides)),
        {"f2-total": "reproduced", "f10-total": "reproduced", "f4-linear": "reproduced"},
    ),
}


@pytest.mark.parametrize("what", SABOTAGES)
def test_sabotaged_data_gets_the_other_verdict(what: str) -> None:
    evidence, expected = SABOTAGES[what]
    found = {name: verdict(name, evidence) for name in expected}
    assert {name: each.verdict for name, each in found.items()} == expected, {
        k: (v.mine, v.interval, v.reason) for k, v in found.items()
    }


def test_the_model_that_was_recorded_in_another_state_is_named() -> None:
    evidence = changed(papers(), scaled(1 / 15, LOAD, model="qwen-14b"), SHARED)
    flags = verdict("f4-linear", evidence).flags
    assert any("qwen-14b recorded under another storage state" in flag for flag in flags), flags


def test_the_two_models_that_the_paper_recorded_warm_are_named_where_they_are_used() -> None:
    flags = [flag for flag in verdict("f4-quantized-break", papers()).flags if "storage state" in flag]
    assert [flag.split()[3] for flag in flags] == ["granite4.0-h-32b", "granite4.0-h-3b"]
    assert not any("storage state" in flag for flag in verdict("f4-linear", papers()).flags)


@pytest.mark.parametrize("model", ["yi-6b", "llama2-13b-hf"])
def test_a_model_in_another_storage_state_keeps_what_rests_on_weights_from_being_reproduced(model: str) -> None:
    evidence = changed(papers(), scaled(1 / 15, LOAD, model=model), ("13",), "case1")
    for name in ("f13-load", "f13-total"):
        found = verdict(name, evidence)
        assert found.verdict in ("inconclusive", "contradicted"), name
        assert any(f"{model} recorded under another storage state" in flag for flag in found.flags)
    assert verdict("f13-other-steps", evidence).verdict == "reproduced"


@pytest.mark.parametrize(
    "claim", ["f10-total", "f10-cpu-steps", "f10-capture", "f13-load", "f13-total", "f2-generalises"]
)
def test_one_or_two_models_do_not_reproduce_a_claim_over_eleven(claim: str) -> None:
    few = {
        number: {
            slot: replace(side, cases=tuple(case for case in side.cases if case.model in ("yi-6b", "yi-9b")))
            for slot, side in slots.items()
        }
        for number, slots in papers().sides.items()
    }
    found = verdict(claim, replace(papers(), sides=few))
    assert found.verdict == "not run"
    assert "2 of 11 models, needs" in found.reason


def test_a_part_of_the_models_is_told_in_the_reason() -> None:
    most = {
        slot: replace(side, cases=tuple(case for case in side.cases if case.model != "yi-6b"))
        for slot, side in papers().sides["10"].items()
    }
    found = verdict("f10-total", replace(papers(), sides={**papers().sides, "10": most}))
    assert (found.verdict, "10 of 11 models" in found.reason) == ("reproduced", True)


def test_figures_of_two_machines_are_not_held_against_each_other() -> None:
    other = replace(papers().origins["15", "node0"], node="node-b")
    evidence = replace(papers(), origins={**papers().origins, ("15", "node0"): other})
    for name in ("f15-cache-gain", "f15-tracing-not-saved"):
        found = verdict(name, evidence)
        assert found.verdict == "not run"
        assert "figure 15 is of node-b" in found.reason
    assert verdict("f15-linear", evidence).verdict == "reproduced"


def test_one_short_case_is_named_as_what_takes_the_interval() -> None:
    def cut(case: CaseData) -> CaseData:
        counted = [repeat for repeat in case.repeats if repeat.kind == "measured"]
        return replace(case, repeats=tuple(counted[:1])) if case.model == "yi-6b" else case

    sides = {slot: replace(side, cases=tuple(map(cut, side.cases))) for slot, side in papers().sides["10"].items()}
    found = verdict("f10-total", replace(papers(), sides={**papers().sides, "10": sides}))
    assert (found.n, found.interval) == (1, None)
    assert "yi-6b has 1 repeat, others up to 5: no interval" in found.reason


def test_a_repeat_that_lacks_a_model_is_not_in_the_interval_and_is_named() -> None:
    def without_load(case: CaseData, repeat: Repeat, at: int) -> Repeat:
        lost = case.model == "yi-6b" and at == 1
        return replace(repeat, log={k: v for k, v in repeat.log.items() if k != LOAD}) if lost else repeat

    found = verdict("f13-load", changed(papers(), without_load, ("13",), "case1"))
    assert found.n == 4
    assert any("repeat 2 lacks a part of it" in flag for flag in found.flags)


def test_the_largest_spread_of_some_recordings_is_not_the_largest_of_all() -> None:
    evidence = replace(papers(), sides={"2": papers().sides["2"]})
    found = verdict("repeatability-worst", evidence)
    assert (found.verdict, found.n) == ("same shape", 5)
    assert "1 of 9 recordings" in found.reason


def test_an_interval_of_a_share_stays_between_0_and_1() -> None:
    found = verdict("f9-monotone", changed(papers(), noisier(10, "graph_capturing"), ("9",)))
    assert found.interval is not None
    assert 0 <= found.interval[0] <= found.interval[1] <= 1


def test_releases_in_another_order_contradict_the_rise_unless_each_was_started_only_once() -> None:
    side = papers().sides["1"]["node0"]
    versions = [case.engine for case in side.cases]
    turned = [replace(case, engine=name) for case, name in zip(side.cases, versions[::-1], strict=True)]
    claims = ("f1-rise", "f1-rise-monotone")

    def verdicts(cases: list[CaseData]) -> set[Verdict]:
        sides = {**papers().sides, "1": {"node0": replace(side, cases=tuple(cases))}}
        return {verdict(name, replace(papers(), sides=sides)).verdict for name in claims}

    assert verdicts([three_times(case) for case in turned]) == {"contradicted"}
    assert verdicts(turned) == {"inconclusive"}
    assert verdicts([three_times(case) for case in side.cases]) == {"reproduced"}


def test_the_streaming_loader_as_the_slowest_contradicts_that_it_wins() -> None:
    names = {"runai_streamer": "safetensors", "safetensors": "runai_streamer"}
    side = papers().sides["14"]["node0"]
    cases = tuple(
        replace(
            case,
            parameters={"load_format": names.get(str(case.parameters["load_format"]), case.parameters["load_format"])},
        )
        for case in side.cases
    )
    evidence = replace(papers(), sides={**papers().sides, "14": {"node0": replace(side, cases=cases)}})
    assert verdict("f14-streamer-wins", evidence).verdict == "contradicted"


def test_a_machine_whose_cores_are_all_busy_contradicts_the_one_core() -> None:
    (use,) = papers().cores[FIGURE_12].values()
    side = papers().sides["12"]["node0"]
    twice = replace(side, cases=tuple(map(three_times, side.cases)))

    def verdicts(*percents: float) -> set[Verdict]:
        uses = [replace(use, percent=tuple(tuple(each for _ in row) for row in use.percent)) for each in percents]
        cores = {FIGURE_12: {str(at + 1): each for at, each in enumerate(uses)}}
        evidence = replace(papers(), sides={**papers().sides, "12": {"node0": twice}}, cores=cores)
        return {verdict(name, evidence).verdict for name in ("f12-one-core", "f12-bursts")}

    assert verdicts(90.0, 91.0, 89.0) == {"contradicted"}
    assert verdicts(90.0) == {"inconclusive"}


def test_without_the_second_node_a_comparison_is_not_run_and_says_how_to_run_it() -> None:
    only = {"gpu0": papers().sides["10"]["gpu0"]}
    evidence = replace(papers(), sides={**papers().sides, "10": only})
    found = verdict("f10-total", replace(evidence, recorded=False))
    assert verdict("f10-total", evidence).reason == "slot gpu1 is not measured", (
        "nobody can measure it into a recording"
    )
    assert found.verdict == "not run"
    assert "bash run_figure.sh 10 1 on the second node" in found.reason


def test_one_repeat_gives_a_point_without_an_interval() -> None:
    evidence = papers().of_repeat(0)
    found = verdict("f4-linear", evidence)
    assert (found.verdict, found.n, found.interval) == ("reproduced", 1, None)
    assert "one start, no interval" in found.reason


def test_an_odd_start_is_flagged_and_makes_the_verdict_uncertain_not_absent() -> None:
    evidence = changed(papers(), scaled(3, at=2), ("2",))
    found = verdict("f2-total", evidence)
    assert found.verdict in ("inconclusive", "contradicted")
    assert any("odd starts: llama3-3b #3" in flag for flag in found.flags)
    assert found.n == 5


def test_a_machine_that_slows_down_is_flagged() -> None:
    def slower(_: CaseData, repeat: Repeat, at: int) -> Repeat:
        return replace(repeat, log={name: value * (1 + at / 20) for name, value in repeat.log.items()})

    assert any("drift" in flag for flag in verdict("f10-total", changed(papers(), slower, ("10",))).flags)


def test_an_inconclusive_verdict_says_how_many_more_repeats_would_decide_it() -> None:
    found = verdict("f11-total", changed(papers(), noisier(10), ("11",), "cpu1"))
    assert found.more_runs is not None
    assert 1 <= found.more_runs < 1000
    assert f"about {found.more_runs} more repeats" in found.reason
