import re
from dataclasses import replace

import pytest
from matplotlib.figure import Figure

from harness.analyse.dataset import CaseData, Loading, Side
from harness.analyse.formats import cases_by_format
from harness.show.formats import draw
from tests.recorded_sides import recorded_side
from tests.show.column_sides import LONG, case, data, flat, printed, side
from tests.show.test_startup_figure import assert_readable, texts, words

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
ANSWER, OTHER = list(range(16)), [0, 1, 5, *range(3, 16)]


def loaded(
    model: str, load_format: str, storage: str = "ram", answer: list[int] = ANSWER, size: int = 1_240_000_000
) -> CaseData:
    """A case of which it is known how much was loaded from where, and what the engine answered."""
    made = case(model, load_format=load_format)  # load_weights: 0.62 s
    told = {
        "loading": Loading(size, None, None, proven=True, direct=load_format == "runai_streamer"),
        "output": {"token_ids": answer},
    }
    return replace(made, state={"storage": storage}, repeats=tuple(replace(each, **told) for each in made.repeats))


@pytest.fixture(scope="module")
def paper() -> Side:
    return recorded_side("figure-14", "14")


def words_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in texts(figure)]


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
    assert "Not measured: tensorizer, fastsafetensors" in flat(said)
    assert printed(notes)


def test_bytes_and_bytes_per_second_stand_at_own_bars_and_not_at_the_papers() -> None:
    paper = replace(OWN, whose="paper")
    own = side(*(loaded(model, name) for model in CLAIMED for name in ("safetensors", "fastsafetensors")))
    figure, notes = draw(data("14", own, paper))
    assert_readable(figure)
    rates = [text.partition(", ")[2] for text in words_of(figure) if text.endswith("GB/s")]
    assert len(rates) == 8
    assert all(re.fullmatch(r"(1\.9|2\.0)\d \((1\.9|2\.0)\d–(1\.9|2\.0|2\.1)\d\) GB/s", rate) for rate in rates), rates
    assert words_of(figure).count("1.24 GB") == len(CLAIMED)
    table = flat(printed(notes))
    assert table.count("GB/s 95 %") == 1
    assert table.count("ram equal") == 8


def test_formats_that_load_from_different_storage_are_told_apart_in_the_key_and_why_in_the_caption() -> None:
    own = side(loaded("yi-6b", "safetensors"), loaded("yi-6b", "runai_streamer", "ssd"))
    figure, _ = draw(data("14", own))
    assert {"safetensors (ram)", "runai_streamer (ssd)"} <= set(words_of(figure))
    said = flat(words(figure))
    levels = "safetensors: ram (in memory, proven), runai_streamer: ssd (evicted, proven)"
    assert f"Storage of the weights – {levels}." in said
    assert "runai_streamer reads with O_DIRECT, past the page cache: it has no warm case." in said


@pytest.mark.parametrize(
    ("storage", "said"),
    [("ssd", "ssd (evicted, proven)"), ("path:nvme-1a2b3c4d", "path:nvme-1a2b3c4d (evicted, on another disk, proven)")],
)
def test_one_storage_for_all_formats_is_said_once_and_not_in_the_key(storage: str, said: str) -> None:
    own = side(*(loaded("yi-6b", name, storage) for name in ("safetensors", "fastsafetensors")))
    figure, _ = draw(data("14", own))
    assert {"safetensors", "fastsafetensors"} <= set(words_of(figure))
    assert f"Storage of the weights – node0: {said}." in flat(words(figure))
    assert "O_DIRECT" not in words(figure)


def test_equal_answers_of_every_model_are_one_sentence() -> None:
    own = side(*(loaded(model, name) for model in CLAIMED for name in ("safetensors", "runai_streamer")))
    said = flat(words(draw(data("14", own))[0]))
    assert said.count("Weights equal as far as greedy answers tell: safetensors and runai_streamer answered") == 1


def test_a_format_that_answers_otherwise_is_drawn_marked_and_named() -> None:
    formats = [loaded("yi-6b", "safetensors"), loaded("yi-6b", "runai_streamer", "ssd", answer=OTHER)]
    figure, notes = draw(data("14", side(*formats, *(loaded("falcon-7b", name) for name in FORMATS))))
    assert_readable(figure)
    assert sum(text.startswith("≠ 0.93 ") for text in words_of(figure)) == 1
    said = flat(words(figure))
    assert "≠ Weights not equal by their answers (yi-6b): runai_streamer answered otherwise than safetensors" in said
    assert "Weights equal as far as greedy answers tell (falcon-7b)" in said
    table = flat(printed(notes))
    assert "ssd NOT EQUAL" in table
    assert table.count("ram equal") == 4


def test_starts_from_before_answers_were_recorded_are_drawn_without_a_verdict() -> None:
    figure, notes = draw(data("14", OWN))
    said = flat(words(figure))
    assert "Weights not compared: no start stated its answer." in said
    assert "GB" not in said
    assert "Storage" not in said
    assert "GB/s" not in printed(notes)


def test_a_checkpoint_of_another_size_in_one_format_is_a_range() -> None:
    own = side(loaded("yi-6b", "safetensors"), loaded("yi-6b", "tensorizer", size=1_320_000_000))
    assert "1.24 to 1.32 GB" in words_of(draw(data("14", own))[0])


def test_no_number_is_cut_for_a_long_name_or_a_slow_start() -> None:
    slow = [replace(loaded(LONG, name), repeats=case(LONG, 150).repeats) for name in ("safetensors", "runai_streamer")]
    own = side(
        *slow, *(loaded(LONG + "-b", name, answer=OTHER if name == "runai_streamer" else ANSWER) for name in FORMATS)
    )
    figure, notes = draw(data("14", own))
    assert_readable(figure)
    shown = [cell for line in printed(notes).splitlines() for cell in line.split()[1:]]
    assert not [cell for cell in shown if "…" in cell]


def test_hostile_names_are_drawn_and_printed_as_plain_text() -> None:
    figure, notes = draw(data("14", side(case("模型$x^2$\x1b[2J" + "z" * 300, load_format="[red]\x07" + "y" * 300))))
    assert_readable(figure)
    assert (words(figure) + printed(notes)).replace("\n", "").isprintable()


def test_a_format_without_a_value_has_no_bar_but_a_word() -> None:
    figure, _ = draw(data("14", side(case("yi-6b", n=0, load_format="safetensors"))))
    assert_readable(figure)
    assert "not stated by any measured start" in words(figure)
