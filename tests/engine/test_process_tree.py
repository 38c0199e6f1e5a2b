"""One process tree of plain shell and Python processes: its end, whatever it does, and what it used."""

import contextlib
import errno
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from harness.engine import ending, guardian, usage
from harness.engine import process_tree as module
from harness.engine.process_tree import Exit, process_tree
from harness.errors import HarnessError

# Notes its pid in the current folder, then does what its arguments say.
SLEEP = "echo $$ >> pids; while :; do sleep 60 & wait $!; done"
STUBBORN = f"trap '' TERM; {SLEEP}"


def run(folder: Path, script: str, timeout_s: float = 20.0, **variables: str) -> Exit:
    return run_to_the_end(["bash", "-c", script], {"PATH": os.environ["PATH"], **variables}, folder, timeout_s)


def run_to_the_end(command: list[str], environment: dict[str, str], folder: Path, timeout_s: float = 20.0) -> Exit:
    with process_tree(command, environment, folder / "log", folder, timeout_s) as tree:
        assert tree.wait() is False
    assert tree.exit is not None
    return tree.exit


def noted(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "pids").read_text().split()]


def descendants() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


@pytest.fixture(scope="module", autouse=True)
def _no_helper_of_python_itself() -> None:
    """Earlier tests may have used multiprocessing, whose resource tracker lives as long as this process."""
    with contextlib.suppress(ChildProcessError):  # it was reaped with other children
        resource_tracker._resource_tracker._stop()


@pytest.fixture(autouse=True)
def _nothing_is_left() -> object:
    assert descendants() == []
    yield
    left = descendants()
    for process in left:
        process.kill()
    psutil.wait_procs(left)
    assert left == []


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


def test_an_exit_says_code_times_and_where_the_output_went(tmp_path: Path) -> None:
    before = time.monotonic_ns()
    ended = run(tmp_path, "echo out; echo err >&2; pwd; exit 3")
    assert (ended.exit_code, ended.timed_out, len(ended.ended)) == (3, False, 0)
    assert before <= ended.exec_ns < ended.exit_ns <= time.monotonic_ns()
    assert (tmp_path / "log").read_text().splitlines() == ["out", "err", str(tmp_path)]


def test_the_environment_is_exactly_what_was_given_and_there_is_no_terminal(tmp_path: Path) -> None:
    program = "import os; print(sorted(os.environ), os.environ['ONLY'], os.isatty(0))"
    run_to_the_end([sys.executable, "-c", program], {"ONLY": "this", "LC_CTYPE": "C.UTF-8"}, tmp_path)
    assert (tmp_path / "log").read_text() == "['COLDSTART_TREE', 'LC_CTYPE', 'ONLY'] this False\n"


def test_a_signal_that_ended_it_is_a_negative_exit_code(tmp_path: Path) -> None:
    assert run(tmp_path, "kill -KILL $$").exit_code == -signal.SIGKILL


def test_the_end_is_noticed_at_once(tmp_path: Path) -> None:
    # Popen.wait would look after 0.5, 1.5, 3.5 … 63.5 and 113.5 ms.
    walls = [(ended.exit_ns - ended.exec_ns) / 1e9 for ended in (run(tmp_path, "exec sleep 0.07") for _ in range(3))]
    assert 0.07 <= min(walls) < 0.1


@pytest.mark.parametrize(("script", "timed_out"), [("exit 3", False), (SLEEP, True)])
def test_a_kernel_without_process_descriptors_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, timed_out: bool
) -> None:
    def refuse(*_: int) -> int:
        raise OSError(errno.ENOSYS, "not implemented")

    monkeypatch.setattr(module, "os", SimpleNamespace(pidfd_open=refuse))
    ended = run(tmp_path, script, 0.3)
    assert (ended.timed_out, ended.exit_code) == (timed_out, None if timed_out else 3)


def test_an_unknown_command_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"/nothing: cannot be started \(No such file or directory\); mend it$"):
        run_to_the_end([str(tmp_path / "nothing")], {}, tmp_path)
    assert descendants() == []


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


def test_a_second_ctrl_c_kills_at_once_what_does_not_want_to_end(tmp_path: Path) -> None:
    thread = interrupt_when(tmp_path, pids=2, times=2, pause_s=0.2)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, f'bash -c "$S" & {STUBBORN}', S=STUBBORN)
    thread.join()
    assert time.monotonic() - began < module.TERMINATE_GRACE_S / 2
    assert [pid for pid in noted(tmp_path) if psutil.pid_exists(pid)] == []


def test_a_tree_that_falls_apart_while_it_is_being_ended_is_no_error(tmp_path: Path) -> None:
    children = "for i in 1 2 3 4 5 6 7 8; do sleep 0.05 & sleep 60 & done; "
    for _ in range(3):
        assert run(tmp_path, f"{children} sleep 0.05").exit_code == 0


def test_cpu_seconds_and_peak_memory_are_those_of_the_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "SAMPLE_S", 0.02)
    burn = (
        "import time; block = b'x' * (64 << 20); end = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    )
    ended = run(tmp_path, f'{sys.executable} -c "$BURN" & {sys.executable} -c "$BURN"; wait', BURN=burn)
    assert ended.exit_code == 0
    cpu_s, peak_bytes = ended.resources["cpu_s"], ended.resources["peak_rss_bytes"]
    assert cpu_s is not None
    assert peak_bytes is not None
    assert 0.4 <= cpu_s < 2
    assert 128 << 20 <= peak_bytes < 512 << 20
    assert run(tmp_path, "true").resources["cpu_s"] < 0.1  # earlier runs are not in it


def test_bytes_are_counted_that_had_to_come_from_a_disk(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(8 << 20))
    subprocess.run(["sync", "-f", str(source)], check=True)
    with source.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    read = run(tmp_path, "cat source > /dev/null").resources["read_bytes"]
    if read == 0:
        pytest.skip("this file system does not read from a block device")
    assert 8 << 20 <= read < 16 << 20
    assert run(tmp_path, "cat source > /dev/null").resources["read_bytes"] < 1 << 20


@pytest.mark.parametrize("timeout_s", [float("inf"), 1e300, 3e6])
def test_a_deadline_that_no_clock_reaches_is_none(tmp_path: Path, timeout_s: float) -> None:
    assert run(tmp_path, "exit 3", timeout_s).exit_code == 3


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
