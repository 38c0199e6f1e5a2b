"""Which starts decide which claims: what is planned must be what the judging then accepts."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from harness.analyse.decides import Plannable, needs_of
from harness.analyse.deciding import Needs, Start
from harness.analyse.estimators import estimate
from harness.analyse.evidence import Evidence, NotMeasuredError
from harness.analyse.paper_facts import paper_facts
from harness.analyse.predictor import VALIDATION
from harness.spec.figure import figure_numbers, load_figure
from harness.workspace import Workspace
from tests.claims_evidence import CLAIMS, papers
from tests.deciding_starts import start

FIGURES = {number: load_figure(number, Workspace()) for number in figure_numbers(Workspace())}
FACTS = paper_facts()


def starts_of(number: str, models: Iterable[str] = (), slot: str | None = None, **changes: object) -> list[Start]:
    """To be made of a figure's slot: one of each model (of all that it declares)."""
    figure = FIGURES[number]
    return [
        start(
            f"{number}/{slot}/{model}/{changes}",
            **{
                "figure": number,
                "slot": slot or figure.slots[0],
                "model": model,
                "facts": FACTS.get(model, {}),
                **changes,
            },
        )
        for model in (models or figure.models)
    ]


def needs(claim: str, *starts: Start) -> Needs | None:
    return needs_of(CLAIMS[claim].estimate, CLAIMS[claim].figure, Plannable(FIGURES, starts))


def told(found: Needs | None) -> tuple[int, int, int]:
    """Points, the least, and those of the whole."""
    assert found is not None
    return len(found.points), found.least, found.declared


@pytest.mark.parametrize("claim", ["f3-linear", "f3-slope", "f4-linear", "f5-linear", "f8-linear"])
def test_a_line_is_of_five_of_the_declared_models(claim: str) -> None:
    number = CLAIMS[claim].figure
    models = FIGURES[number].models
    assert told(needs(claim, *starts_of(number))) == (10, 5, 10)
    assert told(needs(claim, *starts_of(number, models[:6]))) == (6, 5, 10)
    assert needs(claim, *starts_of(number, models[:4])) is None
    assert needs(claim, *starts_of(number, [*models[:4], "mpt-7b"])) is None, "which the figure does not declare"


def test_models_of_one_size_make_no_line() -> None:
    same = [model for model in FIGURES["17"].models if FACTS[model]["tokenizer_mb"] == 6.8]
    assert len(same) >= 5
    assert needs("f3-all-models", *starts_of("17", same)) is None
    assert needs("f3-all-models", *starts_of("17", [*same, "yi-6b"])) is not None


def test_a_line_over_settings_counts_settings() -> None:
    sizes = [start(str(size), figure="9", model="llama2-7b-hf", facts={"captured_sizes": size}) for size in range(7)]
    assert told(needs("f9-linear", *sizes)) == (7, 5, 7)
    assert needs("f9-linear", *sizes[:4]) is None
    assert told(needs("f9-monotone", *sizes[:4])) == (4, 3, 7)


def test_what_lies_above_a_line_must_be_there_with_five_of_the_line() -> None:
    outside = FIGURES["7"].shows.outside_fit
    inside = [model for model in FIGURES["7"].models if model not in outside]
    found = needs("f7-moe-above", *starts_of("7"))
    assert told(found) == (7, 5, 7)
    assert {each.model for each in found.must} == set(outside)
    assert needs("f7-moe-above", *starts_of("7", [*inside, outside[0]])) is None
    assert needs("f7-moe-above", *starts_of("7", [*inside[:4], *outside])) is None


def test_the_figure_of_one_model_is_decided_by_one_case() -> None:
    assert told(needs("f2-two-blocks", *starts_of("2"))) == (1, 1, 1)
    assert told(needs("f2-largest", *starts_of("2"))) == (1, 1, 1)
    assert needs("f2-total", *starts_of("2", ["qwen-4b", "yi-6b"])) is None, "of which of them?"


def test_a_spread_over_models_needs_five_and_a_least_of_them_all() -> None:
    models = FIGURES["13"].models
    assert told(needs("bootstrap-constant", *starts_of("13", models[:5]))) == (5, 5, 11)
    assert needs("bootstrap-constant", *starts_of("13", models[:2])) is None
    assert needs("bootstrap-constant", *starts_of("13", slot="case1")) is None
    assert told(needs("f2-generalises", *starts_of("13"))) == (11, 11, 11)
    assert needs("f2-generalises", *starts_of("13", models[:10])) is None


def test_releases_are_compared_by_name() -> None:
    of = {version: starts_of("1", version=version)[0] for version in ("0.9.0", "0.10.0", "0.11.0", "0.3.1")}
    assert told(needs("f1-fall", *of.values())) == (1, 1, 1)
    assert {each.version for each in needs("f1-fall", *of.values()).starts} == {"0.9.0", "0.11.0"}
    assert needs("f1-fall", of["0.9.0"], of["0.10.0"]) is None
    assert needs("f1-rise-monotone", *of.values()) is None
    every = CLAIMS["f1-rise-monotone"].estimate.versions
    assert told(needs("f1-rise-monotone", *(starts_of("1", version=name)[0] for name in every))) == (6, 6, 6)


