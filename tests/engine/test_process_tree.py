"""One process tree of plain shell and Python processes: how it is started, what its exit says, and what it used."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.engine import process_tree as module
from harness.engine import usage
from harness.errors import HarnessError
from tests.engine.trees import SLEEP, descendants, run, run_to_the_end
from tests.engine.trees import _no_helper_of_python_itself as _no_helper_of_python_itself
from tests.engine.trees import _nothing_is_left as _nothing_is_left


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


@pytest.mark.alone
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
