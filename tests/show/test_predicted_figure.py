from harness.analyse.predictor import SET_ASIDE, VALIDATION
from harness.show.predicted import draw
from tests.recorded_sides import recorded_side
from tests.show.column_sides import LONG, case, data, flat, printed, side
from tests.show.test_startup_figure import assert_readable, words

SIZES = {"qwen-0.5b": 0.5, "yi-6b": 6.0, LONG: 9.0, "qwen-7b": 7.0, "qwen-14.3b": 14.3}
OWN = side(
    *(
        case(model, 1 + size / 20, facts={"checkpoint_mb": size, "graph_code_kb": size + 1, "tokenizer_mb": 2 + size})
        for model, size in SIZES.items()
    )
)


def test_the_papers_models_stand_with_predicted_and_measured_seconds() -> None:
    figure, notes = draw(data("17", recorded_side("figure-rest", "17")))
    assert_readable(figure)
    said, table = words(figure), printed(notes)
    for model in (*VALIDATION, *SET_ASIDE):
        assert model in said
        assert f" {model} " in table
    assert "68.7 s (-0.7 %)" in said
    assert "144.7 s (+406.9 %)" in said
    for text in ("validation (n=5): 8.49 %", "set aside (n=4): 129.10 %"):
        assert text in said
        assert text in flat(table)
    assert "…" not in table


def test_own_starts_have_a_predictor_of_their_own_that_says_what_it_leaves_out() -> None:
    figure, notes = draw(data("17", OWN, recorded_side("figure-rest", "17")))
    assert_readable(figure)
    said = words(figure)
    assert "over 3 other models of the same slot" in said
    assert "no start states them: graph_capturing" in said
    assert "structural twins" in said
    assert "checkpoint_mb" in printed(notes)


def test_too_few_own_models_are_a_line_that_says_how_many_are_needed() -> None:
    figure, notes = draw(data("17", side(case("llama3-3b"), case("yi-6b"))))
    assert_readable(figure)
    text = "node0: no prediction: needs measured starts of at least 3 training models, has 1."
    assert text in words(figure)
    assert text in flat(printed(notes))


def test_without_a_model_to_predict_it_names_those_it_could() -> None:
    without = side(*(found for found in OWN.cases if found.model not in (*VALIDATION, *SET_ASIDE)))
    figure, _ = draw(data("17", without))
    assert_readable(figure)
    assert "No model to predict is measured: falcon-11b, gemma-7b" in words(figure)
