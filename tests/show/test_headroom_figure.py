"""The head-room figure: drawn from slots alone, readable, and saying whose data it shows and how it was made."""

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from rich.console import Console

from harness.commands.headroom.slot import HeadroomSource, write_headroom_slot
from harness.record.headroom_tables import HEADROOM_TABLES, MEMORY, POINTS, STUDY
from harness.record.study_slot import read_study_slot
from harness.show.headroom import PLOT, draw
from harness.show.study_command import study_plot_command, study_sides
from harness.show.study_page import PAGE_IN
from harness.show.style import SMALLEST_PT, style
from harness.workspace import Workspace
from tests.headroom_slot import NODE, made_point, made_slot

PLOT_FILE = Workspace().figure("headroom") / "plot.py"
PRINTED_IN = 9.9  # the taller of A4 and letter, less margins


def drawn(*folders: Path) -> tuple[list[Figure], list[str], str]:
    """The pages, the words of each, and what is printed."""
    figures, notes = draw(study_sides(PLOT, PLOT_FILE.parent, folders))
    words = [
        " ".join(" ".join(text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)).split())
        for figure in figures
    ]
    out = Console(file=io.StringIO(), width=80)
    for note in notes:
        out.print(note)
    return figures, words, " ".join(out.file.getvalue().split())  # type: ignore[attr-defined]


def small_slot(folder: Path) -> Path:
    """Two settings of one workload, nothing real and nothing traced: two pages."""
    settings = (("none", 0.0), ("naive", 2.0))
    points = [made_point("original", repeat, search, at) for repeat in (0, 1) for search, at in settings]
    source = HeadroomSource(NODE, {"pin": "vllm-0.32.0-cpu"}, {}, {}, {})
    write_headroom_slot(folder, "headroom", points, source)
    return folder


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_slot(tmp_path_factory.mktemp("figure") / "node0", every=5)


@pytest.fixture(scope="module")
def whole(slot: Path) -> tuple[list[Figure], list[str], str]:
    return drawn(slot)


def test_each_page_says_whose_data_how_many_and_how_it_was_made(whole: tuple[list[Figure], list[str], str]) -> None:
    figures, words, _ = whole
    assert len(figures) == 4
    parts = (
        ("n=3 seeds", "95 % t interval", "original (generated, 300 requests, load 0.9, 257 blocks)", "20 ms + 400 µs",
         "calibrated on steps of a real engine of this model's structural twin (random weights), R² 0.970",
         "Blocks of 16 tokens; mode swap: 512 CPU blocks."),
        ("paired seeds", "leave one out", "fewest preemptions among the points", "TTFT ≤ 20.0 × and TPOT ≤ 4.0 × what"),
        ("12 of 12 points have all counts", "12,345 held-out steps (of points by",
         "are off by 5.3% in the median, their sum by -2.2%", "n=12 points, one run each"),
        ("One trace each (real, sim), so no interval.",),
    )  # fmt: skip
    for said, wanted in zip(words, parts, strict=True):
        for part in ("on another machine (2 cores", "vllm-0.32.0-cpu", *wanted):
            assert part in said, part


def test_no_panel_is_empty(whole: tuple[list[Figure], list[str], str]) -> None:
    figures, _, _ = whole
    assert [len(figure.axes) for figure in figures] == [24, 11, 3, 9]
    for figure in figures:
        assert all(axes.has_data() for axes in figure.axes)


def test_pages_can_be_printed_and_read(whole: tuple[list[Figure], list[str], str]) -> None:
    for figure in whole[0]:
        assert figure.get_figwidth() == PAGE_IN
        assert figure.get_figheight() <= PRINTED_IN
        with style():
            figure.canvas.draw()
            drawn_in = figure.get_tightbbox()
        assert 0 <= drawn_in.x0 < drawn_in.x1 <= PAGE_IN  # nothing is cut off
        assert 0 <= drawn_in.y0 < drawn_in.y1 <= figure.get_figheight()
        shown = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
        assert min(text.get_fontsize() for text in shown) >= SMALLEST_PT
        assert not [text for text in shown if "$" in text.get_text()]


def test_what_is_printed_states_the_findings(whole: tuple[list[Figure], list[str], str]) -> None:
    _, _, printed = whole
    assert "original, opt-125m, recompute: against none (160.7 preemptions), n=3 seeds" in printed
    assert "chosen on the other seeds and reported on the one left out" in printed
    assert "original, opt-125m, recompute: probabilistic (z=2) against the best factor" in printed
    assert ": better (fewer preemptions" in printed
    assert "dialogues, opt-125m, recompute: target 1.8 never binds (1 of 6 points" in printed
    assert "original, opt-125m, recompute: on the Pareto front preemptions–throughput: naive" in printed
    assert "by step, 12 of 12 points have all counts equal" in printed
    assert "…" not in printed


