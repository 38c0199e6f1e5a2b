"""What a phase consists of, below its bars: by captured size (figures 8 and 9), or by what loading does (figure 4)."""

import io
import random
from dataclasses import replace

import pytest
from matplotlib.figure import Figure as Drawing
from rich.console import Console

from harness.analyse.dataset import CaseData, Repeat, Side
from harness.analyse.parts import OTHER, Part
from harness.show.linear import draw
from harness.show.parts_panel import MOST_PARTS, MOST_ROWS
from harness.spec.figure import Figure, load_figure
from harness.workspace import Workspace
from tests.show.linear_sides import ROOT, data, side, words
from tests.show.test_startup_figure import assert_readable

CAPTURE, LOAD = (load_figure(number, Workspace(ROOT)) for number in ("9", "4"))
MODELS = load_figure("8", Workspace(ROOT))


def capturing(most: int, n: int = 3, with_parts: bool = True) -> CaseData:
    """Starts that capture 1, 2, 4 and the multiples of 8 up to ``most``: the larger the size, the longer it takes."""
    rng = random.Random(most)
    starts = []
    for number in range(1, n + 1):
        costs = {size: (0.03 + size * 1e-4) * rng.gauss(1, 0.03) for size in (1, 2, 4, *range(8, most + 1, 8))}
        parts = [Part("graph_capturing", str(size), seconds, 2) for size, seconds in costs.items()]
        parts.append(Part("graph_capturing", OTHER, 0.2))
        total = sum(part.seconds for part in parts)
        starts.append(
            Repeat("measured", str(number), {"graph_capturing": total}, parts=tuple(parts) if with_parts else ())
        )
    facts = {"captured_sizes": 3.0 + most // 8, "size_b": most / 50}
    return CaseData(f"model-{most}", False, {}, facts, tuple(starts), "0.25.1")


def loading(model: str, gigabytes: float, more: int = 0) -> CaseData:
    copied = int(gigabytes * 1e9)
    parts = [
        Part("load_weights", "find files", 0.001, 1),
        Part("load_weights", "open", 0.01 * gigabytes, 3, None, 0),
        Part("load_weights", "deserialise", 0.02 * gigabytes, 200, None, 0),
        Part("load_weights", "copy cpu to cuda", 0.1 * gigabytes, 200, copied, copied),
        *(Part("load_weights", f"part number {number}", 0.001 * number, 1) for number in range(more)),
        Part("load_weights", OTHER, 0.03),
    ]
    total = sum(part.seconds for part in parts)
    starts = tuple(Repeat("measured", str(n), {"load_weights": total}, parts=tuple(parts)) for n in (1, 2))
    return CaseData(model, True, {}, {"checkpoint_mb": gigabytes * 1e3}, starts, "0.25.1")


def sides(figure: Figure, *cases: CaseData) -> Drawing:
    return draw(data(Side("node0", "mine", "2 cores of Example CPU, 8 GB", cases), figure=figure))[0]


SITUATIONS = {
    "one list of sizes": (CAPTURE, [capturing(456)]),
    "seven lists": (CAPTURE, [capturing(most) for most in (8, 56, 136, 216, 296, 376, 456)]),
    "one size only": (CAPTURE, [capturing(0)]),
    "five models": (MODELS, [capturing(512 + number) for number in range(5)]),
    "loading": (LOAD, [loading(f"model-{number}", 1.5**number) for number in range(7)]),
    "loading, one case": (LOAD, [loading("m", 0.01)]),
    "loading, many parts and cases": (LOAD, [loading(f"an-organisation/model-{n}", n + 1.0, 12) for n in range(20)]),
}


@pytest.mark.parametrize(("figure", "cases"), SITUATIONS.values(), ids=SITUATIONS)
def test_what_a_phase_consists_of_is_drawn_readably(figure: Figure, cases: list[CaseData]) -> None:
    assert_readable(sides(figure, *cases))


def test_sizes_are_drawn_with_their_own_seconds_and_with_those_of_all_up_to_them() -> None:
    case = capturing(456)
    drawing = sides(CAPTURE, case)
    each, whole = (axes for axes in drawing.axes if len(axes.lines) == 1 and len(axes.lines[0].get_xdata()) == 60)
    costs = dict(zip(*each.lines[0].get_data(), strict=True))
    of_512 = [part.seconds for repeat in case.repeats for part in repeat.parts if part.part == "456"]
    assert costs[456] == pytest.approx(sum(of_512) / len(of_512))
    last = whole.lines[0].get_ydata()[-1]
    assert last == pytest.approx(sum(costs.values()))
    assert last < case.values("graph_capturing")[0], "what belongs to no size is not in it"
    said = words(drawing)
    assert "graph_capturing by captured batch size" in said
    assert "for all sizes up to it" in said


def test_of_many_lists_three_are_drawn_and_the_others_are_said_to_be_in_the_table() -> None:
    cases = [capturing(most) for most in (8, 56, 136, 216, 296, 376, 456)]
    figure, notes = draw(data(Side("node0", "mine", "here", tuple(cases)), figure=CAPTURE))
    assert "4 more in the printed table" in words(figure)
    legend = next(axes.get_legend() for axes in figure.axes if axes.get_legend())
    assert [text.get_text() for text in legend.get_texts()] == ["model-8", "model-216", "model-456"]
    alike = [replace(case, model="one") for case in cases]
    legend = next(axes.get_legend() for axes in sides(CAPTURE, *alike).axes if axes.get_legend())
    assert [text.get_text() for text in legend.get_texts()] == ["4 sizes", "30 sizes", "60 sizes"]
    console = Console(width=100, record=True, file=io.StringIO())
    for note in notes:
        console.print(note)
    printed = console.export_text()
    assert printed.count("model-376") > 40


def test_the_parts_of_loading_fill_each_bar_and_say_how_fast_the_copies_were() -> None:
    drawing = sides(LOAD, *(loading(f"model-{number}", 1.5**number) for number in range(4)))
    bars = next(axes for axes in drawing.axes if axes.get_xlabel() == "% of the phase")
    widths = [patch.get_width() for patch in bars.patches]
    assert sum(widths) == pytest.approx(400)
    said = words(drawing)
    assert said.count("10 GB/s") == 4
    assert "Right: bytes copied from host memory in a second of copying." in said
    for name in ("find files", "open", "deserialise", "copy cpu to cuda", OTHER):
        assert name in said


def test_copies_within_the_gpu_fill_the_bar_and_say_no_rate() -> None:
    parts = (Part("load_weights", "copy cuda to cuda", 0.001, 200, 10**9), Part("load_weights", OTHER, 0.5))
    start = Repeat("measured", "1", {"load_weights": 0.501}, parts=parts)
    case = CaseData("m", True, {}, {"checkpoint_mb": 1e3}, (start,), "0.25.1")
    figure, notes = draw(data(Side("node0", "mine", "here", (case,)), figure=LOAD))
    console = Console(width=100, record=True, file=io.StringIO())
    for note in notes:
        console.print(note)
    said, printed = words(figure), console.export_text()
    assert "copy cuda to cuda" in said
    assert "copied from host memory" not in said
    row = next(line for line in printed.splitlines() if "copy cuda to cuda" in line)
    assert row.split()[-2:] == ["1000.0", "–"]


def test_numbers_of_another_phase_are_parts_and_no_captured_sizes() -> None:
    numbers = tuple(Part("load_weights", str(size), 0.1, 1) for size in (8, 16, 8192))
    start = Repeat("measured", "1", {"load_weights": 0.3}, parts=numbers)
    said = words(sides(LOAD, CaseData("m", True, {}, {"checkpoint_mb": 1e3}, (start,), "0.25.1")))
    assert "by captured batch size" not in said
    assert "what load_weights consists of" in said


def test_more_parts_and_cases_than_fit_are_put_together_or_left_to_the_table() -> None:
    cases = [loading(f"model-{number}", number + 1.0, 12) for number in range(MOST_ROWS + 3)]
    drawing = sides(LOAD, *cases)
    bars = next(axes for axes in drawing.axes if axes.get_xlabel() == "% of the phase")
    assert len(bars.patches) == MOST_PARTS * MOST_ROWS
    assert sum(patch.get_width() for patch in bars.patches) == pytest.approx(100 * MOST_ROWS)
    assert "3 more cases in the printed table" in words(drawing)


def test_a_side_whose_starts_tell_no_parts_is_drawn_as_before() -> None:
    plain, _ = draw(data(side()))
    with_none = sides(CAPTURE, capturing(456, with_parts=False))
    assert "by captured batch size" not in words(with_none)
    assert "consists of" not in words(plain)
    both, _ = draw(
        data(
            Side("node0", "mine", "here", (capturing(456), capturing(56), capturing(136))),
            replace(Side("node0", "paper", "n1", (capturing(56, with_parts=False),)), notes=("old",)),
            figure=CAPTURE,
        )
    )
    assert_readable(both)
    assert words(both).count("by captured batch size") == 1
