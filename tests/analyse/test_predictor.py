import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.dataset import MEASURED, TOTAL, CaseData, Repeat, Side, Whose
from harness.analyse.estimators import estimate
from harness.analyse.evidence import Evidence, Origin
from harness.analyse.paper_average import mean_seconds
from harness.analyse.predictor import (
    SET_ASIDE,
    TRAINED_BATCH,
    VALIDATION,
    Prediction,
    TooFewModelsError,
    covered_share,
    mape,
    predictions,
    train,
)
from harness.spec.claims import load_claims
from harness.spec.figure import load_figure
from harness.workspace import Workspace
from tests.beside import RECORDED
from tests.recorded_sides import recorded_side

# Claims f17-validation and f17-set-aside: predicted s, measured s, error %.
CLAIMED = {
    "falcon-11b": (68.708, 69.214, -0.7),
    "gemma-7b": (43.781, 53.503, -18.2),
    "llama3-3b": (30.071, 33.409, -10.0),
    "mistral-7b": (47.104, 48.938, -3.7),
    "qwen-7b": (46.182, 51.199, -9.8),
    "qwen-14.3b": (73.496, 74.192, -0.9),
    "deepseek-v2-lite-16b": (82.561, 80.005, 3.2),
    "gpt-oss-20b": (102.022, 49.672, 105.4),
    "granite4.0-h-32b": (144.686, 28.545, 406.9),
}


@pytest.fixture(scope="module")
def paper() -> Side:
    return recorded_side("figure-rest", "17")


def of(side: Side, models: tuple[str, ...]) -> list[CaseData]:
    return [case for case in side.cases if case.model in models]


def own(*cases: CaseData, whose: Whose = "mine") -> Side:
    return Side("node0", whose, "a machine", cases)


def start(model: str, checkpoint_mb: float, **phases: float) -> CaseData:
    facts = {"checkpoint_mb": checkpoint_mb, "graph_code_kb": checkpoint_mb, "tokenizer_mb": checkpoint_mb}
    return CaseData(model, True, {}, facts, (Repeat(MEASURED, "1", phases),))


def percent(made: list[Prediction]) -> float:
    error = mape(made)
    assert error is not None
    return round(100 * error, 2)


def test_the_recorded_predictions_are_the_published_ones_to_the_printed_digits(paper: Side) -> None:
    made = predictions(train(paper), of(paper, (*VALIDATION, *SET_ASIDE)))
    found = {each.model: (round(each.predicted_s, 3), round(each.measured.mean, 3)) for each in made}
    assert found == {model: numbers[:2] for model, numbers in CLAIMED.items()}
    assert {each.model: round(100 * each.error, 1) for each in made} == {
        model: error for model, (_, _, error) in CLAIMED.items()
    }


def test_the_mean_errors_are_the_published_one_and_that_of_the_models_set_aside(paper: Side) -> None:
    predictor = train(paper)
    assert percent(predictions(predictor, of(paper, VALIDATION))) == 8.49
    assert round(percent(predictions(predictor, of(paper, SET_ASIDE))), 1) == 129.1


def test_what_the_predictor_is_trained_on_and_its_lines_are_the_papers(paper: Side) -> None:
    predictor = train(paper)
    assert len(predictor.trained_on) == 13
    assert not {*VALIDATION, *SET_ASIDE} & set(predictor.trained_on)
    lines = {step: (line.slope, line.intercept) for step, (_, line) in predictor.lines.items()}
    expected = {
        "load_weights": (3.90671, -2.26620),
        "dynamo_transform_time": (0.00490716, 0.41309),
        "graph_compile_cached": (0.00449575, -0.08125),
        "kv_cache_profiling": (0.0843516, 1.31987),
        "tokenizer_init": (0.0375136, 0.01776),
        "graph_capturing": (0.000488303, 1.06147),
    }
    assert lines == {step: pytest.approx(numbers, rel=1e-5, abs=1e-5) for step, numbers in expected.items()}
    assert predictor.means == pytest.approx({"model_init": 0.121231, "framework_bootstrap": 7.978062}, abs=1e-6)
    assert predictor.absent == ()


