"""A forecast carried to another node by a few starts there says no more than these can know."""

from dataclasses import replace

import pytest

from harness.analyse.forecast import Forecast, calibrated, train
from harness.analyse.forecast_seconds import Loading
from harness.analyse.forecast_starts import Start
from harness.analyse.model_facts import ModelFacts, known_models
from tests.paper_sweep import paper_sweep

TWIN_SAYS_NOTHING = "a twin's loading says nothing of the original's"


def starts(*models: str) -> list[Start]:
    return [start for start in paper_sweep("10", "gpu1").found.used if start.model in models]


def carried(by: list[Start]) -> Forecast:
    forecast, state = train(paper_sweep("17").found, "warm"), paper_sweep("10", "gpu1").found.main
    assert forecast is not None
    assert state is not None
    return calibrated(forecast, by, state)


def facts(model: str) -> ModelFacts:
    return known_models()[model]


def as_twins(by: list[Start]) -> list[Start]:
    return [replace(s, twin=True, facts=replace(s.facts, twin=True) if s.facts else None) for s in by]


def test_a_model_among_those_it_was_carried_by_has_intervals() -> None:
    told = carried(starts("qwen-0.5b", "qwen-14b")).predict(facts("yi-6b"))
    assert told.no_interval is None
    assert all(each.half_width is not None for each in (told.total, *told.phases.values()))


@pytest.mark.parametrize(
    ("by", "why"),
    [
        (("yi-6b",), "carried by 1 model, needs 2"),
        (("qwen-0.5b", "yi-6b"), "the checkpoint lies beyond those of the starts that it was carried by"),
    ],
)
def test_too_few_models_or_smaller_ones_give_no_interval(by: tuple[str, ...], why: str) -> None:
    told = carried(starts(*by)).predict(facts("qwen-14b"))
    assert told.no_interval is not None
    assert told.no_interval.startswith(why)
    assert {each.half_width for each in (told.total, *told.phases.values())} == {None}


def test_what_lies_outside_of_the_calibration_is_said_fact_by_fact() -> None:
    told = carried(starts("yi-6b")).predict(facts("gpt-oss-20b")).outside
    assert "layers 24, calibrated with 32" in told
    assert "mixture of experts: never seen in calibration" in told
    assert not any("trained on" in text and text.startswith("layers") for text in told)


def test_a_carried_load_format_is_judged_by_the_starts_it_was_carried_by() -> None:
    streamed = [replace(start, load_format="runai_streamer") for start in starts("qwen-0.5b", "qwen-14b")]
    forecast = carried(streamed)
    assert forecast.predict(facts("yi-6b"), load_format="runai_streamer").no_interval is None
    assert forecast.predict(facts("yi-6b"), load_format="safetensors").no_interval == "no start loads safetensors"


def test_twins_that_are_as_large_still_say_nothing_of_an_originals_loading() -> None:
    forecast = carried(as_twins(starts("qwen-0.5b", "qwen-14b")))
    told = forecast.predict(facts("yi-6b"))
    assert told.no_interval == TWIN_SAYS_NOTHING
    assert (told.total.half_width, told.phases["load_weights"].half_width) == (None, None)
    assert told.phases["framework_bootstrap"].half_width is not None
    assert any(f"the original's weights: never seen in calibration ({TWIN_SAYS_NOTHING})" == t for t in told.outside)
    assert forecast.predict(replace(facts("yi-6b"), twin=True)).no_interval is None


@pytest.mark.parametrize(("twins", "why"), [(True, TWIN_SAYS_NOTHING), (False, None)])
def test_a_bandwidth_of_twins_is_none_of_an_original(twins: bool, why: str | None) -> None:
    forecast = train(paper_sweep("17").found, "warm")
    assert forecast is not None
    told = forecast.predict(facts("yi-6b"), Loading(1e9, "bytes over a bandwidth", 0.1, 5, twins))
    assert told.no_interval == why
    assert (told.phases["load_weights"].half_width is None) == twins
