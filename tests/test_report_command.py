"""``python3 harness report``: what it makes of full, empty and damaged checkouts, and what it refuses."""

import json
import re
from pathlib import Path

import pytest

from harness.commands.report.command import run_report
from harness.commands.report.hooks import hook_places
from harness.commands.report.runs import explored_runs, stored_runs
from harness.errors import HarnessError
from harness.spec.figure import figure_numbers
from harness.workspace import ROOT, Workspace
from tests.report_example import CASE, HERE, fill, fill_store, make_workspace, put_slot
from tests.synthetic_slot import synthetic


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "checkout")


def made(workspace: Workspace, tmp_path: Path, *figures: str, data: tuple[Path, ...] = ()) -> str:
    """The report's text."""
    out = tmp_path / "report.html"
    assert run_report(out, data, figures, False, workspace) == 0
    return out.read_text(encoding="utf-8")


def test_an_empty_checkout_gives_every_figure_of_the_paper_and_the_command_to_begin_with(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    text = made(workspace, tmp_path)
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    for number in figure_numbers(workspace):
        section = re.search(rf'<section id="figure-{number}".*?</section>', text, re.DOTALL)
        assert section, number
        assert section[0].count("<svg ") == (0 if number == "ladder" else 1), number
        assert f"bash run_figure.sh {number}" in section[0]
    assert "No run with a certificate yet" in text
    assert "0 of 17 with own data" in text
    assert len(text) < 3_000_000


def test_own_data_stands_beside_the_papers_and_every_outcome_is_told(workspace: Workspace, tmp_path: Path):
    fill(workspace)
    text = made(workspace, tmp_path, "2", "12", "13", "ladder")
    for number, drawings in (("2", 2), ("12", 2), ("13", 2), ("ladder", 1)):
        section = re.search(rf'<section id="figure-{number}".*?</section>', text, re.DOTALL)
        assert section
        assert section[0].count("<svg ") == drawings
    assert "merged: " in text
    for words in ("tiny does not load", "compile cache: it compiled", "other processes: 12.5 s", "the last line"):
        assert words in text
    assert "measured starts that count: 3" in text
    assert text == made(workspace, tmp_path, "2", "12", "13", "ladder"), "the same data makes the same page"


def test_a_damaged_slot_is_named_and_keeps_nothing_else_from_the_page(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = put_slot(workspace, *synthetic(measured=1))
    put_slot(workspace, *synthetic(measured=1, figure="7"))
    (folder / "data.csv").write_bytes(b"changed")
    text = made(workspace, tmp_path, "2", "7")
    warned = capsys.readouterr().err
    assert "data.csv: changed since it was written" in warned
    assert "bash run_figure.sh 2" in warned
    assert "data.csv: changed since it was written" in text
    assert len(re.findall(r'<section id="figure-\d"', text)) == 2


def test_a_damaged_run_is_named_and_the_others_are_explored(workspace: Workspace):
    fill_store(workspace)
    store = workspace.runs / str(HERE["id"]) / "cold_start" / CASE
    (store / "1" / "run.json").write_text("{")
    (store / "2" / "timeline.csv").write_text("begin_s\n")
    runs, _, problems = stored_runs(workspace)
    assert [run.run_id for run in runs] == ["s1/2", "s1/3", "s1/4", "s1/warmup-0"]
    assert sorted(Path(line.split(":")[0]).name for line in problems) == ["run.json", "timeline.csv"]
    assert [each.ordered for each in explored_runs(runs, workspace)] == [False, True, True]


def test_slots_that_do_not_fit_together_are_drawn_and_their_claims_are_not_judged(workspace: Workspace, tmp_path: Path):
    for slot in ("cpu0", "cpu1"):
        put_slot(workspace, *synthetic(measured=1, slot=slot, figure="11"))
    text = made(workspace, tmp_path, "11")
    assert "claims about figure 11 are not judged: cpu0 and cpu1 do not differ in cpu" in text
    assert text.count("<svg ") == 2


def test_data_from_elsewhere_replaces_this_checkouts(workspace: Workspace, tmp_path: Path):
    fill_store(workspace)
    other = make_workspace(tmp_path / "other")
    put_slot(other, *synthetic(measured=2, figure="7"))
    text = made(workspace, tmp_path, "2", "7", data=(other.root / "figures",))
    assert "1 of 2 with own data: 7" in text
    assert CASE not in text


@pytest.mark.parametrize(
    ("out", "complaint"),
    [
        (".", "is not a regular file"),
        ("nowhere/report.html", "there is no folder"),
        ("checkout/runs/report.html", "lies in the run store"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(
    workspace: Workspace, tmp_path: Path, out: str, complaint: str
):
    fill_store(workspace)
    with pytest.raises(HarnessError, match=complaint):
        run_report(tmp_path / out, [tmp_path / "absent"], [], False, workspace)


def test_wrong_use_is_one_line_and_leaves_the_last_report_as_it_was(workspace: Workspace, tmp_path: Path):
    out = tmp_path / "report.html"
    out.write_text("the last one")
    with pytest.raises(HarnessError, match="unknown figure '99'"):
        run_report(out, [], ["99"], False, workspace)
    with pytest.raises(HarnessError, match="holds no figure-N folder"):
        run_report(out, [tmp_path], ["2"], False, workspace)
    assert out.read_text() == "the last one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkout", "report.html"]


def test_a_program_reads_one_document_on_the_last_line(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    put_slot(workspace, *synthetic(measured=1))
    assert run_report(tmp_path / "r.html", [], ["2"], True, workspace) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["bytes"] == (tmp_path / "r.html").stat().st_size
    assert told["figures"] == ["2"]
    assert told["runs"] == 2
    assert set(told["badges"].values()) == {False}
    with pytest.raises(HarnessError):
        run_report(tmp_path / "r.html", [], ["99"], True, workspace)
    assert "unknown figure" in json.loads(capsys.readouterr().out.splitlines()[-1])["error"]


def test_recorded_runs_of_every_schema_version_can_be_explored(tmp_path: Path):
    for version in ("schema_1", "schema_2", "schema_3", "schema_4", "schema_5"):
        workspace = Workspace(tmp_path / version)
        workspace.root.mkdir()
        workspace.runs.symlink_to(ROOT / "tests" / "example_runs" / version)
        runs, _, problems = stored_runs(workspace)
        assert problems == []
        every = explored_runs(runs, workspace)
        assert len(every) == len(runs) == 2
        for each in every:
            assert each.pieces[-1].end_s == pytest.approx(each.run.ready_s)


def test_a_piece_names_the_hook_whose_span_it_is_and_the_line_of_the_hook_table():
    workspace = Workspace(ROOT / "tests" / "example_runs" / "no such checkout")
    store = ROOT / "tests" / "example_runs" / "schema_4"
    from harness.analyse.known_runs import run_of_store
    from harness.commands.report.runs import _timeline
    from harness.record.run import read_run

    (folder,) = store.glob("*/cold_start/*/1")
    run = run_of_store(read_run(folder), folder, _timeline(folder, []))
    (each,) = explored_runs([run], workspace)
    told = {(piece.phase, hook) for piece, hook in zip(each.pieces, each.hooks, strict=True)}
    (loading,) = {hook for phase, hook in told if phase == "load_weights"}
    assert loading
    found = re.fullmatch(r"(\S+) (\S+) \(patches/vllm-0.32.0-cpu/hooks.toml:(\d+)\)", loading)
    assert found
    lines = (ROOT / "patches" / "vllm-0.32.0-cpu" / "hooks.toml").read_text().splitlines()
    assert lines[int(found[3]) - 1] == "[[hook]]"
    assert found[2] in lines[int(found[3]) + 1]


@pytest.mark.parametrize("pin", [None, "../..", "/etc", "**", "no-such-pin"])
def test_an_engine_that_is_not_known_here_has_no_places(pin: str | None, tmp_path: Path):
    from harness.analyse.timeline import Piece

    places = hook_places(pin, Workspace(tmp_path))
    assert places.of(Piece(0, 1, "load_weights", "worker"), None) is None
    assert places.of(Piece(0, 1, "load_weights", "worker"), "Loader.load") == "Loader.load"
