"""Somebody's environment, and the shell they type in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import progress
from harness.cli import app as cli
from harness.measure.address import free_port
from harness.workspace import Workspace
from tests.checkout import Call, forget_runs
from tests.measure.fake_engine import FakeEngine, end_for_certain
from tests.measure.fake_server import install_tracer, pins_of, serving_checkout
from tests.measure_command.shell import Shell


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeEngine]:
    """Somebody's environment with the tracer, and a checkout of the harness."""
    fake = serving_checkout(tmp_path_factory.mktemp("checkout"))
    with pins_of(fake.root):
        install_tracer(fake)
        yield fake


@pytest.fixture
def shell(installed: FakeEngine, typed: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    """Nothing is measured yet, and the current folder is not the checkout."""
    forget_runs(installed)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "Workspace", lambda: Workspace(installed.root))
    monkeypatch.setattr(progress.console, "width", 400)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("HARNESS_QUIET_WAIT", "0")
    monkeypatch.delenv("HARNESS_ITERATIONS", raising=False)
    yield Shell(installed, typed, free_port())
    end_for_certain([entry["pid"] for entry in installed.journal("hanging")])
