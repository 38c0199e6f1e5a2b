"""What a figure takes of the command line, and that what it does not take is said with what it takes instead."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import app as cli
from harness.cli import figure as cli_figure
from harness.workspace import ROOT, Workspace
from tests.checkout import Done

Call = Callable[..., Done]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """``run_figure.sh ARGUMENTS`` in a folder that has the figures and nothing else."""
    (tmp_path / "figures").symlink_to(ROOT / "figures")
    monkeypatch.setattr(cli_figure, "Workspace", lambda: Workspace(tmp_path))

    def typed(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["harness", "figure", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return typed


@pytest.mark.parametrize(
    ("figure", "option", "takes"),
    [
        ("routing", "--eager", "--strategies"),
        ("anatomy", "--search=all", "--features"),
        ("headroom", "--features=all", "--trace-memory"),
        ("sharing", "--budget=3", "--trace"),
    ],
)
def test_an_option_that_a_study_does_not_take_is_told_with_those_that_it_takes(
    call: Call, figure: str, option: str, takes: str
):
    done = call(figure, option)
    assert (done.code, done.out) == (2, "")
    head, _, listed = done.error.partition("; it takes ")
    assert head == f"figure {figure} does not take {option.partition('=')[0]}; leave it out"
    assert {takes, "--dry-run", "--smoke", "--wheelhouse"} <= set(listed.strip().split(", "))


def test_how_a_studys_runs_are_made_anew_is_told_where_again_is_not_taken(call: Call):
    done = call("anatomy", "--again")
    assert "does not take --again; leave it out, or move runs/<node>/engine_anatomy/ away, or a case's" in done.error


def test_a_figure_of_starts_has_a_document_of_its_dry_run_only(call: Call):
    done = call("2", "--json")
    said = "figure 2 prints no document; leave --json out, or add --dry-run"
    assert (done.code, done.error) == (2, said)
    assert json.loads(done.out) == {"error": said}


def test_a_refusal_is_a_document_where_one_is_asked_for(call: Call):
    done = call("routing", "--eager", "--json")
    assert json.loads(done.out)["error"].startswith("figure routing does not take --eager; ")