def test_load_formats_are_compared_in_pairs_of_one_model() -> None:
    models = FIGURES["14"].models
    plain, streamed, serialized = (
        starts_of("14", load_format=name) for name in ("safetensors", "runai_streamer", "tensorizer")
    )
    found = needs("f14-streamer-wins", *plain, *streamed, *serialized)
    assert told(found) == (4, 4, 4)
    assert {each.load_format for each in found.starts} == {"safetensors", "runai_streamer"}
    assert needs("f14-streamer-wins", *plain, *streamed[:3]) is None, "it is about each of them"
    assert needs("f14-streamer-wins", *plain, *serialized) is None
    assert told(needs("f14-tensorizer-mixed", *plain, *serialized)) == (len(models),) * 3


def test_of_two_slots_the_other_is_measured_with_the_same_models_or_after_this_one() -> None:
    here = starts_of("13", slot="case0")
    there = [replace(each, key=None) for each in starts_of("13", FIGURES["13"].models[:6], slot="case1")]
    assert told(needs("f13-other-steps", *here, *there)) == (6, 5, 11)
    assert needs("f13-other-steps", *here, *there[:4]) is None
    assert needs("f13-other-steps", *here, *there).elsewhere is None
    alone = needs("f13-other-steps", *here)
    assert (told(alone), alone.elsewhere) == ((11, 5, 11), ("13", "case1"))
    assert needs("f13-other-steps", *starts_of("13", slot="case1")).elsewhere == ("13", "case0")
    assert needs("f13-other-steps", *there) is None, "nothing of it is to be started"


def test_figures_are_compared_on_one_machine_with_one_engine() -> None:
    compiled = starts_of("15")
    cached = [replace(each, key=None) for each in starts_of("6")]
    common = set(FIGURES["15"].models) & set(FIGURES["6"].models)
    assert told(needs("f15-cache-gain", *compiled, *cached)) == (len(common), 5, len(common))
    assert needs("f15-cache-gain", *compiled) is None, "another figure is another call"
    for other in ({"node": "node-2"}, {"version": "2.0"}, {"twin": True}):
        assert needs("f15-cache-gain", *compiled, *(replace(each, **other) for each in cached)) is None


def test_a_prediction_needs_the_models_to_predict_and_a_line_to_train() -> None:
    found = needs("f17-validation", *starts_of("17"))
    assert {each.model for each in found.must} == set(VALIDATION)
    assert told(found) == (13, 5, 13)
    training = [each.starts[0].model for each in found.points]
    assert told(needs("f17-validation", *starts_of("17", [*VALIDATION, *training[:6]]))) == (6, 5, 13)
    assert needs("f17-validation", *starts_of("17", [*VALIDATION[:4], *training])) is None
    assert needs("f17-validation", *starts_of("17", [*VALIDATION, *training[:2]])) is None
    assert needs("f17-moe", *starts_of("17", [*training, "qwen-14.3b"])) is None


def test_repeatability_is_decided_by_any_case_twice_and_its_worst_case_by_none() -> None:
    found = needs("repeatability", *starts_of("2"))
    assert (told(found), found.repeats) == ((1, 1, 1), 2)
    assert told(needs("repeatability", *starts_of("13"))) == (11, 1, 1)
    assert needs("repeatability", *starts_of("12")) is None
    assert needs("repeatability-worst", *starts_of("13")) is None


def measured_in(evidence: Evidence, starts: Iterable[Start]) -> Evidence:
    """The evidence with no other cases than these."""
    kept = {(each.figure, each.slot, each.model) for each in starts}
    sides = {
        number: {
            slot: replace(side, cases=tuple(case for case in side.cases if (number, slot, case.model) in kept))
            for slot, side in slots.items()
        }
        for number, slots in evidence.sides.items()
    }
    return replace(evidence, sides=sides)


@pytest.mark.parametrize(
    "claim", ["f3-linear", "f5-linear", "f7-moe-above", "bootstrap-constant", "f13-other-steps", "f17-validation"]
)
def test_the_least_that_is_planned_is_judged_and_less_of_it_is_not(claim: str) -> None:
    made = [each for number in ("3", "5", "7", "17") for each in starts_of(number)]
    made += [each for slot in ("case0", "case1") for each in starts_of("13", slot=slot)]
    found = needs(claim, *made)
    assert found is not None
    part = [*found.must, *(each for point in found.points[: found.least] for each in point.starts)]
    wanted, number = CLAIMS[claim].estimate, CLAIMS[claim].figure
    assert estimate(wanted, measured_in(papers(), part), number).value is not None
    fewer = part[:-1] if not found.must else part[1:]
    with pytest.raises(NotMeasuredError):
        estimate(wanted, measured_in(papers(), fewer), number)
