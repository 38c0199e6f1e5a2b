"""Drawings inside the page: several in one document, in the page's colours, with texts that stay texts."""

import re
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from harness.show.report.font import font_faces
from harness.show.report.svg import inline_svg, texts
from harness.show.style import BLACK, ORANGE, style

HOSTILE = "</svg><script>alert(1)</script> & \"'"


def drawing() -> Figure:
    with style():
        figure = Figure(figsize=(3, 2))
        axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
        axes.bar([0, 1], [1, 2], color=[BLACK, ORANGE], hatch="//", edgecolor=BLACK)
        axes.plot([0, 1], [1.123456, 2], color="#808080")
        axes.set_title(HOSTILE)
    return figure


@pytest.fixture(scope="module")
def svg() -> str:
    return inline_svg(drawing(), "f2-paper", "Figure 2")


def test_ids_are_kept_only_where_something_refers_to_them_and_are_the_drawings_own(svg: str):
    ids = re.findall(r'\bid="([^"]+)"', svg)
    referred = {name for pair in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg) for name in pair if name}
    assert ids
    assert set(ids) == referred
    assert len(ids) == len(set(ids))
    assert all(name.startswith("f2-paper-") for name in ids)


def test_lines_and_texts_are_the_pages_ink_and_black_fills_stay_black(svg: str):
    root = ET.fromstring(svg)
    styles = [element.get("style", "") for element in root.iter() if not element.tag.endswith("pattern")]
    assert any("stroke:var(--ink)" in each for each in styles)
    assert any("fill:var(--paper)" in each for each in styles)
    assert any("stroke:color-mix(in srgb,var(--ink) 50%,var(--paper))" in each for each in styles)
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        assert "fill:var(--ink)" in text.get("style", "")
    patterns = "".join(
        ET.tostring(each, encoding="unicode") for each in root.iter("{http://www.w3.org/2000/svg}pattern")
    )
    assert "fill:color-mix(in srgb,#e69f00 var(--fill),var(--paper))" in patterns
    assert "fill:#000000" in patterns
    assert "var(--ink)" not in patterns


def test_texts_stay_texts_and_cannot_become_elements(svg: str):
    assert HOSTILE in " ".join(texts(svg))
    assert "<script" not in svg
    assert 'role="img"' in svg
    assert "<style" not in svg
    assert "<metadata" not in svg


def test_the_same_drawing_makes_the_same_bytes_whatever_the_users_settings_are(svg: str):
    with mpl.rc_context({"svg.hashsalt": None, "font.size": 30, "svg.fonttype": "path"}):
        assert inline_svg(drawing(), "f2-paper", "Figure 2") == svg


def test_coordinates_are_no_finer_than_a_page_shows(svg: str):
    assert not re.search(r' d="[^"]*\.\d{3}', svg)


def test_the_font_holds_the_characters_that_are_used_in_both_weights():
    faces = font_faces(["Start ± 95 %", "→"])
    assert faces.count("@font-face") == 2
    assert "font-weight:700" in faces
    assert len(faces) < 20_000
    assert font_faces([]) == ""
    assert font_faces(["Start ± 95 %", "→"]) == faces
