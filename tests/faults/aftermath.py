"""What must hold after any accident, and what is needed to bring one about."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
import typer

from harness.door import run_app
from harness.engine.process_tree import Tree
from harness.errors import HarnessError
from harness.measure.conditions import measuring
from harness.measure.start import OfflineStart, Ready
from harness.record.run import Run
from harness.record.store import CaseStore
from tests.measure.fake_engine import FakeEngine

PATIENCE_S = 20.0  # of a test, before it fails; nothing is measured with it


def wait_until(condition: Callable[[], bool]) -> bool:
    """Whether ``condition`` came to hold."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def running(fake: FakeEngine) -> list[int]:
    """Pids of the living processes that starts of this engine have left, guardians included.

    They are known by the tree's mark, by the session of its first process, and by their command line.
    """
    starts = fake.starts()
    marks = [start["environ"]["COLDSTART_TREE"].encode() for start in starts]
    sessions = {start["pid"] for start in starts}
    signs = [f"{fake.root}/engines/fake/".encode(), f"{scratch(fake)}/".encode(), *marks]
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            if fields[0] != b"Z" and (int(fields[3]) in sessions or any(sign in told for sign in signs)):
                found.append(int(folder.name))
    return sorted(found)


def nothing_runs(fake: FakeEngine) -> bool:
    """Whether every process has ended, or ended soon."""
    return wait_until(lambda: not running(fake))


def finish(fake: FakeEngine, iterations: int = 1) -> list[Run]:
    """Repeat the command; nothing may stand in its way, and afterwards everything is there and whole."""
    fake = replace(fake, processes=1)
    fake.behave("ok")
    with measuring(fake.root, "the rerun"):
        made = fake.measure(fake.session(iterations))
    assert [run.reason for run in made if not run.counts] == []
    assert fake.session(iterations).missing() == []
    assert readable(fake) == fake.store().runs()
    assert hidden(fake) == []
    assert list(scratch(fake).iterdir()) == []
    assert nothing_runs(fake)
    return made


def readable(fake: FakeEngine) -> list[Run]:
    """Every run of the store, each in a folder of its own with all that belongs to it."""
    runs = CaseStore.runs(fake.store())
    for run in runs:
        folder = fake.folder(run)
        assert (folder / "engine.log").is_file()
        assert (folder / "spans").is_dir()
    return runs


def hidden(fake: FakeEngine) -> list[str]:
    """Names of half-written things in the store."""
    return [path.name for path in fake.workspace.runs.rglob(".*") if path.name != ".filler"]


def scratch(fake: FakeEngine) -> Path:
    """Where a harness puts what it needs during a run."""
    return fake.root / "scratch"


@dataclass(frozen=True)
class CutShort(OfflineStart):
    """The offline start, whose time is up as soon as the engine hangs; ``meanwhile`` happens just before."""

    engine: FakeEngine | None = None
    meanwhile: Callable[[Tree], None] | None = None

    def follow(self, tree: Tree, scratch: Path, spans: Path) -> Ready | None:
        """Wait for the engine's end or its standstill."""
        assert self.engine is not None
        before = len(self.engine.journal("hanging"))
        tree.wait(lambda: len(self.engine.journal("hanging")) > before)  # type: ignore[union-attr]
        if self.meanwhile:
            self.meanwhile(tree)
        tree.deadline_ns = min(tree.deadline_ns, time.monotonic_ns())
        return super().follow(tree, scratch, spans)


def cut_short(fake: FakeEngine, meanwhile: Callable[[Tree], None] | None = None) -> CutShort:
    """Such a start of this engine."""
    return CutShort(fake.engine.python, fake.root / "models" / "fake", {}, False, fake, meanwhile)


class Harness:
    """A harness in a process of its own: what the command line does with the lock, signals and errors, and ``body``.

    A fork of this process: as real to signals and to the kernel as a fresh one, without its second of imports.
    """

    def __init__(self, root: Path, body: Callable[[], object]) -> None:
        self.code: int | None = None
        self._root = root
        self._output = root / f"harness-{time.monotonic_ns()}.txt"
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(body)

    def _run(self, body: Callable[[], object]) -> None:
        code: object = 1
        try:
            os.setsid()
            output = os.open(self._output, os.O_WRONLY | os.O_CREAT, 0o600)
            for number in (1, 2):
                os.dup2(output, number)
            sys.stdout = sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115  pytest's capture is not ours
            tempfile.tempdir = str(self._root / "scratch")
            signal.signal(signal.SIGINT, signal.default_int_handler)
            app = typer.Typer(pretty_exceptions_enable=False)

            @app.command()
            def command() -> None:
                with measuring(self._root, "figure 2"):
                    body()

            run_app(app, "harness", [], stopped="stopped; repeat the command to go on")
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            os._exit(code if isinstance(code, int) else 1)

    def output(self) -> str:
        """What it printed."""
        return self._output.read_text() if self._output.exists() else ""

    def ended(self) -> bool:
        """Whether it has ended; its exit code, negative for a signal, is then known."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code is not None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, if it lives."""
        if not self.ended():
            self.signal(signal.SIGKILL)
            assert wait_until(self.ended)


@contextmanager
def harness(
    fake: FakeEngine, body: Callable[[], object] | None = None, until: Callable[[FakeEngine], bool] | None = None
) -> Iterator[Harness]:
    """A running harness that measures one warm-up and one run; it is dead when the block is left.

    The block begins when ``until`` holds of its engine.
    """
    started = Harness(fake.root, body or (lambda: fake.measure(fake.session(1))))
    try:
        if until is not None:
            assert wait_until(lambda: until(fake) or started.ended())
            assert not started.ended(), started.output()
        yield started
    finally:
        started.kill()


def hangs(fake: FakeEngine) -> bool:
    """Whether a process of the engine stands still."""
    return bool(fake.journal("hanging"))


def guardians(harness_pid: int) -> list[int]:
    """Guardians at work for a harness."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            line = process.cmdline()
            if any(part.endswith("guardian.py") for part in line) and str(harness_pid) in line:
                found.append(process.pid)
    return found


def refused(body: Callable[[], object]) -> str:
    """Run ``body``, which must end with the harness's own error; returns its one line."""
    with pytest.raises(HarnessError) as caught:
        body()
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    return line


@contextmanager
def small_disk(folder: Path, options: str = "size=8m") -> Iterator[Callable[[str], None]]:
    """A file system of its own on ``folder``; the function that is given changes its options."""
    folder.mkdir(parents=True, exist_ok=True)

    def mount(wanted: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", wanted, "tmpfs", str(folder)], capture_output=True, text=True, check=False
        )

    done = mount(options)
    if done.returncode != 0:
        pytest.skip(f"needs the right to mount a small tmpfs: {done.stderr.strip()}")
    try:
        yield lambda wanted: mount(f"remount,{wanted}").check_returncode()
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
