"""The end of one process tree: all of it ends, whatever it does, whoever interrupts; what cannot be ended is named."""

import errno
import gc
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness.engine import ending, guardian, usage
from harness.engine import process_tree as module
from harness.engine.process_tree import process_tree
from harness.errors import HarnessError
from tests.engine.trees import SLEEP, STUBBORN, descendants, noted, run
from tests.engine.trees import _no_helper_of_python_itself as _no_helper_of_python_itself
from tests.engine.trees import _nothing_is_left as _nothing_is_left


def interrupt_when(folder: Path, pids: int, times: int = 1, pause_s: float = 0.1) -> threading.Thread:
    """Press Ctrl-C once ``pids`` processes have noted themselves, ``times`` times."""

    def press() -> None:
        deadline = time.monotonic() + 10
        while not ((folder / "pids").exists() and len(noted(folder)) >= pids):
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(pause_s)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


def test_a_timeout_ends_children_and_grandchildren(tmp_path: Path) -> None:
    ended = run(tmp_path, f'echo $$ >> pids; bash -c \'bash -c "$S" & eval "$S"\' & {SLEEP}', 0.4, S=SLEEP)
    assert (ended.exit_code, ended.timed_out) == (None, True)
    assert len(noted(tmp_path)) == 4
    assert [pid for pid in noted(tmp_path) if psutil.pid_exists(pid)] == []
    assert 0.4 <= (ended.exit_ns - ended.exec_ns) / 1e9 < 2  # the time of ending the tree is not the run's


def test_processes_that_ignore_sigterm_are_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TERMINATE_GRACE_S", 0.1)
    run(tmp_path, f'bash -c "$S" & {STUBBORN}', 0.3, S=STUBBORN)
    assert len(noted(tmp_path)) == 2
    assert [pid for pid in noted(tmp_path) if psutil.pid_exists(pid)] == []


def test_orphans_in_sessions_of_their_own_are_found_ended_and_counted(tmp_path: Path) -> None:
    orphan = '(setsid bash -c "$S" &); '
    ended = run(tmp_path, f"{orphan * 2} while [ $(wc -l < pids) -lt 2 ]; do sleep .01; done; sleep .05", S=SLEEP)
    assert ended.exit_code == 0
    assert len(ended.ended) >= 4  # each with the sleep it waits for, and perhaps one that it started in its last moment
    assert [pid for pid in noted(tmp_path) if psutil.pid_exists(pid)] == []


def test_an_orphan_that_ended_by_itself_is_no_leftover_and_no_zombie(tmp_path: Path) -> None:
    ended = run(tmp_path, "(setsid bash -c 'echo $$ >> pids' &); while [ ! -s pids ]; do sleep .01; done; sleep .05")
    assert (ended.exit_code, len(ended.ended)) == (0, 0)
    assert [pid for pid in noted(tmp_path) if psutil.pid_exists(pid)] == []


def test_ctrl_c_ends_the_whole_tree_before_it_goes_on(tmp_path: Path) -> None:
    thread = interrupt_when(tmp_path, pids=2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, f'bash -c "$S" & {SLEEP}', S=SLEEP)
    thread.join()
    assert [pid for pid in noted(tmp_path) if psutil.pid_exists(pid)] == []


def test_a_second_ctrl_c_kills_at_once_what_does_not_want_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graces: list[float] = []
    end = ending._end_tree

    def end_and_note(process: "subprocess.Popen[bytes]", spared: ending.Spared, grace_s: float) -> frozenset[int]:
        graces.append(grace_s)
        return end(process, spared, grace_s)

    monkeypatch.setattr(ending, "_end_tree", end_and_note)
    thread = interrupt_when(tmp_path, pids=2, times=2, pause_s=0.2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, f'bash -c "$S" & {STUBBORN}', S=STUBBORN)
    thread.join()
    assert graces == [module.TERMINATE_GRACE_S, 0.0]
    assert [pid for pid in noted(tmp_path) if psutil.pid_exists(pid)] == []


def test_a_tree_that_falls_apart_while_it_is_being_ended_is_no_error(tmp_path: Path) -> None:
    children = "for i in 1 2 3 4 5 6 7 8; do sleep 0.05 & sleep 60 & done; "
    for _ in range(3):
        assert run(tmp_path, f"{children} sleep 0.05").exit_code == 0


# A Popen object that nobody waited for complains when it is collected.
unwaited = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


def reap() -> None:
    """Take out of the process table what the guardian ended."""
    gc.collect()
    psutil.wait_procs(descendants())


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


INTERRUPTED = {
    "inside Popen": lambda patch: patch.setattr(subprocess.Popen, "_close_pipe_fds", interrupt),
    "between Popen and the block": lambda patch: patch.setattr(module, "Tree", interrupt),
    "before the guardian knows the pid": lambda patch: patch.setattr(guardian.Guardian, "watch", interrupt),
    "in the meter": lambda patch: patch.setattr(usage.Meter, "stop", interrupt),
    "again and again": lambda patch: patch.setattr(ending, "_end_tree", interrupt),
}


