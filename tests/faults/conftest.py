"""The fake engine with all its processes, and the certainty that no test leaves one of them behind."""

import compileall
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from harness.engine.environment import Engine
from tests.faults.aftermath import running, scratch
from tests.measure.fake_engine import FakeEngine, fake_pin, make_fake_engine


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake engine's environment, with bytecode: to be copied, which is faster than to compile it once more."""
    fake = make_fake_engine(tmp_path_factory.mktemp("template"))
    compileall.compile_dir(fake.engine.site_packages, quiet=1)
    return fake.workspace.engines


@pytest.fixture
def fake(tmp_path: Path, engines: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """A fake engine of three processes; what a harness needs during a run is below its root too."""
    shutil.copytree(engines, tmp_path / "engines", symlinks=True)
    fake = FakeEngine(tmp_path, Engine(fake_pin(), tmp_path / "engines" / "fake"), processes=3)
    fake.behave("ok")
    scratch(fake).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch(fake)))
    yield fake
    for pid in running(fake):  # of a test that failed
        with suppress(psutil.Error):
            psutil.Process(pid).kill()
    for process in psutil.Process().children(recursive=True):  # adopted from a killed harness
        with suppress(psutil.Error, ChildProcessError):
            if process.status() == psutil.STATUS_ZOMBIE and process.ppid() == os.getpid():
                os.waitpid(process.pid, 0)


CELLS_IN_CI = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of each kind of accident two cells are for every day; the rest of the matrix is run by hand."""
    seen: Counter[str] = Counter()
    for item in items:
        if item.path.parent == Path(__file__).parent and isinstance(item, pytest.Function):
            seen[f"{item.path}::{item.originalname}"] += 1
            if seen[f"{item.path}::{item.originalname}"] > CELLS_IN_CI:
                item.add_marker(pytest.mark.slow)
