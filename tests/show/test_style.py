import re
from pathlib import Path

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from harness.errors import HarnessError
from harness.show.style import SMALLEST_PT, fitted, save, style, text_width_in, tint


def simple() -> Figure:
    with style():
        figure = Figure(figsize=(2, 2))
        figure.add_axes((0.2, 0.2, 0.7, 0.7)).bar([1, 2], [3, 4], hatch="//")
    return figure


def test_the_same_drawing_has_the_same_bytes(tmp_path: Path) -> None:
    one, two = save(simple(), tmp_path / "a", "figure2"), save(simple(), tmp_path / "b", "figure2")
    assert [path.name for path in one] == ["figure2.pdf", "figure2.png"]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_nothing_but_the_figure_is_left_in_the_folder(tmp_path: Path) -> None:
    save(simple(), tmp_path, "figure2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure2.pdf", "figure2.png"]


def test_the_users_own_settings_do_not_reach_the_figure(tmp_path: Path) -> None:
    plain = save(simple(), tmp_path / "a", "f")
    with mpl.rc_context({"font.size": 30, "savefig.dpi": 10, "pdf.fonttype": 3, "axes.facecolor": "red"}):
        styled = save(simple(), tmp_path / "b", "f")
    assert [path.read_bytes() for path in plain] == [path.read_bytes() for path in styled]


def test_the_pdf_embeds_its_fonts_as_truetype_and_says_nothing_about_when(tmp_path: Path) -> None:
    pdf, _ = save(simple(), tmp_path, "f")
    content = pdf.read_bytes()
    assert re.search(rb"/Subtype /CIDFontType2", content)
    assert b"/Type3" not in content
    assert b"CreationDate" not in content


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="cannot write f: File exists; name another folder with --out"):
        save(simple(), tmp_path / "file", "f")


def test_a_tint_goes_from_the_colour_to_white() -> None:
    assert tint("#000000", 0) == (0, 0, 0)
    assert tint("#000000", 1) == (1, 1, 1)
    assert tint("#800000", 0.5)[1:] == (0.5, 0.5)


@given(st.text(min_size=1, max_size=60), st.floats(0.3, 4.0), st.sampled_from(["normal", "bold"]))
def test_a_name_is_set_smaller_then_cut_and_never_too_small_to_read(text: str, width_in: float, weight: str) -> None:
    shown, points = fitted(text, 7.5, width_in, weight)
    assert SMALLEST_PT <= points <= 7.5
    assert text_width_in(shown, points, weight) <= 1.002 * width_in
    assert shown[:-1] == fitted(text, 7.5, 100.0)[0][: len(shown) - 1]
