"""The anatomy figure: drawn from slots alone, readable, and saying whose data it shows and what it may not say."""

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.record.anatomy_tables import ANATOMY_TABLES, SPLIT_TABLES, STUDY
from harness.record.study_slot import read_study_slot
from harness.show.anatomy import PLOT
from harness.show.study_command import study_plot_command
from harness.show.style import style
from harness.workspace import Workspace
from tests.anatomy_simulation import Wanted
from tests.anatomy_slot import REPEATS, made_slot
from tests.drawn_pages import Drawn, assert_readable, drawn_pages

PLOT_FILE = Workspace().root / "figures" / "figure-anatomy" / "plot.py"
SMALL = Wanted(batches=1, tokens=3, concurrencies=(1,))


def drawn(*folders: Path) -> Drawn:
    return drawn_pages(PLOT, *folders)


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_slot(tmp_path_factory.mktemp("figure") / "node0", [*REPEATS, Wanted(repeat=4, failed=True)])


@pytest.fixture(scope="module")
def whole(slot: Path) -> Drawn:
    return drawn(slot)


def test_four_pages_say_whose_data_how_many_and_what_may_not_be_concluded(whole: Drawn) -> None:
    _, words, _ = whole
    titles = ("where the time goes", "stages", "a few steps", "a request")
    for said, title in zip(words, titles, strict=True):
        assert f"Anatomy (anatomy-twin-01234567): {title}" in said
        assert "Measured on another machine (slot node0; 2 cores" in said
        assert "with vllm-0.32.0-cpu" in said
        assert "Structural twin (random weights, narrow) of qwen2.5-0.5b-instruct" in said
        assert "This is a CPU engine with a twin: how large execution is beside the rest is not that" in said
        assert "1 run failed and is not drawn." in said
        assert "Run 4 failed in load: the engine core ended with exit code 137." in said
    assert all("Means of n=3 runs ± 95 % t interval of the mean." in words[at] for at in (0, 1, 3))
    assert "(repeat 1, n=1), so no interval" in words[2]


def test_the_old_sentence_is_drawn_as_somebody_elses(whole: Drawn) -> None:
    _, words, printed = whole
    assert "the old sentence*" in words[0]
    assert all(f" {share} " in words[0] for share in ("33.0", "29.0", "38.0"))
    assert "* Not measured here:" in words[0]
    assert "authors' profile of Llama-3-8B on one H100" in words[0]
    for said in (words[0], printed):
        assert '38 %": same shape at 8 requests at once: API server 38.2 ± 0.9 %' in said
        assert "(a twin and a CPU engine can say no more)" in said


def test_what_is_printed_has_both_splits_and_how_well_they_were_seen(whole: Drawn) -> None:
    _, _, printed = whole
    assert "CPU seconds without spin, % (n=3, means ± 95 % intervals)" in printed
    assert "wall clock by exclusive cover, % (n=3, means ± 95 % intervals)" in printed
    assert "1 15.5 ± 0.5 22.5 ± 0.7 62.0 ± 1.2" in printed
    assert "engine core's wall clock 100.0 %" in printed
    assert "CPU added by tracing, at most: API server 2.5 %" in printed


def test_pages_can_be_printed_and_read_and_no_panel_is_empty(whole: Drawn) -> None:
    figures, _, _ = whole
    assert [len(figure.axes) for figure in figures] == [2, 6, 1, 2]
    for figure in figures:
        assert_readable(figure)
        assert all(axes.has_data() or axes.patches for axes in figure.axes)


@pytest.mark.parametrize(
    "wanted",
    [
        [SMALL],
        [replace(SMALL, tokens=1)],
        [replace(SMALL, case="x" * 100 + "-01234567", workers=2)],
        [replace(REPEATS[0], costs={"forward": 200_000})],
        [replace(REPEATS[0], concurrencies=(1, 2, 4, 8, 16, 32), batches=1, tokens=2)],
    ],
    ids=["one level", "one token", "a long name and two workers", "long steps", "six levels"],
)
def test_other_slots_are_drawn_as_readably(tmp_path: Path, wanted: list[Wanted]) -> None:
    figures, words, printed = drawn(made_slot(tmp_path / "node0", wanted))
    for figure in figures:
        assert_readable(figure)
    assert "n=1 run, so no interval." in words[0]
    assert "one repeat decides nothing" in printed
    assert "±" not in printed


def test_a_slot_of_failed_runs_alone_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_slot(tmp_path / "node0", [Wanted(failed=True)])
    assert study_plot_command(str(PLOT_FILE), PLOT, ["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "slot node0: no run ended well and no feature was tried; bash run_figure.sh anatomy makes runs" in said.err
    assert not (tmp_path / "out").exists()


def test_the_same_slot_gives_the_same_drawing(tmp_path: Path) -> None:
    slot = made_slot(tmp_path / "node0", [SMALL])
    assert pages_of(slot) == pages_of(slot)


def pages_of(slot: Path) -> list[bytes]:
    """Each page as a PDF without its date."""
    figures, _, _ = drawn(slot)
    files = []
    for figure in figures:
        content = io.BytesIO()
        with style():
            figure.savefig(content, format="pdf", metadata={"CreationDate": None})
        files.append(content.getvalue())
    return files


def test_the_script_draws_a_slot_from_anywhere(tmp_path: Path) -> None:
    slot = made_slot(tmp_path / "node0", [SMALL])
    command = [sys.executable, str(PLOT_FILE), "--data", str(slot), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    paths = [tmp_path / "out" / f"figure-anatomy.{kind}" for kind in ("pdf", "png")]
    assert done.stdout.splitlines()[-2:] == list(map(str, paths))
    assert b"/Count 4" in paths[0].read_bytes()


def test_the_made_up_slot_reads_back(slot: Path) -> None:
    assert read_study_slot(slot, ANATOMY_TABLES, STUDY).manifest["figure"] == "anatomy"
    assert ANATOMY_TABLES[: len(SPLIT_TABLES)] == SPLIT_TABLES
