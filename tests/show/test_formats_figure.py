import pytest

from harness.analyse.dataset import Side
from harness.show.formats import cases_by_format, draw
from tests.recorded_sides import recorded_side
from tests.show.column_sides import LONG, case, data, printed, side
from tests.show.test_startup_figure import assert_readable, words

# Claims f14-streamer-wins and f14-tensorizer-mixed: seconds of model_loading by format.
CLAIMED = {
    "llama2-13b-hf": (3.286, 3.105, 2.041),
    "yi-6b": (1.611, 1.792, 1.011),
    "llama2-7b-hf": (1.836, 1.643, 1.115),
    "falcon-7b": (1.888, 1.964, 1.253),
}
FORMATS = ("safetensors", "tensorizer", "runai_streamer")
OWN = side(
    *(case(model, n=3, load_format=name) for model in ("yi-6b", LONG) for name in ("safetensors", "runai_streamer"))
)


@pytest.fixture(scope="module")
def paper() -> Side:
    return recorded_side("figure-14", "14")


def rows(table: str) -> dict[tuple[str, str], list[str]]:
    cells = [line.split() for line in table.splitlines()]
    return {(line[0], line[1]): line[2:] for line in cells if len(line) == 8 and line[1] in FORMATS}


def test_the_recorded_loading_times_and_ratios_are_the_papers_to_the_printed_digits(paper: Side) -> None:
    _, notes = draw(data("14", paper))
    table = rows(printed(notes))
    for model, claimed in CLAIMED.items():
        for name, seconds in zip(FORMATS, claimed, strict=True):
            assert float(table[model, name][0]) == seconds
            # The claimed ratios are of the printed seconds: the last digit may differ by one.
            assert float(table[model, name][3]) == pytest.approx(seconds / claimed[0], abs=1.1e-3)


def test_the_best_loader_shortens_the_papers_whole_start_by_at_most_four_percent(paper: Side) -> None:
    table = rows(printed(draw(data("14", paper))[1]))
    ratios = {model: float(table[model, "runai_streamer"][5]) for model in CLAIMED}
    assert ratios == {"llama2-13b-hf": 0.963, "yi-6b": 0.984, "llama2-7b-hf": 0.971, "falcon-7b": 0.98}


def test_a_tensorized_model_stands_beside_its_other_formats(paper: Side) -> None:
    found = cases_by_format(paper)
    assert set(found) == set(CLAIMED)
    assert all(set(formats) == set(FORMATS) for formats in found.values())


def test_own_and_papers_sides_are_readable_in_one_column_and_whose_they_are(paper: Side) -> None:
    figure, notes = draw(data("14", OWN, paper))
    assert_readable(figure)
    said = words(figure)
    assert "model loading by format, this machine" in said
    assert "model loading by format, paper, n1" in said
    assert "structural twins" in said
    assert "Not measured: tensorizer" in said
    assert printed(notes)


def test_hostile_names_are_drawn_and_printed_as_plain_text() -> None:
    figure, notes = draw(data("14", side(case("模型$x^2$\x1b[2J" + "z" * 300, load_format="[red]\x07" + "y" * 300))))
    assert_readable(figure)
    assert (words(figure) + printed(notes)).replace("\n", "").isprintable()


def test_a_format_without_a_value_has_no_bar_but_a_word() -> None:
    figure, _ = draw(data("14", side(case("yi-6b", n=0, load_format="safetensors"))))
    assert_readable(figure)
    assert "not stated by any measured start" in words(figure)
