"""Words of engines, stores and strangers reach the terminal as one line of printable characters."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from rich.console import Console

from harness import progress
from harness.door import json_errors, run_app
from harness.errors import HarnessError
from harness.measure.session import CaseSession
from harness.record.case_folder import CaseFolderError, define
from harness.record.run import RunFileError
from harness.record.slotcheck import SlotError
from harness.show.command import plot_command
from tests.measure.fake_engine import FakeEngine, make_fake_engine
from tests.synthetic_run import make_run

HOSTILE = "a\x1b[2J\x1b]0;title\x07[red]b[/red]\r\nerror: c\u202e"
HARMLESS = "a\\x1b[2J\\x1b]0;title\\x07[red]b[/red]\\r\\nerror: c\\u202e"


@pytest.mark.parametrize("error", [HarnessError(HOSTILE), OSError(2, "no such file", HOSTILE)])
def test_an_error_is_one_printable_line_whatever_it_quotes(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        run_app(app, "harness", [])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith(f"error: {HARMLESS}")
    assert said[:-1].isprintable()


def test_an_endless_error_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise HarnessError("x" * 100_000)

    with pytest.raises(SystemExit):
        run_app(app, "harness", [])
    assert len(capsys.readouterr().err) < 1100


def test_a_case_folder_of_something_else_ends_a_command_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    @app.command()
    def measure() -> None:
        define(tmp_path, {"a": 1})
        with json_errors(as_json=True):
            define(tmp_path, {"a": 2})

    with pytest.raises(SystemExit) as end:
        run_app(app, "harness", [])
    said = f"{tmp_path}/case.json: of another case than its folder's name says; move the folder away and repeat"
    assert end.value.code == 2
    assert capsys.readouterr() == (json.dumps({"error": said}) + "\n", f"error: {said}\n")


@pytest.mark.parametrize("kind", [RunFileError, SlotError, CaseFolderError])
def test_what_is_wrong_with_a_file_is_one_printable_line(kind: type[Exception]) -> None:
    assert str(kind(HOSTILE)) == HARMLESS


def test_a_plots_error_is_one_printable_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a\x1b[2J\nb"
    folder.mkdir()
    plot = Path(__file__).resolve().parents[1] / "figures" / "figure-2" / "plot.py"
    assert plot_command(str(plot), "2", lambda _: pytest.fail("nothing"), ["--data", str(folder)]) == 2
    said = capsys.readouterr().err
    assert said[:-1].isprintable()
    assert "a\\x1b[2J\\nb" in said


@pytest.fixture
def fake(tmp_path: Path) -> FakeEngine:
    return make_fake_engine(tmp_path)


def test_the_progress_quotes_an_engines_last_words_harmlessly(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO(), width=400, highlight=False, markup=False)
    monkeypatch.setattr(progress, "console", console)
    run = make_run("warmup-0", status="failed", reason=HOSTILE, failed_in="load_weights")

    def one_failed(sessions: list[CaseSession], _node: object, told: progress.Told) -> list[object]:
        told.after(sessions[0], replace(run))
        return [run]

    monkeypatch.setattr(progress, "measure", one_failed)
    progress.measure_missing([fake.session(1)], {})
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert HARMLESS in said
    assert all(line.isprintable() for line in said.split("\n"))
