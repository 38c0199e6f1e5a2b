"""Starts of the fake engine in a declared state: it reads 8 MB of weights, real files among real other processes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.measure.preparation import Surroundings
from harness.measure.start import OfflineStart
from harness.record.run import Run
from harness.spec.state import StartState
from harness.state.files import make_cold
from harness.state.probe import probe_files
from tests.measure.conftest import fake as fake
from tests.measure.fake_engine import FakeEngine
from tests.state.cached_files import SIZE, make_file

WEIGHTS = 8 * SIZE
SSD = StartState(storage="ssd", libraries="as found", compile_cache="empty", model_info="empty")
RAM = SSD.model_copy(update={"storage": "ram"})
CACHED = StartState(libraries="as found")


@pytest.fixture(autouse=True)
def small_probe(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("harness.state.probe.FILE_BYTES", SIZE)
    monkeypatch.setattr("harness.state.probe.BLOCK_BYTES", SIZE // 4)
    with probe_files():
        yield


@pytest.fixture
def model(fake: FakeEngine) -> Path:
    folder = fake.root / "models" / "fake"
    folder.mkdir(parents=True)
    make_file(folder / "model.safetensors", WEIGHTS)
    (folder / "config.json").write_text("{}")
    if make_cold([folder / "model.safetensors"]).verdict != "evicted":
        pytest.skip("files of this file system cannot be evicted")
    return folder


def start(fake: FakeEngine, model: Path, state: StartState, kind: str = "measured", **around: Any) -> Run:
    offline = OfflineStart(fake.engine.python, model, {}, eager=False)
    return fake.start(kind, state=state, start=offline, around=Surroundings(model, (), **around))


def reason(run: Run, part: str = "storage") -> str:
    """Why the run does not count, which must be this part of its certificate alone."""
    assert run.status == "ok"
    assert not run.counts
    broken = [name for name, each in run.certificate.items() if not each["holds"]]
    assert broken == [part]
    return str(run.certificate[part]["reason"])


def refused(fake: FakeEngine, run: Run) -> str:
    """Why the run was not even started: its state could not be brought about. It is kept, with the reason."""
    assert (run.status, run.failed_in, run.ready_s, run.counts) == ("failed", "preparation", None, False)
    assert fake.starts() == []
    return str(run.reason)


@contextmanager
def meanwhile(action: Any) -> Iterator[None]:
    """Do it again and again while the block runs."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            action()
            time.sleep(0.002)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
