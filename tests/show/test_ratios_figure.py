import pytest
from matplotlib.patches import Rectangle

from harness.analyse.dataset import Side
from harness.show.ratios import draw
from tests.recorded_sides import recorded_side
from tests.show.column_sides import LONG, case, data, flat, printed, side
from tests.show.test_startup_figure import assert_readable, words

CPU0 = side(case("qwen-0.5b"), case("llama3-3b"), case("yi-6b"), slot="cpu0")
CPU1 = side(case("llama3-3b", 0.8), case("yi-6b", 0.7), slot="cpu1", whose="merged", notes=("engines differ",))


def paper(figure: str, *slots: str) -> list[Side]:
    return [recorded_side(f"figure-{figure}/{slot}", figure, slot) for slot in slots]


SITUATIONS = {
    "two slots": [CPU0, CPU1],
    "one slot": [CPU0],
    "one model, one start": [side(case("yi-6b", n=1), slot="cpu0"), side(case("yi-6b", 30, n=1), slot="cpu1")],
    "no common model": [side(case("yi-6b"), slot="cpu0"), side(case("yi-9b"), slot="cpu1")],
    "a long name": [side(case(LONG), slot="cpu0"), side(slot="cpu1")],
}


@pytest.mark.parametrize("sides", SITUATIONS.values(), ids=SITUATIONS)
def test_no_text_overlaps_another_or_leaves_the_page(sides: list[Side]) -> None:
    assert_readable(draw(data("11", *sides))[0])


def test_the_papers_pair_is_drawn_beside_the_own_one_and_never_instead_of_it() -> None:
    figure, notes = draw(data("11", CPU0, CPU1, *paper("11", "cpu0", "cpu1")))
    assert_readable(figure)
    said = words(figure)
    assert "cpu1 / cpu0, this machine and merged" in said
    assert "cpu1 / cpu0, paper" in said
    assert "n3: 2× Xeon 8568Y+, H100 80 GB" in said
    assert printed(notes).count("framework_bootstrap  ") == 2


def test_a_slot_that_is_missing_is_asked_for_and_the_papers_is_drawn() -> None:
    figure, notes = draw(data("11", CPU0, *paper("11", "cpu0", "cpu1")))
    said = words(figure)
    assert "cpu1 missing: run bash run_figure.sh 11 1 on the other machine" in flat(printed(notes))
    assert "cpu1 / cpu0, paper" in said
    assert "this machine" not in said


def test_what_a_side_lacks_is_named_and_has_no_bar() -> None:
    figure, _ = draw(data("11", CPU0, CPU1))
    names = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "graph_capturing" not in names
    said = words(figure)
    assert "not drawn: graph_capturing" in said
    assert "qwen-0.5b (not in cpu1)" in said
    assert "engines differ" in said


def test_a_bar_is_as_long_as_the_ratio_that_stands_at_it() -> None:
    figure, notes = draw(data("10", *paper("10", "gpu0", "gpu1")))
    widths = [patch.get_width() for axes in figure.axes[1:] for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [round(width, 3) for width in widths] == [0.965, 1.006, 1.0, 0.999, 1.001, 1.0, 0.934, 1.197, 0.99]
    assert "1.20 ± 0.20" in words(figure)
    table = printed(notes)
    for model in ("falcon-7b", "llama2-13b-hf", "qwen-14b"):
        assert f" {model} " in table
    assert "…" not in table


def test_half_of_the_papers_recording_is_no_ratio() -> None:
    figure, notes = draw(data("10", *paper("10", "gpu0")))
    assert_readable(figure)
    assert "Only gpu0 of the paper's two slots is given" in printed(notes)


def test_different_arguments_of_the_papers_sides_are_said_not_refused() -> None:
    figure, notes = draw(data("13", *paper("13", "case0", "case1")))
    assert "qwen-14b: max_model_len 16752 / default" in words(figure)
    assert "not alike: qwen-14b: max_model_len 16752 / default" in printed(notes)
