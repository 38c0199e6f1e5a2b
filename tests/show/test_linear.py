import io
from dataclasses import replace

import pytest
from rich.console import Console

from harness.analyse.dataset import Repeat, Side
from harness.errors import HarnessError
from harness.show.linear import draw
from harness.spec.figure import Shows
from tests.show.linear_sides import (
    FIGURE,
    PAPER_NODE,
    QUANTITY,
    SITUATIONS,
    bars,
    data,
    insets,
    panels,
    side,
    texts,
    words,
)


def test_each_side_has_a_panel_a_look_and_a_line_of_its_own() -> None:
    figure, _ = draw(data(*SITUATIONS["mine, merged, paper"]))
    faces = [{(patch.get_facecolor(), patch.get_hatch()) for patch in bars(axes)} for axes in panels(figure)]
    assert len(faces) == len(insets(figure)) == 3
    own, merged, paper = ({look for look in looks if look[0] != (1, 1, 1, 1)} for looks in faces)  # dashed: white
    assert len(own | merged | paper) == 3
    assert all(len(axes.lines[-1].get_xdata()) == 2 for axes in insets(figure))
    said = words(figure)
    for label in ("this machine", "merged: 192 CPUs of", f"paper, {PAPER_NODE}", "Each panel has its own scale"):
        assert label in said


def test_bars_stand_in_order_of_size_with_mean_value_and_interval() -> None:
    figure, _ = draw(data(side(models=("big", "small", "middle"), sizes=[9, 0.5, 4], n=3)))
    (axes,) = panels(figure)
    heights = [bar.get_height() for bar in bars(axes)]
    assert heights == sorted(heights)
    assert [text.get_text() for text in axes.texts] == [f"{height:.{2 if height >= 1 else 3}f}" for height in heights]
    assert len(axes.collections) == 3  # one interval each
    names = [text.get_text() for text in texts(figure)]
    assert [name for name in names if name in ("0.5", "small", "4", "middle", "9", "big")][:6] == [
        *("0.5", "small", "4", "middle", "9", "big")
    ]


def test_what_is_outside_the_fit_is_white_and_dashed_and_said() -> None:
    figure, _ = draw(data(side("paper", sizes=[float(number) for number in range(1, 10)])))
    white = [bar for bar in bars(panels(figure)[0]) if bar.get_facecolor() == (1, 1, 1, 1)]
    assert len(white) == len(FIGURE.shows.outside_fit if FIGURE.shows else ()) == 2
    assert "Dashed, not part of the line: qwen-14.3b, deepseek-v2-lite-16b." in words(figure)


def test_the_caption_says_whose_data_on_what_how_often_and_what_is_missing() -> None:
    models = FIGURE.models[:4]
    said = words(draw(data(side(models=models, n=3, notes=("iterations differ: 3 and 5",))))[0])
    for fact in (
        "Measured on this machine (slot node0): 2 cores of Example CPU, 8 GB; vLLM 0.32.0.",
        "Means of n=3 starts ± 95 % t interval of the mean.",
        "All models are structural twins (random weights).",
        "iterations differ: 3 and 5.",
        "Seconds by spans.",
        "Declared, without data here: qwen-4b,",
    ):
        assert fact in said, fact
    paper = words(draw(data(side("paper", n=1)))[0])
    for fact in ("The paper's recorded data (slot node0), n1", "vLLM 0.10.1.1", "n=1 start each", "Seconds by log."):
        assert fact in paper, fact
    assert "twins" not in paper


def test_two_points_have_no_line_and_no_r() -> None:
    figure, _ = draw(data(side(models=("a", "b"))))
    assert insets(figure) == []
    assert "No line: it needs three points" in words(figure)


def test_a_side_without_the_quantity_is_a_line_of_text_beside_the_other_panel() -> None:
    figure, notes = draw(data(side(quantity="load_weights"), side("paper")))
    assert len(panels(figure)) == 1
    sentence = "this machine: the engine's starts have no kv_cache_profiling phase"
    assert sentence in words(figure)
    assert str(notes[-1]) == sentence


def test_nothing_to_draw_is_an_error_that_names_every_side() -> None:
    empty = Side("node1", "merged", "another machine", ())
    with pytest.raises(HarnessError) as error:
        draw(data(side(quantity="load_weights"), empty))
    assert "this machine: the engine's starts have no kv_cache_profiling phase" in str(error.value)
    assert "merged: another machine: no measured start counts" in str(error.value)


def test_the_printed_table_has_every_point_the_fit_and_its_outliers() -> None:
    models = tuple(f"model-{number}" for number in range(9))
    sizes = [float(number) for number in range(1, 10)]
    plain = side("paper", models, 1, sizes)
    far = Repeat("measured", "1", log={QUANTITY: 50.0})
    cases = tuple(replace(case, repeats=(far,)) if case.model == "model-4" else case for case in plain.cases)
    wide = FIGURE.model_copy(update={"models": models, "shows": Shows(quantity=QUANTITY, x="size_b")})
    _, notes = draw(data(replace(plain, cases=cases), figure=wide))
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(*notes)
    printed = console.export_text()
    assert all(model in printed for model in models)
    assert "R²=" in printed
    assert "n=9 points; outliers: model-4" in " ".join(printed.split())


def test_a_hostile_name_is_drawn_and_printed_as_plain_text() -> None:
    models = ("a\x1b[31m", "$x^2$", "[bold]b[/bold]")
    figure, notes = draw(data(side(models=models)))
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(*notes)
    printed = console.export_text()
    assert "[bold]b[/bold]" in printed
    assert "\x1b" not in printed + words(figure)
    assert "$x^2$" in words(figure)
