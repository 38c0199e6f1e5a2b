"""``python3 harness status`` tells how many runs that count were disturbed, and by what."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.commands.slots import status as status_command
from harness.commands.slots.status import run_status
from harness.record.slot import read_slot, write_slot
from harness.workspace import ROOT, Workspace
from tests.synthetic_slot import synthetic


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A checkout with two figures, in which nothing is missing."""
    for number in ("2", "12"):
        (tmp_path / f"figures/figure-{number}").mkdir(parents=True)
        shutil.copy(ROOT / f"figures/figure-{number}/figure.yaml", tmp_path / f"figures/figure-{number}")
    monkeypatch.setattr(status_command, "_missing_here", lambda *_: {})
    monkeypatch.setenv("COLUMNS", "200")
    return Workspace(tmp_path)


def make_slot(workspace: Workspace, marks: dict[str, Any], figure: str = "2", bad: tuple[str, ...] = ()) -> None:
    """A slot with a warm-up and three measured runs; ``marks``: those of a run, by its name."""
    rows, manifest = synthetic(measured=3, bad=bad, figure=figure)
    for run in manifest["runs"]:
        if run["run"] in marks:
            run["marks"] = marks[run["run"]]
    write_slot(workspace.figure(figure) / "node0", rows, manifest)


def told(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], list[str]]:
    """The slot of figure 2 as JSON, and the lines for people."""
    assert run_status(True, None, workspace) == 0
    out, err = capsys.readouterr()
    figures = {figure["figure"]: figure for figure in json.loads(out.splitlines()[-1])["figures"]}
    (slot,) = figures["2"]["slots"]
    return slot, [line.strip() for line in err.splitlines()]


def test_marked_runs_are_counted_by_kind_and_still_count(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    cpu = "cpu: 52% of the cores busy before the start, limit 10%"
    make_slot(workspace, {"warmup-0": [cpu], "2": [cpu, "swap-in: 9 MiB", "swap-in: 8 MiB"], "3": []})
    slot, lines = told(workspace, capsys)
    assert (slot["marked"], slot["marks"]) == (2, {"cpu": 2, "swap-in": 1})
    assert (slot["most"], slot["not_counted"]) == (3, 0)
    assert lines[-4:-2] == ["cpu: 2 runs", "swap-in: 1 run"]
    (row,) = [line for line in lines if line.startswith("│ 2 ")]
    assert [cell.strip() for cell in row.split("│")][5:7] == ["–", "2"]


def test_marks_of_runs_that_do_not_count_are_not_told(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    make_slot(workspace, {"4": ["steal: 3.0 s"]}, bad=("failed",))
    slot, lines = told(workspace, capsys)
    assert (slot["marked"], slot["marks"], slot["not_counted"]) == (0, {}, 1)
    assert not any("marked:" in line for line in lines)


def test_a_run_that_two_figures_share_is_told_once(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for figure in ("2", "12"):
        make_slot(workspace, {"1": ["cpu: busy"]}, figure)
    slot, lines = told(workspace, capsys)
    assert slot["marks"] == {"cpu": 1}
    assert lines[-3] == "cpu: 1 run"


@pytest.mark.parametrize("marks", [{}, {"1": None}])
def test_a_slot_from_before_there_were_marks_has_none(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], marks: dict[str, Any]
) -> None:
    make_slot(workspace, marks)
    assert all(run.get("marks") is None for run in read_slot(workspace.figure("2") / "node0").manifest["runs"])
    slot, _ = told(workspace, capsys)
    assert (slot["marked"], slot["marks"]) == (0, {})


def test_a_kind_without_end_is_cut(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    make_slot(workspace, {"1": ["x" * 300]})
    slot, lines = told(workspace, capsys)
    (kind,) = slot["marks"]
    assert len(kind) == 40
    assert f"{kind}: 1 run" in lines