@unwaited
@pytest.mark.parametrize("where", INTERRUPTED)
def test_the_guardian_ends_a_tree_whose_end_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    begin = guardian.Guardian.__init__

    def begin_and_interrupt(self: guardian.Guardian, scratch: Path | None) -> None:
        begin(self, scratch)
        INTERRUPTED[where](monkeypatch)  # only now: the guardian itself is a Popen

    monkeypatch.setattr(guardian.Guardian, "__init__", begin_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, f"(setsid bash -c '{SLEEP}' &); {SLEEP}", timeout_s=0.2)
    left = descendants()
    assert [process for process in left if process.status() != psutil.STATUS_ZOMBIE] == []
    reap()


def of_another_user(monkeypatch: pytest.MonkeyPatch, is_theirs: Callable[[int], bool]) -> None:
    """What a process of another user is to this one: alive, and closed to signals."""
    send, send_to_child = psutil.Process.send_signal, subprocess.Popen.send_signal

    def refuse(process: psutil.Process, number: int) -> None:
        if is_theirs(process.pid):
            raise psutil.AccessDenied(process.pid)
        send(process, number)

    def refuse_child(process: "subprocess.Popen[bytes]", number: int) -> None:
        if is_theirs(process.pid):
            raise PermissionError(errno.EPERM, "Operation not permitted")
        send_to_child(process, number)

    monkeypatch.setattr(psutil.Process, "send_signal", refuse)
    monkeypatch.setattr(subprocess.Popen, "send_signal", refuse_child)
    monkeypatch.setattr(module, "TERMINATE_GRACE_S", 0.1)
    monkeypatch.setattr(ending, "KILLED_S", 0.1)


@unwaited
@pytest.mark.parametrize("theirs", ["front end", "child"])
def test_a_process_of_another_user_is_named_and_all_others_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: str
) -> None:
    at = {"front end": 0, "child": 1}[theirs]
    others: list[bool] = []
    dismissed: list[object] = []
    of_another_user(monkeypatch, lambda pid: pid == noted(tmp_path)[at])
    # Before the guardian does its part: only the other user's process, and what it started, may be left.
    let_go = guardian.Guardian.let_go

    def look(self: guardian.Guardian) -> None:
        dismissed.append(self._dismissed)
        others.extend(psutil.pid_exists(pid) for pid in noted(tmp_path))
        let_go(self)

    monkeypatch.setattr(guardian.Guardian, "let_go", look)
    script = f"echo $$ >> pids; for _ in 1 2; do while [ $(wc -l < pids) -lt $_ ]; do :; done; bash -c '{SLEEP}' & done"
    with pytest.raises(HarnessError) as refused:
        run(tmp_path, f"{script}; while :; do sleep 60 & wait $!; done", 0.4)
    assert str(refused.value) == f"pid {noted(tmp_path)[at]} belongs to another user and still runs; end it"
    assert (others, dismissed) == ([i == at for i in range(3)], [False])
    del refused
    reap()


@unwaited
def test_a_process_that_not_even_sigkill_ends_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TERMINATE_GRACE_S", 0.1)
    monkeypatch.setattr(ending, "KILLED_S", 0.1)
    monkeypatch.setattr(subprocess.Popen, "send_signal", lambda *_: None)
    with pytest.raises(HarnessError, match=r"^pid \d+ was killed and still runs: it waits for the kernel"):
        run(tmp_path, SLEEP, 0.2)
    reap()


def test_a_tree_that_ends_leaves_another_one_alone_and_takes_its_own_orphans_with_it(tmp_path: Path) -> None:
    """Engines that are compared run beside each other, and one may fail while the others go on."""
    (tmp_path / "other").mkdir()
    orphaning = f"(bash -c '{SLEEP}' & bash -c '{SLEEP}' &) ; sleep 1"
    environment = {"PATH": os.environ["PATH"]}
    command = ["bash", "-c", f"(bash -c '{SLEEP}' &); {SLEEP}"]
    with process_tree(command, environment, tmp_path / "log", tmp_path, 60, metered=False) as stays:
        assert stays.wait(lambda: (tmp_path / "pids").exists() and len(noted(tmp_path)) == 2)
        ended = run(tmp_path / "other", orphaning)
        gone = noted(tmp_path / "other")
        assert len(gone) == 2
        assert ended.ended >= set(gone)
        assert not any(map(psutil.pid_exists, gone))
        assert stays.running
        assert all(map(psutil.pid_exists, noted(tmp_path)))
    assert not any(map(psutil.pid_exists, noted(tmp_path)))
