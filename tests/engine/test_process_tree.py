"""One process tree of plain shell and Python processes: its end, whatever it does, and what it used."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from harness.engine import process_tree as module
from harness.engine import usage
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
