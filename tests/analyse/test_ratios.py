import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.averages import average
from harness.analyse.dataset import MEASURED, TOTAL, CaseData, Repeat, Side
from harness.analyse.logs import QUANTITIES
from harness.analyse.paper_average import mean_seconds
from harness.analyse.ratios import STEPS, Comparison, compare_sides
from tests.recorded_sides import recorded_facts, recorded_side

SECONDS = st.floats(0.01, 1000)
FOLDERS = {"10": ("gpu0", "gpu1"), "11": ("cpu0", "cpu1"), "13": ("case0", "case1")}
# Claims f10-*, f11-*, f13-*: means over models to the digits that are printed there.
CLAIMED = {
    "10": {
        "framework_bootstrap": 0.965,
        "tokenizer_init": 1.006,
        "model_init": 1.0,
        "load_weights": 0.999,
        "dynamo_transform_time": 1.001,
        "graph_compile_cached": 1.0,
        "kv_cache_profiling": 0.934,
        "graph_capturing": 1.197,
        TOTAL: 0.99,
    },
    "11": {
        "framework_bootstrap": 1.345,
        "tokenizer_init": 2.628,
        "model_init": 1.421,
        "load_weights": 1.468,
        "dynamo_transform_time": 0.79,
        "graph_compile_cached": 0.9,
        "kv_cache_profiling": 0.86,
        "graph_capturing": 1.324,
        TOTAL: 1.105,
    },
    "13": {
        "framework_bootstrap": 1.016,
        "tokenizer_init": 1.077,
        "model_init": 1.041,
        "load_weights": 14.815,
        "dynamo_transform_time": 1.014,
        "graph_compile_cached": 1.006,
        "kv_cache_profiling": 1.003,
        "graph_capturing": 1.0,
        TOTAL: 1.846,
    },
}


def recorded(figure: str) -> Comparison:
    base, other = (recorded_side(f"figure-{figure}/{slot}", figure, slot) for slot in FOLDERS[figure])
    return compare_sides(base, other)


def case(model: str, *starts: dict[str, float], **parameters: object) -> CaseData:
    repeats = tuple(Repeat(MEASURED, str(number), phases) for number, phases in enumerate(starts, start=1))
    return CaseData(model, True, parameters, {}, repeats)


def side(slot: str, *cases: CaseData) -> Side:
    return Side(slot, "mine", "a machine", cases)


@pytest.mark.parametrize("figure", CLAIMED)
def test_the_recorded_ratios_are_the_papers_to_the_printed_digits(figure: str) -> None:
    found = {ratio.step: round(ratio.over_models.mean, 3) for ratio in recorded(figure).steps}
    assert found == CLAIMED[figure]
    assert tuple(found) == STEPS


def test_only_graph_capture_suffers_from_the_weaker_gpu_and_more_so_for_larger_models() -> None:
    (capture,) = (ratio for ratio in recorded("10").steps if ratio.step == "graph_capturing")
    assert (round(min(capture.by_model.values()), 3), round(max(capture.by_model.values()), 3)) == (0.719, 1.604)
    sizes = recorded_facts()
    small = [model for model, ratio in capture.by_model.items() if ratio < 1]
    assert small
    assert all(sizes[model]["size_b"] <= 4 for model in small)


def test_the_disk_costs_the_large_models_most() -> None:
    (total,) = (ratio for ratio in recorded("13").steps if ratio.step == TOTAL)
    assert (round(min(total.by_model.values()), 3), round(max(total.by_model.values()), 3)) == (1.082, 2.592)
    assert min(total.by_model, key=total.by_model.__getitem__) == "qwen-0.5b"


def test_the_papers_sides_are_joined_by_model_and_what_differs_is_told() -> None:
    found = recorded("11")
    assert len(found.models) == 11
    assert found.differing == ("qwen-14b: max_model_len 16752 / default",)
    assert (found.left_out, found.missing, found.starts) == ((), (), (5, 5))
    assert recorded("10").differing == ()


def test_a_step_that_one_side_lacks_is_missing_and_never_a_one() -> None:
    found = compare_sides(
        side("a", case("m", {"load_weights": 2.0, "model_init": 0.0}), case("n", {"load_weights": 2.0})),
        side("b", case("m", {"load_weights": 3.0, "model_init": 1.0}), case("n", {"load_weights": 1.0})),
    )
    by_step = {ratio.step: ratio for ratio in found.steps}
    assert by_step["load_weights"].by_model == {"m": 1.5, "n": 0.5}
    assert by_step["load_weights"].over_models.mean == 1.0
    assert "model_init" in found.missing
    assert "graph_capturing" in found.missing
    assert set(found.missing) | set(by_step) == set(STEPS)


def test_a_model_of_one_side_and_a_model_with_two_cases_are_left_out_by_name() -> None:
    start = {"load_weights": 1.0}
    found = compare_sides(
        side("a", case("one", start), case("two", start), case("both", start)),
        side("b", case("two", start), case("two", start, eager=True), case("new", start), case("both", start)),
    )
    assert found.models == ("both",)
    assert found.left_out == ("one (not in b)", "two (several cases of it in one slot)", "new (not in a)")


def test_sides_without_a_common_model_have_no_ratio() -> None:
    found = compare_sides(side("a", case("m", {"load_weights": 1.0})), side("b"))
    assert (found.steps, found.models, found.starts) == ((), (), (0, 0))


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=5), st.floats(0.1, 10))
def test_a_side_that_is_slower_by_a_factor_everywhere_has_that_ratio_in_every_step(
    models: list[tuple[float, float]], factor: float
) -> None:
    starts = {f"m{at}": {"load_weights": load, "tokenizer_init": rest} for at, (load, rest) in enumerate(models)}
    slower = {name: {step: s * factor for step, s in start.items()} for name, start in starts.items()}
    base = side("a", *(case(name, start) for name, start in starts.items()))
    found = compare_sides(base, side("b", *(case(name, start) for name, start in slower.items())))
    assert {ratio.step for ratio in found.steps} == {"load_weights", "tokenizer_init", TOTAL}
    for ratio in found.steps:
        assert ratio.over_models.mean == pytest.approx(factor)


@given(st.lists(st.fixed_dictionaries({name: SECONDS for name in QUANTITIES}), min_size=1, max_size=5))
def test_the_papers_total_is_the_mean_that_its_own_averaging_gives(logs: list[dict[str, float]]) -> None:
    repeats = tuple(Repeat(MEASURED, str(at), {}, log) for at, log in enumerate(logs, start=1))
    found = mean_seconds(CaseData("m", False, {}, {}, repeats), TOTAL)
    assert found is not None
    assert found.mean == pytest.approx(average(logs)["actual_total_time"], abs=1e-8)


def test_a_log_that_lacks_a_part_of_the_papers_total_has_no_total() -> None:
    repeat = Repeat(MEASURED, "1", {}, {"actual_total_time": 30.0, "load_weights": 1.0})
    assert mean_seconds(CaseData("m", False, {}, {}, (repeat,)), TOTAL) is None
