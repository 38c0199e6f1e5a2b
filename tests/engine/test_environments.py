"""Several engine environments: one that fails does not stop the others; disk is looked at; Ctrl-C ends what runs."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from harness.engine import environment, environments
from harness.engine.environment import Engine, engine_of, ensure_engine
from harness.engine.environments import make_engines, remove_environment
from harness.engine.steps import Steps
from harness.errors import HarnessError
from harness.spec import pin as pins
from harness.spec.pin import Pin
from harness.workspace import Workspace
from tests.wheels import make_wheel, only_these_wheels

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(pins, "PATCHES", tmp_path / "patches")
    return Workspace(tmp_path)


def release(workspace: Workspace, name: str, lock: str = "", **changes: object) -> Pin:
    """Declare a release."""
    folder = workspace.root / "patches" / "releases" / name
    pin = Pin(
        name=name,
        distribution="vllm",
        version="1.0",
        vllm_version="1.0",
        device="cpu",
        python=(HERE,),
        torch="tinytorch==2.0",
        environment={},
        files={},
        installed_gb=0.001,
    ).model_copy(update=changes)
    folder.mkdir(parents=True)
    (folder / "pin.yaml").write_text(yaml.safe_dump(pin.model_dump(mode="json")))
    (folder / "requirements.lock").write_text(lock)
    return pin


def pretend(workspace: Workspace):
    """A way to make an engine that takes no time: the folder and its stamp."""

    def make(pin: Pin) -> Engine:
        engine = engine_of(pin, workspace)
        engine.python.parent.mkdir(parents=True)
        engine.python.symlink_to(sys.executable)
        engine.stamp.write_text(f'{{"lock_sha256": "{pin.lock_sha256}", "python": "{HERE}"}}')
        return engine

    return make


def test_of_several_installations_one_that_fails_does_not_stop_the_others(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, quick_python: Path
) -> None:
    monkeypatch.setattr(environment.sys, "executable", str(quick_python))
    only_these_wheels(workspace.root / "wheels", monkeypatch)
    monkeypatch.delenv("TORCH_INDEX_URL", raising=False)
    wheel = make_wheel(workspace.root / "wheels", "vllm", "1.0")
    make_wheel(workspace.root / "wheels", "tinytorch", "2.0")
    broken = "unobtainable==1.0 --hash=sha256:" + "0" * 64 + "\n"
    asked = [release(workspace, "a", wheel), release(workspace, "b", broken), release(workspace, "c", wheel)]
    told: list[str] = []
    engines, failed = make_engines(asked, workspace, lambda pin: ensure_engine(pin, workspace, told.append))
    assert sorted(engines) == ["a", "c"]
    assert all(engine.is_complete for engine in engines.values())
    assert list(failed) == ["b"]
    assert isinstance(failed["b"], environment.InstallationFailed)
    assert failed["b"].reason.startswith("not installed: ERROR: ")
    assert "unobtainable==1.0" in failed["b"].reason
    assert len(told) == 3


def test_a_python_that_cannot_hold_one_is_a_reason_and_no_end(workspace: Workspace) -> None:
    asked = [release(workspace, "old", python=("3.8",)), release(workspace, "new")]

    def make(pin: Pin) -> Engine:
        return ensure_engine(pin, workspace) if pin.name == "old" else pretend(workspace)(pin)

    engines, failed = make_engines(asked, workspace, make)
    assert list(engines) == ["new"]
    assert str(failed["old"]) == f"engine old needs Python 3.8, this is {HERE}"


def at_once(workspace: Workspace, names: str, **changes: object) -> int:
    """How many of the engines are made at the same time, at most."""
    now, most, lock = 0, 0, threading.Lock()

    def make(pin: Pin) -> Engine:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return pretend(workspace)(pin)

    _, failed = make_engines([release(workspace, name, **changes) for name in names], workspace, make)
    assert not failed
    return most


def test_no_more_are_made_at_once_than_there_are_cores(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments.os, "sched_getaffinity", lambda _: {0, 1})
    assert at_once(workspace, "abcd") <= 2


def test_where_all_do_not_fit_on_the_disk_they_are_made_one_after_another(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "_free_gb", lambda _: 5.0)
    assert at_once(workspace, "abcd", installed_gb=3.0) == 1


def test_one_that_does_not_fit_says_what_it_needs_and_what_is_free(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "_free_gb", lambda _: 5.04)
    asked = [release(workspace, "huge", installed_gb=70.0), release(workspace, "small", installed_gb=1.5)]
    engines, failed = make_engines(asked, workspace, pretend(workspace))
    assert list(engines) == ["small"]
    assert str(failed["huge"]) == "engine huge needs 70 GB of disk, 5.0 GB are free"


def test_an_installed_one_needs_no_room(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    there = release(workspace, "there", installed_gb=70.0)
    pretend(workspace)(there)
    monkeypatch.setattr(environments, "_free_gb", lambda _: 0.0)
    engines, failed = make_engines([there], workspace, lambda pin: engine_of(pin, workspace))
    assert (list(engines), failed) == (["there"], {})


def test_steps_that_are_ended_leave_no_process_and_no_further_one_begins() -> None:
    steps = Steps()
    codes: list[int] = []
    waiting = threading.Thread(target=lambda: codes.append(steps.run(["sleep", "60"])[0]))
    waiting.start()
    while not steps._running:
        time.sleep(0.001)
    steps.end()
    waiting.join(10)
    assert codes == [-signal.SIGTERM]
    with pytest.raises(HarnessError, match="stopped"):
        steps.run(["true"])
    steps.reopen()
    assert steps.run(["echo", "again"]) == (0, "again\n")


def test_ctrl_c_ends_every_pip(tmp_path: Path) -> None:
    code = """
