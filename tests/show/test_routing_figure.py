"""The routing figure: drawn from slots alone, readable, and saying whose data it shows, how often, and what failed."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.text import Text

from harness.record.routing_tables import ROUTING_TABLES, RUNS, STUDY
from harness.record.study_slot import StudySlot, read_study_slot
from harness.show.routing import PLOT
from harness.show.study_command import StudySide, study_plot_command, study_sides
from harness.workspace import Workspace
from tests.drawn_pages import Drawn, assert_readable, drawn_pages
from tests.routing_slot import Made, made_slot

PLOT_FILE = Workspace().root / "figures" / "figure-routing" / "plot.py"
SMALL = Made(("two-replicas",), ("power-of-two", "prefix"), 1, warm=False, simulated=False, failing=False, requests=12)


def drawn(*folders: Path) -> Drawn:
    return drawn_pages(PLOT, *folders)


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_slot(tmp_path_factory.mktemp("figure") / "node0", Made())


@pytest.fixture(scope="module")
def whole(slot: Path) -> Drawn:
    return drawn(slot)


def test_each_label_has_four_pages_that_say_whose_data_and_how_many(whole: Drawn) -> None:
    _, words, _ = whole
    titles = ("what a client sees", "why", "over time", "simulated")
    labels = ("no-chunked-prefill", "two-replicas")
    assert len(words) == 8
    for said, (label, title) in zip(words, [(label, title) for label in labels for title in titles], strict=True):
        assert f"Routing ({label}): {title}" in said
        assert "Measured on another machine (slot node0; 2 cores" in said
        assert "with ray-2.60-vllm-0.32.0-cpu" in said
        assert "Structural twin (random weights) of qwen2.5-0.5b-instruct" in said
        assert "n=3 runs a strategy (random n=2)" in said or "(repeat 1, n=1), so no interval" in said


def test_errors_and_failed_runs_stand_on_every_page(whole: Drawn) -> None:
    for said in whole[1]:
        assert "Client errors: 12 of 1,020 requests failed (prefix 12)." in said
        assert "1 run failed and is not drawn (random)." in said
        assert "Run 3 of random failed in load: the engine of replica 1 ended with exit code 137." in said


def test_how_the_routers_were_set_is_drawn_and_printed(whole: Drawn) -> None:
    _, words, printed = whole
    settings = "imbalanced_threshold=10, match_rate_threshold=0.1, eviction_target_chars=None"
    wanted = f"prefix: PrefixCacheAffinityRouter, {settings}"
    assert all(wanted in said for said in (words[1], words[3], printed))
    assert "num_prompts=30" in words[0]


def test_pages_can_be_printed_and_read(whole: Drawn) -> None:
    for figure in whole[0]:
        assert_readable(figure)


def test_no_panel_is_empty(whole: Drawn) -> None:
    assert [len(figure.axes) for figure in whole[0]] == [6, 5, 8, 3] * 2
    assert all(axes.has_data() for figure in whole[0] for axes in figure.axes)


def test_what_is_printed_states_directions_with_their_intervals(whole: Drawn) -> None:
    _, _, printed = whole
    assert (
        "two-replicas, cold: prefix against power-of-two: hit rate higher: +37.8 points [+35.3, +40.2], n=3; "
        "mean TTFT shorter: -0.080 s [-0.146, -0.015], n=3." in printed
    )
    assert "random against power-of-two: hit rate -2.5 points [-6.2, +1.2], not decided at n=2" in printed
    assert "round-robin against power-of-two: hit rate the same in each of n=3 repeats; mean TTFT" in printed
    assert "two-replicas, warm: means ± 95 % intervals" in printed
    assert "the hit rate is within 2 points of the real one for 5 of 6 strategies; furthest: random, -7.1." in printed
    assert "two-replicas: The client used at most 3 % of a core and sent 99 % of its requests within 2 ms" in printed
    assert "servers agree exactly in 14 of 17 runs: manifest.json says" in printed
    assert "…" not in printed


@pytest.mark.parametrize(
    ("made", "panels"),
    [
        (SMALL, [4, 4, 3]),
        (Made(("one",), repeats=1, failing=False, requests=12), [6, 5, 8, 3]),
        (Made(("one",), repeats=2, warm=False, hits=False, requests=12), [4, 4, 7, 3]),
        (Made(("one",), ("prefix", "exact"), repeats=1, simulated=False, failing=False, requests=12), [6, 5, 4]),
        (Made(("x" * 100,), ("prefix",), repeats=1, warm=False, failing=False, requests=12), [4, 4, 2, 3]),
    ],
    ids=["two strategies", "one repeat", "no hits", "no baseline", "one strategy of a long label"],
)
def test_small_slots_are_drawn_as_readably(tmp_path: Path, made: Made, panels: list[int]) -> None:
    figures, words, printed = drawn(made_slot(tmp_path / "node0", made))
    assert [len(figure.axes) for figure in figures] == panels
    for figure in figures:
        assert_readable(figure)
    if made.repeats == 1:
        assert "n=1 run a strategy" in words[0]
        assert "±" not in printed.replace("means ± 95 % intervals", "")


def test_one_repeat_decides_nothing(tmp_path: Path) -> None:
    _, words, printed = drawn(made_slot(tmp_path / "node0", SMALL))
    assert " points, not decided at n=1 (no interval)" in printed
    assert not any("Client errors" in said or "Hollow" in said for said in words)


def test_a_strategy_whose_runs_all_failed_says_that_it_has_none(tmp_path: Path) -> None:
    (side,) = study_sides(PLOT, PLOT_FILE.parent, [made_slot(tmp_path / "node0", SMALL)])
    tables = {name: [row for row in rows if "prefix-two-replicas" not in str(row[0])]
              for name, rows in side.slot.tables.items()}  # fmt: skip
    failed = ("prefix-two-replicas", "two-replicas", "prefix", 1, "failed", "start", "port taken")
    slot = StudySlot(side.slot.manifest, tables | {RUNS.name: [*tables[RUNS.name], failed]})
    figures, _ = PLOT.draw([StudySide(slot, "mine", "here")])
    assert isinstance(figures, list)
    said = [text.get_text() for text in figures[0].findobj(Text) if isinstance(text, Text)]
    assert said.count("no run") == 2
    assert any("1 run failed and is not drawn (prefix)." in each for each in said)
    for figure in figures:
        assert_readable(figure)


def test_chosen_labels_alone_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slot = made_slot(tmp_path / "node0", replace(SMALL, labels=Made().labels))
    command = ["--data", str(slot), "--out", str(tmp_path), "--chosen", "no-chunked-prefill"]
    assert study_plot_command(str(PLOT_FILE), PLOT, command) == 0
    said = capsys.readouterr().out
    assert "no-chunked-prefill, cold" in said
    assert "two-replicas" not in said
    assert b"/Count 3" in (tmp_path / "figure-routing.pdf").read_bytes()


def test_an_unknown_label_is_one_line_that_lists_the_known_ones(
    slot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--data", str(slot), "--out", str(tmp_path / "out"), "--chosen", "two-replicas,four"]
    assert study_plot_command(str(PLOT_FILE), PLOT, command) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "error: --chosen: no label 'four' here; there is no-chunked-prefill, two-replicas\n"
    assert not (tmp_path / "out").exists()


def test_a_slot_without_anything_to_draw_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_slot(tmp_path / "node0", Made((), simulated=False))
    assert study_plot_command(str(PLOT_FILE), PLOT, ["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "slot node0: no run ended well and nothing was simulated" in capsys.readouterr().err


def test_the_script_draws_a_copied_slot_from_anywhere_with_the_same_bytes(tmp_path: Path) -> None:
    slot = made_slot(tmp_path / "node0", SMALL)
    assert study_plot_command(str(PLOT_FILE), PLOT, ["--data", str(slot), "--out", str(tmp_path / "here")]) == 0
    shutil.copytree(slot, tmp_path / "copied" / "node0")
    out = tmp_path / "out"
    command = [sys.executable, str(PLOT_FILE), "--data", str(tmp_path / "copied"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = [f"figure-routing.{kind}" for kind in ("pdf", "png")]
    assert done.stdout.splitlines()[-2:] == [str(out / name) for name in names]
    assert [(out / name).read_bytes() for name in names] == [(tmp_path / "here" / name).read_bytes() for name in names]


def test_the_made_up_slot_reads_back(slot: Path) -> None:
    assert read_study_slot(slot, ROUTING_TABLES, STUDY).manifest["figure"] == "routing"
