"""``--help`` of every command tells what each option means, and the default that was written for it."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from harness.cli.app import app
from harness.commands.apply_patches import command as apply_patches
from harness.commands.download_models import command as download_models

APPS = {"harness": app, "download_models.py": download_models.app, "apply_patches.py": apply_patches.app}


def commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Every command below this one, under what is typed for it."""
    for verb, below in getattr(command, "commands", {}).items():
        yield from commands(f"{name} {verb}", below)
    if not hasattr(command, "commands"):
        yield name, command


EVERY = [found for name, each in APPS.items() for found in commands(name, typer.main.get_command(each))]


@pytest.mark.parametrize(("name", "command"), EVERY, ids=[name for name, _ in EVERY])
def test_every_option_is_explained_with_the_default_that_is_written_for_it(
    name: str, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")  # a row for each option
    program, *verbs = name.split()
    shown = " ".join(CliRunner().invoke(APPS[program], [*verbs, "--help"]).output.split())
    for parameter in command.params:
        assert parameter.help, f"{name}: {parameter.name} is not explained"
        assert parameter.help in shown, f"{name}: {parameter.name}: its help is not shown as it was written"
        if isinstance(parameter.show_default, str):
            assert f"[default: ({parameter.show_default})]" in shown, f"{name}: {parameter.name}"


def test_no_command_is_left_out() -> None:
    names = {name for name, _ in EVERY}
    assert {"harness figure", "harness engines compare", "harness workload make", "apply_patches.py"} <= names
