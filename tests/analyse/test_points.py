import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.dataset import MEASURED, CaseData, Repeat, Side, captured, paper_sides
from harness.analyse.paper_facts import paper_facts
from harness.analyse.points import LOG, SPANS, series_of, sources
from harness.analyse.recorded import recorded_rows
from harness.errors import HarnessError
from harness.record.paper import PAPER_CSV, read_paper
from harness.spec.figure import Figure, Shows, load_figure
from harness.workspace import Workspace
from tests.beside import RECORDED

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("a", "b", "c", "d")


def figure(number: str = "8", **shows: object) -> Figure:
    declared = load_figure(number, Workspace(ROOT))
    wanted = {"quantity": "load_weights", "x": "size_b", **shows}
    return declared.model_copy(update={"models": MODELS, "shows": Shows.model_validate(wanted)})


def case(model: str, x: float | None, *values: float, by: str = "log", **parameters: object) -> CaseData:
    repeats = [
        Repeat("measured", str(number), **{by: {"load_weights": value}}) for number, value in enumerate(values, start=1)
    ]
    facts = {} if x is None else {"size_b": x}
    return CaseData(model, False, parameters, facts | captured(parameters), tuple(repeats), "0.32.0")


def side(*cases: CaseData, whose: str = "mine") -> Side:
    return Side("node0", whose, "a machine", cases)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.floats(0.1, 100), st.floats(0.01, 100)), min_size=1, max_size=40))
def test_every_case_is_one_point_in_order_of_x_with_its_own_label(found: list[tuple[float, float]]) -> None:
    cases = [case(random.Random(number).choice(MODELS), x, y) for number, (x, y) in enumerate(found)]
    points = series_of(figure(), side(*cases)).points
    assert [point.x for point in points] == sorted(x for x, _ in found)
    assert sorted((point.x, point.seconds.mean) for point in points) == sorted(found)
    assert len({point.label for point in points}) == len(found)


def test_a_point_is_the_mean_of_the_measured_starts_alone() -> None:
    warm = Repeat("warmup", "warmup-0", log={"load_weights": 99.0})
    silent = Repeat("measured", "9", log={"tokenizer_init": 1.0})
    made = case("a", 1, 2.0, 4.0)
    (point,) = series_of(figure(), side(replace(made, repeats=(warm, *made.repeats, silent)))).points
    assert point.seconds.mean == 3
    assert point.seconds.n == 2
    assert point.seconds.half_width == pytest.approx(12.706, rel=1e-4)


def test_one_start_has_a_point_without_an_interval() -> None:
    (point,) = series_of(figure(), side(case("a", 1, 2.0))).points
    assert (point.seconds.n, point.seconds.half_width) == (1, None)


def test_what_is_outside_the_fit_is_a_point_but_no_part_of_the_line() -> None:
    cases = [case(model, x, 2 * x + 1) for model, x in zip("abc", (1, 2, 4), strict=True)]
    series = series_of(figure(outside_fit=("d",)), side(*cases, case("d", 9, 500.0)))
    assert series.line is not None
    assert (series.line.slope, series.line.intercept, series.line.n) == pytest.approx((2, 1, 3))
    assert [(point.model, point.outside_fit) for point in series.points][-1] == ("d", True)


def test_sides_have_lines_of_their_own_and_the_papers_has_its_own_size() -> None:
    shown = figure(x="checkpoint_mb", paper_x="size_b")
    paper = series_of(shown, side(*(case(model, x, 3 * x) for x, model in enumerate("abc")), whose="paper"))
    mine = series_of(shown, side(case("a", 1, 5.0)))
    assert paper.axis == "size_b"
    assert paper.line is not None
    assert mine.axis == "checkpoint_mb"
    assert (mine.points, mine.line, mine.without_x) == ((), None, ("a",))


def test_the_paper_shows_declared_models_only_and_own_sides_whatever_was_measured() -> None:
    cases = [case("a", 1, 1.0), case("other", 2, 1.0)]
    assert [point.model for point in series_of(figure(), side(*cases, whose="paper")).points] == ["a"]
    assert [point.model for point in series_of(figure(), side(*cases)).points] == ["a", "other"]


def test_declared_models_without_a_value_are_named() -> None:
    series = series_of(figure(), side(case("a", 1, 1.0), case("b", 2)))
    assert series.without_value == ("b", "c", "d")
    assert series.without_x == ()


@pytest.mark.parametrize(
    ("spans", "log", "expected"), [(1.0, None, {SPANS}), (1.0, 2.0, {SPANS}), (None, 2.0, {LOG}), (None, None, set())]
)
def test_spans_come_first_and_the_log_is_named_where_they_are_silent(
    spans: float | None, log: float | None, expected: set[str]
) -> None:
    by_spans = {"imports:main": 1.0} | ({"load_weights": spans} if spans else {})
    repeat = Repeat("measured", "1", by_spans, {"load_weights": log} if log else {})
    assert sources(CaseData("a", False, {}, {}, (repeat,)), Shows(quantity="load_weights")) == expected


