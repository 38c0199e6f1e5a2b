import functools
from dataclasses import replace
from itertools import permutations

import pytest

from harness.analyse.dataset import TOTAL, Repeat
from harness.analyse.forecast import Forecast, calibrated, seconds_of_start, train
from harness.analyse.forecast_evaluate import Errors, Sweep, across, calibration_starts, leave_one_out
from harness.analyse.forecast_phases import LOAD, REMAINDER, seconds_by_phase
from harness.analyse.forecast_starts import Start, cache_of
from harness.analyse.model_facts import ModelFacts, known_models, name_in_models_yaml
from harness.analyse.paper_average import seconds
from tests.paper_sweep import SWEEPS, paper_side, paper_sweep

CACHED = [sweep for sweep in SWEEPS if sweep[0] not in ("7", "15")]


@functools.cache
def errors_of(figure: str, slot: str) -> Errors:
    return leave_one_out(paper_sweep(figure, slot))


@pytest.fixture(scope="module")
def paper() -> Sweep:
    return paper_sweep("17")


@pytest.fixture(scope="module")
def forecast(paper: Sweep) -> Forecast:
    found = train(paper.found, "warm")
    assert found is not None
    return found


def facts(model: str) -> ModelFacts:
    return known_models()[model]


@pytest.mark.parametrize(("figure", "slot"), SWEEPS)
def test_a_starts_phases_sum_to_its_total(figure: str, slot: str) -> None:
    for case in paper_side(figure, slot).cases:
        for repeat in case.repeats:
            phases = seconds_by_phase(repeat)
            assert phases is not None
            assert sum(phases.values()) == pytest.approx(seconds(repeat, TOTAL))


def test_a_traced_starts_phases_sum_to_ready_whatever_its_leaves_are_called() -> None:
    span = {
        "imports:main": 3.0,
        "interpreter:main": 0.1,
        "load_weights": 2.0,
        "some_new_leaf": 0.5,
        "unattributed": 0.2,
    }
    phases = seconds_by_phase(Repeat("measured", "1", span))
    assert phases == {"framework_bootstrap": 3.1, LOAD: 2.0, REMAINDER: pytest.approx(0.7)}


@pytest.mark.parametrize(
    ("repeat", "cache"),
    [
        (Repeat("warmup", "0", log={"graph_compile_cached": 4.0, "dynamo_transform_time": 5.0}), "warm"),
        (Repeat("measured", "1", log={"graph_compile_general_shape": 14.0, "dynamo_transform_time": 5.0}), "empty"),
        (Repeat("measured", "1", log={"load_weights": 4.0}), "off"),
        (Repeat("measured", "1", {"inductor_codegen": 4.0, "graph_compile_cached": 0.1}), "empty"),
        (Repeat("measured", "1", {"graph_compile_cached": 1.0}), "warm"),
        (Repeat("measured", "1", {"imports:main": 1.0}), "off"),
    ],
)
def test_what_a_start_found_in_its_caches_is_told_by_what_it_did(repeat: Repeat, cache: str) -> None:
    assert cache_of(repeat) == cache


def test_twenty_recorded_models_are_predicted_within_the_promised_error() -> None:
    errors = errors_of("17", "node0")
    assert len(errors.held_out) == 20
    assert errors.mape is not None
    assert errors.mape <= 1.5
    assert errors.coverage is not None
    assert errors.coverage >= 90


@pytest.mark.parametrize(("figure", "slot"), SWEEPS)
def test_every_recorded_sweep_is_predicted_leaving_one_out(figure: str, slot: str) -> None:
    errors = errors_of(figure, slot)
    assert errors.mape is not None
    assert errors.mape <= 2.0
    assert errors.coverage is not None
    assert errors.coverage >= 90


@pytest.mark.parametrize(("origin", "target"), list(permutations(CACHED, 2)))
def test_three_starts_carry_a_forecast_to_another_node(origin: tuple[str, str], target: tuple[str, str]) -> None:
    starts, errors = across(paper_sweep(*origin), paper_sweep(*target))
    assert starts == 3
    assert errors.mape is not None
    assert errors.mape <= 5


def test_what_is_held_out_is_not_known(paper: Sweep) -> None:
    """Ten times the seconds in all repeats of the held-out model: its own prediction stays what it was."""

    def longer(start: Start) -> Start:
        told = start.seconds.items()
        return replace(start, seconds={k: v * 10 for k, v in told}) if start.model == "gpt-oss-20b" else start

    changed = replace(paper, found=replace(paper.found, used=tuple(map(longer, paper.found.used))))
    (before,) = [each for each in errors_of("17", "node0").held_out if each.model == "gpt-oss-20b"]
    (after,) = [each for each in leave_one_out(changed).held_out if each.model == "gpt-oss-20b"]
    assert after.prediction.total == before.prediction.total
    assert after.measured_s == pytest.approx(10 * before.measured_s)