import signal, sys
from pathlib import Path
from types import SimpleNamespace
from harness.engine.environments import make_engines
from harness.engine.steps import STEPS
from harness.workspace import Workspace
import harness.engine.environments as environments

def stop(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGTERM, stop)
environments.engine_of = lambda pin, workspace: SimpleNamespace(is_complete=False)
asked = [SimpleNamespace(name=name, installed_gb=0.001) for name in "ab"]
make_engines(asked, Workspace(Path(sys.argv[1])), lambda pin: STEPS.run(["sh", "-c", "echo $$ >> pids; exec sleep 60"]))
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    environ = os.environ | {"PYTHONPATH": str(root)}
    harness = subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.DEVNULL)
    pids = tmp_path / "pids"
    deadline = time.monotonic() + 20
    most = min(2, len(os.sched_getaffinity(0)))
    while (not pids.exists() or len(pids.read_text().split()) < most) and time.monotonic() < deadline:
        time.sleep(0.01)
    harness.terminate()
    assert harness.wait(20) != 0
    started = [int(word) for word in pids.read_text().split()]
    assert len(started) == most
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_removing_one_takes_its_folder_and_nothing_else(workspace: Workspace) -> None:
    for name in ("a", "b"):
        pretend(workspace)(release(workspace, name))
    outside = workspace.root / "outside"
    outside.write_text("kept")
    (workspace.engines / "a" / "link").symlink_to(outside)
    assert remove_environment("a", workspace) > 0
    assert not (workspace.engines / "a").exists()
    assert (workspace.engines / "b" / "engine.json").exists()
    assert outside.read_text() == "kept"


@pytest.mark.parametrize("name", ["", ".", "..", "../engines/a", "a/bin", "absent", ".a.lock", "a link"])
def test_what_is_no_environment_is_not_removed(name: str, workspace: Workspace) -> None:
    pretend(workspace)(release(workspace, "a"))
    elsewhere = workspace.root / "elsewhere"
    elsewhere.mkdir()
    (workspace.engines / "a link").symlink_to(elsewhere)
    with pytest.raises(HarnessError, match="has no environment"):
        remove_environment(name, workspace)
    assert elsewhere.is_dir()
    assert (workspace.engines / "a" / "engine.json").exists()


def test_one_that_is_being_installed_is_not_removed(workspace: Workspace) -> None:
    pin = release(workspace, "a")
    pretend(workspace)(pin)
    with (
        FileLock(engine_of(pin, workspace).lock_file),
        pytest.raises(HarnessError, match="engine a is being installed"),
    ):
        remove_environment("a", workspace)
    assert engine_of(pin, workspace).is_complete
