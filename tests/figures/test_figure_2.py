import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.record.slot import write_slot
from harness.show.command import plot_command
from tests.synthetic_slot import synthetic

PLOT = Path(__file__).resolve().parents[2] / "figures" / "figure-2" / "plot.py"


@pytest.fixture
def plot(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run plot.py's command in this process: arguments → (exit code, stdout, stderr)."""
    draw = runpy.run_path(str(PLOT))["draw"]

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = plot_command(str(PLOT), "2", draw, [str(argument) for argument in arguments])
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def slots(tmp_path: Path) -> Path:
    write_slot(tmp_path / "slots" / "node0", *synthetic())
    write_slot(tmp_path / "slots" / "node1", *synthetic(slot="node1", seed=1, measured=2))
    return tmp_path / "slots"


def test_the_script_draws_a_slot_folder_in_seconds(slots: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(PLOT), "--data", str(slots / "node0"), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "compiler_subprocess" in done.stdout
    assert done.stdout.splitlines()[-2:] == [str(tmp_path / "figure2.pdf"), str(tmp_path / "figure2.png")]
    assert (tmp_path / "figure2.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "figure2.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_data_makes_the_same_files_also_in_another_process(slots: Path, tmp_path: Path, plot: Any) -> None:
    plot("--data", slots, "--out", tmp_path / "here")
    command = [sys.executable, str(PLOT), "--data", str(slots), "--out", str(tmp_path / "there")]
    subprocess.run(command, check=True, capture_output=True, timeout=60, env={"PYTHONHASHSEED": "7"})
    for name in ("figure2.pdf", "figure2.png"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_a_folder_of_slots_and_its_slots_one_by_one_are_the_same_figure(slots: Path, tmp_path: Path, plot: Any) -> None:
    plot("--data", slots, "--out", tmp_path / "a")
    plot("--data", slots / "node0", "--data", slots / "node1", "--out", tmp_path / "b")
    assert (tmp_path / "a" / "figure2.pdf").read_bytes() == (tmp_path / "b" / "figure2.pdf").read_bytes()


def test_without_results_it_says_in_one_line_how_to_get_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "figures" / "figure-2"
    bare.mkdir(parents=True)
    shutil.copy(PLOT.with_name("figure.yaml"), bare)
    code = plot_command(str(bare / "plot.py"), "2", lambda _: pytest.fail("nothing to draw"), [])
    assert code == 2
    assert capsys.readouterr().err == "error: no results for figure 2 yet: bash run_figure.sh 2\n"


def test_a_data_folder_without_slots_is_named(tmp_path: Path, plot: Any) -> None:
    code, out, err = plot("--data", tmp_path)
    assert (code, out) == (2, "")
    assert err == f"error: {tmp_path}: neither slot folders (data.csv, manifest.json) nor recorded logs here\n"


def test_a_data_folder_without_slots_is_named_beside_one_with_slots(slots: Path, tmp_path: Path, plot: Any) -> None:
    (tmp_path / "empty").mkdir()
    code, out, err = plot("--data", slots, "--data", tmp_path / "empty")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {tmp_path}/empty: neither slot folders")


def test_a_corrupt_slot_is_one_line_and_draws_nothing(slots: Path, tmp_path: Path, plot: Any) -> None:
    (slots / "node1" / "data.csv").write_text("figure\n")
    code, out, err = plot("--data", slots, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {slots / 'node1' / 'data.csv'}: changed since it was written")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_slot_of_another_figure_is_refused(tmp_path: Path, plot: Any) -> None:
    write_slot(tmp_path / "node0", *synthetic(figure="10"))
    code, _, err = plot("--data", tmp_path)
    assert code == 2
    assert "a slot of figure 10, not 2" in err


def test_a_read_only_out_folder_is_one_line(slots: Path, tmp_path: Path, plot: Any) -> None:
    (tmp_path / "out").write_text("a file")
    code, _, err = plot("--data", slots, "--out", tmp_path / "out")
    assert code == 2
    assert "name another folder with --out" in err