def test_a_figure_that_asks_for_the_log_takes_it_of_traced_starts_too():
    repeat = Repeat(MEASURED, "1", {"graph_compile_general_shape": 1.0}, {"graph_compile_general_shape": 9.0})
    case = CaseData("a", False, {}, {}, (repeat,))
    assert case.values("graph_compile_general_shape", source="log") == [9.0]
    assert sources(case, Shows(quantity="graph_compile_general_shape", source="log")) == {"log"}


def test_a_group_is_the_sum_of_its_leaves_and_absent_without_any() -> None:
    spans = {"imports:main": 1.0, "imports:engine": 2.0, "model_init": 3.0, "load_weights": 4.0}
    repeat = Repeat(MEASURED, "1", spans, {"init_engine": 9.0})
    assert [repeat.value(name) for name in ("model_loading", "imports", "framework_bootstrap")] == [7.0, 3.0, 3.0]
    assert repeat.value("init_engine") == 9.0  # the log's: the spans have no leaf of it
    assert Repeat(MEASURED, "1", spans).value("init_engine") is None


def test_settings_of_one_model_are_labelled_by_their_size() -> None:
    sizes = (456, 1, 56)
    cases = [case("a", None, 1.0, cuda_graph_sizes=size) for size in sizes]
    shown = figure(x="captured_sizes")
    assert [point.label for point in series_of(shown, side(*cases)).points] == ["3", "10", "60"]
    more = [*cases, case("b", None, 1.0, cuda_graph_sizes=8)]
    assert [point.label for point in series_of(shown, side(*more)).points] == ["a, 3", "b", "a, 10", "a, 60"]


def test_an_outlier_of_the_line_is_marked_on_its_point() -> None:
    cases = [case(f"m{x}", x, 2.0 * x + (5 if x == 4 else 0.01 * (x % 2))) for x in range(9)]
    assert [point.model for point in series_of(figure(), side(*cases)).points if point.outlier] == ["m4"]


def test_a_figure_that_does_not_say_what_to_show_is_refused() -> None:
    for shows in (None, Shows(quantity="load_weights")):
        with pytest.raises(HarnessError, match=r"figure-8/figure\.yaml: 'shows' must name quantity and x"):
            series_of(figure().model_copy(update={"shows": shows}), side(case("a", 1, 1.0)))


# As the paper's figures state them, to the printed digits: slope, intercept, r, R², points of the line, bars.
PAPER = {
    "3": (0.032126, 0.0421, 0.9914, 0.9829, 10, 10),
    "4": (3.637598, 0.1926, 0.9995, 0.9990, 10, 10),
    "5": (0.007461, -2.56, 0.8834, 0.7804, 10, 10),
    "6": (0.005139, -0.947, 0.9464, 0.8957, 10, 10),
    "7": (0.011143, 0.6459, 0.9615, 0.9244, 7, 9),
    "8": (0.047611, 0.8744, 0.9929, 0.9859, 10, 10),
    "9": (0.026562, 0.2595, 0.9996, 0.9992, 7, 7),
    "15": (0.013376, 0.8242, 0.9629, 0.9273, 10, 10),
}


def recorded_side(number: str) -> Side:
    """From the authors' logs, where they are."""
    recorded = RECORDED.need()
    names = {"size_b": "size", "tokenizer_mb": "tokenizer_size", "graph_kb": "compiled_graph_sizes"}
    models = yaml.safe_load((recorded / "models_config.json").read_text())
    facts = {model: {axis: stated[key] for axis, key in names.items()} for model, stated in models.items()}
    folder = recorded / (f"figure-{number}" if number in ("7", "9", "15") else "figure-rest")
    (paper,) = paper_sides(recorded_rows(folder, number), facts)
    return paper


def shipped_side(number: str) -> Side:
    """From the numbers beside the figure's plot.py."""
    (paper,) = paper_sides(read_paper(ROOT / "figures" / f"figure-{number}" / PAPER_CSV), paper_facts())
    return paper


@pytest.mark.parametrize("number", PAPER)
@pytest.mark.parametrize("source", [recorded_side, shipped_side])
def test_the_papers_own_lines_come_out_to_the_printed_digits(number: str, source: Callable[[str], Side]) -> None:
    series = series_of(load_figure(number, Workspace(ROOT)), source(number))
    line = series.line
    assert line is not None
    slope, intercept, r, r2, n, bars = PAPER[number]
    printed = (round(line.slope, 6), round(line.intercept, 4), round(line.r, 4), round(line.r2, 4), line.n)
    assert printed == (slope, intercept, r, r2, n)
    assert len(series.points) == bars
    assert all(point.seconds.n == 5 and point.by == LOG for point in series.points)
