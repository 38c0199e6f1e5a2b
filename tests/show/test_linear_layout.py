import itertools

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from matplotlib.axis import Tick
from matplotlib.figure import Figure as Drawing
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D

from harness.analyse.dataset import CaseData, Repeat, Side
from harness.show.linear import draw
from harness.show.style import style
from tests.show.linear_sides import QUANTITY, SITUATIONS, bars, data, insets, panels, texts


def shapes(figure: Drawing) -> list[tuple[str, Path]]:
    """Every text that is drawn, as the (turned) rectangle it covers, in pixels."""
    figure.set_dpi(300)
    with style():
        figure.draw_without_rendering()
    hidden = {label for tick in figure.findobj(Tick) for label in (tick.label1, tick.label2)}  # type: ignore[attr-defined]
    for axes in filter(lambda axes: axes.axison, figure.axes):
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            hidden -= {tick.label1 for tick in axis.get_major_ticks() if limits[0] <= tick.get_loc() <= limits[1]}
    return [(text.get_text(), _shape(text)) for text in texts(figure) if text not in hidden]


def _shape(text: Text) -> Path:
    angle = text.get_rotation()
    if angle in (0, 90):
        return _rectangle(text.get_window_extent().extents)
    text.set_rotation(0)
    width, height = text.get_window_extent().size
    text.set_rotation(angle)
    assert (text.get_ha(), text.get_va(), text.get_rotation_mode()) == ("right", "center", "anchor")
    x, y = text.get_transform().transform(text.get_position())
    return _rectangle((-width, -height / 2, 0, height / 2)).transformed(Affine2D().rotate_deg(angle).translate(x, y))


def _rectangle(extents: object) -> Path:
    left, bottom, right, top = extents  # type: ignore[misc]
    return Path([(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)], closed=True)


def assert_readable(figure: Drawing) -> None:
    """No text leaves the page or meets another, no inset meets a bar, an interval or a value."""
    placed = shapes(figure)
    page = figure.bbox
    for text, shape in placed:
        (left, bottom), (right, top) = shape.vertices.min(axis=0), shape.vertices.max(axis=0)
        assert left >= page.x0 - 1 and bottom >= page.y0 - 1 and right <= page.x1 + 1 and top <= page.y1 + 1, text  # noqa: PT018
    letters = [(text, _smaller(shape)) for text, shape in placed]
    extents = {id(shape): shape.get_extents() for _, shape in letters}
    for (one, shape), (two, other) in itertools.combinations(letters, 2):
        near = extents[id(shape)].overlaps(extents[id(other)])
        assert not (near and shape.intersects_path(other)), f"{one!r} meets {two!r}"
    for inset in insets(figure):
        box = inset.get_tightbbox()
        assert box is not None
        for axes in panels(figure):
            for artist in (*bars(axes), *axes.texts):
                assert not box.overlaps(artist.get_window_extent()), artist


def _smaller(shape: Path) -> Path:
    """Without the room that a font keeps above and below its letters."""
    middle = np.asarray(shape.vertices)[:4].mean(axis=0)
    return Path(middle + (np.asarray(shape.vertices) - middle) * 0.72, closed=True)


@pytest.mark.parametrize("sides", SITUATIONS.values(), ids=SITUATIONS)
def test_no_text_meets_another_and_no_inset_a_bar(sides: list[Side]) -> None:
    figure, _ = draw(data(*sides))
    assert_readable(figure)


VALUE = st.floats(-0.5, 300) | st.floats(0.001, 0.1)


@settings(max_examples=6, deadline=None, phases=[Phase.generate])  # shrinking would redraw for minutes
@given(st.lists(st.tuples(st.floats(0.01, 3000), st.lists(VALUE, min_size=1, max_size=3)), min_size=1, max_size=16))
def test_any_side_is_drawn_readably(found: list[tuple[float, list[float]]]) -> None:
    cases = []
    for number, (size, values) in enumerate(found):
        repeats = tuple(Repeat("measured", str(run), log={QUANTITY: value}) for run, value in enumerate(values))
        cases.append(CaseData(f"model-{number}", False, {}, {"size_b": size}, repeats))
    figure, _ = draw(data(Side("node0", "mine", "a machine", tuple(cases))))
    assert_readable(figure)
    assert len(bars(panels(figure)[0])) == len(found)