def test_without_real_and_traced_points_their_pages_are_left_out(tmp_path: Path) -> None:
    figures, _, printed = drawn(made_slot(tmp_path / "node0", every=30, real=False, traced=False))
    assert len(figures) == 2
    assert "Simulated only: this slot has no point of the real engine." in printed


def test_one_seed_has_no_interval_and_says_so(tmp_path: Path) -> None:
    _, words, printed = drawn(made_slot(tmp_path / "node0", repeats=1, every=30, real=False, traced=False))
    assert "n=1 seed (exact replays, so no interval)" in words[0]
    assert "so its luck is included" in words[1]
    assert "±" not in printed.replace("± and []", "")
    assert "no interval (one repeat)" in printed


def test_a_search_that_was_not_made_has_no_panel(tmp_path: Path) -> None:
    figures, words, _ = drawn(small_slot(tmp_path / "node0"))
    assert [len(figure.axes) for figure in figures] == [4, 3]
    assert "The step-time model of opt-125m is not recorded." in words[0]


def test_two_models_have_pages_of_their_own(tmp_path: Path) -> None:
    settings = (("none", 0.0), ("naive", 2.0))
    points = [
        replace(made_point("original", repeat, search, at), model=model, case=f"{model}-{repeat}-{search}")
        for model in ("opt-125m", "opt-350m")
        for repeat in (0, 1)
        for search, at in settings
    ]
    write_headroom_slot(tmp_path / "node0", "headroom", points, HeadroomSource(NODE, {}, {}, {}, {}))
    figures, words, _ = drawn(tmp_path)
    assert [len(figure.axes) for figure in figures] == [4, 4, 1, 2, 2]
    assert "original, opt-350m" in words[2]
    assert "By workload (opt-350m)" in words[4]


def test_every_slot_has_its_pages(tmp_path: Path) -> None:
    for name in ("node0", "node1"):
        small_slot(tmp_path / name)
    _, words, _ = drawn(tmp_path)
    wanted = [f"(slot {name})" for name in ("node0", "node0", "node1", "node1")]
    assert all(slot in said for slot, said in zip(wanted, words, strict=True))


def test_the_slot_reads_back_and_names_all_its_cases(slot: Path) -> None:
    found = read_study_slot(slot, HEADROOM_TABLES, STUDY)
    cases = {case["case"] for case in found.manifest["cases"]}
    for table in (POINTS, MEMORY):
        assert {row[0] for row in found.tables[table.name]} <= cases
    assert found.manifest["slo"] == {"ttft": 20.0, "tpot": 4.0}


def test_the_script_draws_a_copied_slot_from_anywhere_with_the_same_bytes_and_its_pages_as_one_image(
    tmp_path: Path,
) -> None:
    slot = small_slot(tmp_path / "node0")
    assert study_plot_command(str(PLOT_FILE), PLOT, ["--data", str(slot), "--out", str(tmp_path / "here")]) == 0
    shutil.copytree(slot, tmp_path / "copied" / "node0")
    out = tmp_path / "out"
    command = [sys.executable, str(PLOT_FILE), "--data", str(tmp_path / "copied"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "original, opt-125m, recompute: against none" in done.stdout
    names = [f"figure-headroom.{kind}" for kind in ("pdf", "png")]
    assert done.stdout.splitlines()[-2:] == [str(out / name) for name in names]
    pdf, png = [(out / name).read_bytes() for name in names]
    assert [pdf, png] == [(tmp_path / "here" / name).read_bytes() for name in names]
    assert b"/Count 2" in pdf
    height, width, _ = matplotlib.image.imread(io.BytesIO(png)).shape
    heights = [figure.get_figheight() for figure in drawn(slot)[0]]
    assert (width, height) == (int(300 * PAGE_IN), sum(int(300 * each) for each in heights))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "no slot folder (data.csv, manifest.json) here; bash run_figure.sh headroom makes one"),
        (lambda slot: (slot / "memory.csv").unlink(), "memory.csv"),
        (lambda slot: (slot / "points.csv").write_text("case\n"), "points.csv: changed since it was written"),
        (lambda slot: (slot / "manifest.json").write_text("[]"), "no manifest of schema 1; copy the slot again"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], object], message: str
) -> None:
    slot = made_slot(tmp_path / "data" / "node0", repeats=1, every=30, real=False, traced=False)
    spoil(slot)
    out = tmp_path / "out"
    assert study_plot_command(str(PLOT_FILE), PLOT, ["--data", str(slot.parent), "--out", str(out)]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("error: ")
    assert message in said.err
    assert not out.exists()


def test_a_slot_without_points_of_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = HeadroomSource(NODE, {}, {}, {}, {})
    write_headroom_slot(tmp_path / "node0", "headroom", [made_point("original", 0, "naive", 2)], source)
    assert study_plot_command(str(PLOT_FILE), PLOT, ["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "slot node0: no workload has simulated points of the search none" in capsys.readouterr().err