def test_a_model_under_two_labels_is_held_out_under_both(paper: Sweep) -> None:
    twice = [replace(start, label="again") for start in paper.found.used if start.model == "gpt-oss-20b"]
    doubled = replace(paper, found=replace(paper.found, used=(*paper.found.used, *twice)))
    found = {each.model: each.prediction.total for each in leave_one_out(doubled).held_out}
    (alone,) = [each for each in errors_of("17", "node0").held_out if each.model == "gpt-oss-20b"]
    assert found["again"] == found["gpt-oss-20b"] == alone.prediction.total


@pytest.mark.parametrize("model", sorted(known_models()))
def test_predicted_phases_sum_to_the_total_inside_its_interval(forecast: Forecast, model: str) -> None:
    prediction = forecast.predict(facts(model))
    assert sum(each.seconds for each in prediction.phases.values()) == pytest.approx(prediction.total.seconds)
    assert prediction.total.low is not None
    assert prediction.total.high is not None
    assert prediction.total.low < prediction.total.seconds < prediction.total.high
    assert all(each.half_width is not None and each.seconds >= 0 for each in prediction.phases.values())


def test_a_larger_checkpoint_never_takes_less(forecast: Forecast) -> None:
    small = facts("llama3-3b")
    assert (
        forecast.predict(small).total.seconds < forecast.predict(replace(small, checkpoint_bytes=10**11)).total.seconds
    )


def test_what_lies_outside_is_said_fact_by_fact(forecast: Forecast) -> None:
    assert forecast.predict(facts("llama3-3b")).outside == ()
    told = forecast.predict(facts("granite4.0-h-32b"), load_format="tensorizer").outside
    assert "checkpoint 64.4 GB, trained on 0.928 to 31.4 GB" in told
    assert any(text.startswith("hybrid architecture") for text in told)
    assert "load format tensorizer: never seen, trained on safetensors" in told


def test_experts_and_quantised_weights_that_were_never_seen_are_said() -> None:
    dense = train(paper_sweep("10", "gpu0").found, "warm")
    assert dense is not None
    told = dense.predict(facts("gpt-oss-20b")).outside
    assert {"mixture of experts: never seen in training", "quantised weights: never seen in training"} <= set(told)


def test_a_forecast_carried_by_its_own_training_starts_stays_nearly_what_it_was(
    paper: Sweep, forecast: Forecast
) -> None:
    assert paper.found.main is not None
    same = calibrated(forecast, paper.found.used, paper.found.main)
    for model in paper.models:
        here, there = forecast.predict(facts(model)).total.seconds, same.predict(facts(model)).total.seconds
        assert there == pytest.approx(here, rel=0.02)


def test_calibration_starts_are_one_of_the_smallest_the_middle_and_the_largest_model() -> None:
    chosen = calibration_starts(paper_sweep("10", "gpu1"))
    assert [start.model for start in chosen] == ["qwen-0.5b", "llama2-7b-hf", "qwen-14b"]
    assert {start.run for start in chosen} == {"1"}


def test_a_planner_gets_seconds_or_none(forecast: Forecast) -> None:
    assert seconds_of_start(forecast, facts("yi-6b"), "warm") == forecast.predict(facts("yi-6b")).total
    assert seconds_of_start(forecast, facts("yi-6b"), "empty") is None
    assert seconds_of_start(forecast, None, "warm") is None


def test_one_measured_model_gives_seconds_without_an_interval(paper: Sweep) -> None:
    used = tuple(start for start in paper.found.used if start.model == "yi-6b")
    single = train(replace(paper.found, used=used), "warm")
    assert single is not None
    total = single.predict(facts("yi-9b")).total
    assert total.half_width is None
    assert total.low is None
    assert total.seconds > 0


def test_no_start_gives_no_forecast(paper: Sweep) -> None:
    assert train(replace(paper.found, used=()), "warm") is None


@pytest.mark.parametrize(
    ("said", "entry"),
    [
        ("llama3-3b", "llama3-3b"),
        ("Llama-3.2-3B", "llama3-3b"),
        ("meta-llama/Llama-3.2-3B", "llama3-3b"),
        ("../../models/qwen-4b", "qwen-4b"),
        ("qwen1.5-moe-a2.7b", "qwen-14.3b"),
        ("nobody/knows", None),
    ],
)
def test_a_recordings_name_of_a_model_is_found_in_models_yaml(said: str, entry: str | None) -> None:
    assert name_in_models_yaml(said) == entry
