"""``python3 harness trace``: whatever is wrong is one line, and nothing is replaced or left behind."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from harness.commands.trace import trace
from harness.errors import HarnessError
from harness.workspace import Workspace
from tests.checkout import Call
from tests.synthetic_run import make_run
from tests.traced_run import store_run


def failure(typed: Call, *arguments: str) -> str:
    """The one line of a call that is refused, which is also its JSON document."""
    done = typed("trace", *arguments, "--json")
    assert done.code == 2
    assert json.loads(done.out.splitlines()[-1]) == {"error": done.error}
    return done.error


def test_samples_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    folder = store_run(tmp_path, make_run("1"))
    (folder / "gpu.csv").write_text("time_s,gpu,quantity,value\nsoon,0,power_w,70.0\n")
    with pytest.raises(HarnessError, match=r"gpu.csv:2: time_s must be a number .* move the table away"):
        trace("tiny/1", tmp_path / "out.json", None, False, Workspace(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--perfetto", "missing/out.json"), "missing/out.json: there is no folder missing; make it, or name another"),
        (("--flame", "."), ".: is a folder; name a file in it"),
        (("--flame", "a", "--perfetto", "./a"), "--perfetto and --flame name the same file; name two"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_run_is_read(
    tmp_path: Path,
    typed: Call,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in failure(typed, "nothing", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path, typed: Call) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, Path(os.devnull)):
        assert f"{path}: is not a regular file; name another" in failure(typed, "nothing", "--flame", str(path))
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_link_stays_a_link_and_what_it_points_to_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], typed: Call
) -> None:
    store_run(tmp_path, make_run("1"))
    (tmp_path / "link.svg").symlink_to("target.svg")
    (tmp_path / "stray.svg").symlink_to("missing/target.svg")
    trace("tiny/1", None, tmp_path / "link.svg", False, Workspace(tmp_path))
    assert (tmp_path / "link.svg").is_symlink()
    assert (tmp_path / "target.svg").read_text().endswith("</svg>\n")
    capsys.readouterr()
    assert f"there is no folder {tmp_path / 'missing'}" in failure(typed, "x", "--flame", str(tmp_path / "stray.svg"))


def test_a_case_an_unfinished_run_and_a_run_json_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], typed: Call
) -> None:
    folder = store_run(tmp_path, make_run("1"))
    folder.with_name(".2.partial").mkdir()
    make_run("2").write(folder.with_name(".2.partial"))
    assert "tiny-00000000: is a case; name one of its runs: 1" in failure(typed, str(folder.parent))
    assert ".2.partial: was never finished; name a whole run" in failure(typed, str(folder.with_name(".2.partial")))
    trace(str(folder / "run.json"), None, None, True, Workspace(tmp_path))
    assert json.loads(capsys.readouterr().out)["run_id"] == "s1/1"


def test_the_store_is_never_written_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store_run(tmp_path, make_run("1"))
    before = (folder / "run.json").read_bytes()
    with pytest.raises(Exception, match="lies in the run store"):
        trace("tiny/1", folder / "run.json", None, False, Workspace(tmp_path))
    assert (folder / "run.json").read_bytes() == before
    assert capsys.readouterr().out == ""


def no_spans(folder: Path) -> None:
    for path in folder.glob("spans/*"):
        path.unlink()


def no_main(folder: Path) -> None:
    (folder / "spans" / "main-7.jsonl").unlink()


def no_header(folder: Path) -> None:
    (folder / "spans" / "worker-8.jsonl").write_text("{}\n")


def endless(folder: Path) -> None:
    with (folder / "spans" / "worker-8.jsonl").open("r+b") as file:
        file.truncate(1 << 40)


def bad_record(folder: Path) -> None:
    (folder / "run.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_spans, "spans: no spans here: the run was not traced, or not copied whole"),
        (no_main, "cannot be traced: no spans of the main process (pid 7)"),
        (no_header, "worker-8.jsonl:1: no span file header"),
        (endless, "2 span files of 1099511628"),
        (bad_record, "run.json: not readable"),
    ],
)
def test_spans_that_are_missing_damaged_or_endless_are_one_line_and_nothing_is_written(
    tmp_path: Path, typed: Call, damage: Any, said: str
) -> None:
    folder = store_run(tmp_path, make_run("1"))
    damage(folder)
    done = typed("trace", folder, "--perfetto", tmp_path / "out.json")
    assert done.code == 2
    assert said in done.error
    assert not (tmp_path / "out.json").exists()


def test_an_unknown_run_is_one_line_that_says_what_to_type(typed: Call) -> None:
    assert "no case 'nothing-like-it' in the store" in failure(typed, "nothing-like-it/1")
    assert "give CASE/RUN (such as nothing-like-it/1) or a run's folder" in failure(typed, "nothing-like-it")


def test_a_full_disk_leaves_no_file_and_names_the_one_that_was_wanted(
    tmp_path: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    folder = store_run(tmp_path, make_run("1"))
    monkeypatch.setattr("harness.record.atomic.os.fsync", full)
    line = failure(typed, str(folder), "--flame", str(tmp_path / "out.svg"))
    assert line == f"{tmp_path / 'out.svg'}: cannot be written (No space left on device); name another place"
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
