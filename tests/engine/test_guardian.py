"""What is left of an engine's processes when the harness that started them is killed: nothing, within seconds."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.engine.guardian import MARK, Guardian, end_members, guarded, members
from harness.workspace import ROOT
from tests.processes import all_ended, runs

# Each process notes itself in the current folder. What /proc shows of an environment lies behind the arguments, so that
# a long process name overwrites it; here the environment is simply empty.
NOTE = "echo $$ >> pids"
SLEEP = f"{NOTE}; exec sleep 60"
TREE = {
    "children": f"bash -c '{SLEEP}' & {SLEEP}",
    "a child in a session of its own": f"setsid bash -c '{SLEEP}' & {SLEEP}",
    "an orphan in a session of its own": f"(setsid bash -c '{SLEEP}' &); {SLEEP}",
    "a child without the mark": f"env -i PATH=$PATH bash -c '{SLEEP}' & {SLEEP}",
    "a child in a session of its own without the mark": f"env -i PATH=$PATH setsid bash -c '{SLEEP}' & {SLEEP}",
}
HARNESS = """
import os, sys
from pathlib import Path
from harness.engine.process_tree import process_tree
with process_tree(["bash", "-c", sys.argv[1]], {"PATH": os.environ["PATH"]}, Path("log"), Path.cwd(), 60) as tree:
    Path("guardian").write_text(" ".join(str(pid) for pid in GUARDIANS))
    tree.wait()
"""
# The harness of the tests notes its guardian.
NOTING = """
import harness.engine.guardian as module
GUARDIANS = []
begin = module.Guardian.__init__
def noting(self, *arguments):
    begin(self, *arguments)
    GUARDIANS.append(self.pid)
module.Guardian.__init__ = noting
"""


def wait_for(folder: Path, pids: int) -> list[int]:
    """The pids that ``pids`` processes noted."""
    deadline = time.monotonic() + 10
    while True:
        noted = [int(line) for line in (folder / "pids").read_text().split()] if (folder / "pids").exists() else []
        if len(noted) >= pids and (folder / "guardian").exists() and (folder / "guardian").read_text():
            return noted
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _no_zombies() -> object:
    """Other tests may have made this process the one that adopts orphans."""
    yield
    for orphan in psutil.Process().children():
        orphan.wait(timeout=5)


@pytest.fixture
def harnesses() -> object:
    """Harness processes; a test that fails leaves none of them behind."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def start(folder: Path, script: str, harnesses: "list[subprocess.Popen[bytes]]") -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", NOTING + HARNESS, script]
    harnesses.append(subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}))
    return harnesses[-1]


@pytest.mark.parametrize("tree", TREE)
def test_a_killed_harness_takes_its_engine_with_it(
    tmp_path: Path, tree: str, harnesses: "list[subprocess.Popen[bytes]]"
) -> None:
    harness = start(tmp_path, TREE[tree], harnesses)
    pids = wait_for(tmp_path, 2)
    guardian = int((tmp_path / "guardian").read_text())
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # as a terminal or a shutdown would
            os.kill(guardian, number)
        time.sleep(0.05)
        assert runs(guardian)
        harness.send_signal(signal.SIGKILL)
        harness.wait()
        assert all_ended(pids, within_s=9)
        assert all_ended([guardian], within_s=2)
    finally:
        for pid in pids:
            if runs(pid):
                os.kill(pid, signal.SIGKILL)


def test_a_guardian_that_is_dismissed_ends_and_touches_nothing() -> None:
    with guarded() as guardian:
        mine = subprocess.Popen(
            ["sleep", "60"], env={"PATH": os.environ["PATH"], **guardian.environment}, start_new_session=True
        )
        guardian.watch(mine.pid)
        assert runs(guardian.pid)
        assert os.getsid(guardian.pid) == guardian.pid
        guardian.dismiss()
    assert not psutil.pid_exists(guardian.pid)  # not even a zombie
    assert mine.poll() is None
    mine.kill()
    mine.wait()


def test_a_guardian_that_was_killed_is_no_error() -> None:
    guardian = Guardian(None)
    os.kill(guardian.pid, signal.SIGKILL)
    assert all_ended([guardian.pid], within_s=2)
    guardian.watch(1)
    guardian.let_go()
    assert not psutil.pid_exists(guardian.pid)


def test_a_harness_that_dies_before_it_named_the_first_process_is_guarded_by_the_mark() -> None:
    guardian = Guardian(None)
    mine = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], **guardian.environment})
    assert guardian._process.stdin is not None
    guardian._process.stdin.close()
    assert mine.wait(timeout=5) == -signal.SIGTERM
    guardian._process.wait()


def test_only_processes_of_the_tree_are_members() -> None:
    mine = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], MARK: "a"}, start_new_session=True)
    other = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], MARK: "ab"}, start_new_session=True)
    try:
        while not members("ab", None):  # until the child is what it was started as
            time.sleep(0.005)
        assert [pid for pid, _ in members("a", None)] == [mine.pid]
        assert [pid for pid, _ in members("none", other.pid)] == [other.pid]
        assert members("none", None) == frozenset()
        (known,) = members("a", None)
        assert members("none", None, frozenset([known])) == {known}
        assert members("none", None, frozenset([(known[0], known[1] + 1)])) == frozenset()  # its number is used again
        end_members("a", None, grace_s=1)
        assert mine.wait() == -signal.SIGTERM
        assert other.poll() is None
    finally:
        for process in (mine, other):
            process.kill()
            process.wait()


def test_a_known_process_stays_a_member_when_its_environment_becomes_unreadable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], MARK: "c"}, start_new_session=True)
    try:
        while not (known := members("c", None)):
            time.sleep(0.005)
        read = Path.read_bytes

        def refuse(path: Path) -> bytes:
            if path.name == "environ":
                raise PermissionError
            return read(path)

        monkeypatch.setattr(Path, "read_bytes", refuse)
        assert members("c", None) == frozenset()
        assert members("c", None, known) == known
        assert members("c", mine.pid) == known
    finally:
        mine.kill()
        mine.wait()


def test_what_ignores_sigterm_is_killed_after_the_grace() -> None:
    script = "trap '' TERM; sleep 60 & wait"
    mine = subprocess.Popen(["bash", "-c", script], env={"PATH": os.environ["PATH"], MARK: "a"})
    while len(members("a", None)) < 2:  # until the trap is set and the child there, which ignores it too
        time.sleep(0.005)
    end_members("a", None, grace_s=0.1)
    assert mine.wait() == -signal.SIGKILL
    assert members("a", None) == frozenset()