def test_what_is_compared_with_is_the_total_that_the_paper_tests_with(paper: Side) -> None:
    tests = json.loads(RECORDED.need("figure-rest/predictor_info/test_data.json").read_text())
    times = {entry["label"]: entry["time"] for entries in tests.values() for entry in entries}
    totals = {case.model: total.mean for case in paper.cases if (total := mean_seconds(case, TOTAL))}
    assert totals == pytest.approx(times, abs=1e-9)


def test_the_capture_term_and_one_training_model_explain_a_part_of_the_error(paper: Side) -> None:
    validation = of(paper, VALIDATION)
    assert percent(predictions(train(paper), validation, TRAINED_BATCH)) == 8.06
    without = train(paper, ["granite4.0-h-3b"])
    assert percent(predictions(without, validation, TRAINED_BATCH)) == 5.55


def test_a_predictor_of_cold_weights_does_not_transfer_to_warm_starts(paper: Side) -> None:
    errors = [made.error for made in predictions(train(paper), recorded_side("figure-10/gpu0", "10").cases)]
    assert len(errors) == 11
    assert round(sum(errors) / len(errors), 3) == 0.708


@given(st.floats(0.1, 5), st.floats(0.1, 5), st.sets(st.integers(1, 100), min_size=3, max_size=8), st.integers(1, 200))
def test_starts_that_are_linear_in_size_are_predicted_exactly(
    slope: float, intercept: float, sizes: set[int], new: int
) -> None:
    def made(model: str, size: int) -> CaseData:
        return start(model, size, load_weights=slope * size + intercept, model_init=0.5)

    side = own(*(made(f"m{size}", size) for size in sorted(sizes)), made("qwen-7b", new))
    predictor = train(side)
    assert "qwen-7b" not in predictor.trained_on
    (found,) = predictions(predictor, of(side, VALIDATION))
    assert found.error == pytest.approx(0, abs=1e-6)


def test_own_starts_are_predicted_over_the_size_that_their_lines_were_trained_on() -> None:
    figure = load_figure("17", Workspace())
    training = [model for model in figure.models if model not in VALIDATION]
    sizes = {model: 1.0 + at for at, model in enumerate([*training, *VALIDATION])}
    side = own(*(start(model, size, load_weights=size, graph_capturing=1 + size) for model, size in sizes.items()))
    origins = {("17", "node0"): Origin("cuda", True, "a machine")}
    evidence = Evidence({"17": figure}, {"17": {"node0": side}}, origins)
    (claim,) = (each for each in load_claims() if each.id == "f17-corrected")
    assert estimate(claim.estimate, evidence, "17").value == pytest.approx(0, abs=1e-6)


def test_terms_that_the_engine_does_not_have_are_named_and_not_predicted() -> None:
    side = own(*(start(f"m{size}", size, load_weights=size, kv_cache_alloc=size) for size in (1.0, 2.0, 3.0)))
    predictor = train(side)
    assert set(predictor.lines) == {"load_weights"}
    assert "graph_capturing" in predictor.absent
    assert "model_init" in predictor.absent
    assert covered_share(predictor, side.cases) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((), "needs measured starts of at least 3 training models, has 0"),
        ((1.0, 2.0), "needs measured starts of at least 3 training models, has 2"),
        ((2.0, 2.0, 2.0), "load_weights needs at least 3 training models of different checkpoint_mb, has 1"),
    ],
)
def test_too_few_models_are_told_with_how_many_are_needed(sizes: tuple[float, ...], said: str) -> None:
    cases = [start(f"m{at}", size, load_weights=1.0 + at) for at, size in enumerate(sizes)]
    with pytest.raises(TooFewModelsError) as caught:
        train(own(*cases, start("qwen-7b", 9.0, load_weights=9.0)))
    assert str(caught.value) == said


def test_a_model_of_unknown_size_is_not_predicted() -> None:
    predictor = train(own(*(start(f"m{size}", size, load_weights=size) for size in (1.0, 2.0, 4.0))))
    assert predictor.predict({}) is None
    assert predictor.predict({"checkpoint_mb": 3.0}) == pytest.approx(3.0)
