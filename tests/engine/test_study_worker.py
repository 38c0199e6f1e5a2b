"""A worker that failed is quoted in one line: the exception that ended it, not what libraries say at the exit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.engine import study_worker
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError
from harness.workspace import ROOT

AT_EXIT = "import atexit, sys\natexit.register(lambda: print('leaked 1 instance', file=sys.stderr))\n"
REFUSED = (
    "raise ValueError('1 validation error for ModelConfig\\n  Value error, no such model [type=value_error, …]')\n"
)
CHAINED = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('too many\\nblocks')\n"


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    (folder / "worker_one.py").write_text(code)
    monkeypatch.setattr(study_worker, "ROOT", folder)
    paths = folder / "request.json", folder / "result.json"
    run_worker(Path(sys.executable), "worker_one", paths, {}, "making one", 60.0)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise MemoryError('9 GB')", "MemoryError: 9 GB"),
        (AT_EXIT + "raise MemoryError('9 GB')", "MemoryError: 9 GB"),
        (AT_EXIT + REFUSED, "ValueError: 1 validation error for ModelConfig: Value error, no such model"),
        (AT_EXIT + CHAINED, "ValueError: too many"),
        ("import sys; sys.exit('no such policy')", "no such policy"),
        ("import os; os._exit(3)", "no message"),
        ("", "no message"),  # it ended well, without a result
    ],
)
def test_what_ended_it_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str):
    with pytest.raises(HarnessError) as error:
        run(tmp_path, monkeypatch, code)
    assert str(error.value).startswith("making one failed (exit ")
    assert str(error.value).endswith(f"): {said}")


def test_a_worker_that_made_its_result_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run(tmp_path, monkeypatch, "import sys, pathlib; pathlib.Path(sys.argv[2]).write_text(sys.argv[1])")
    assert (tmp_path / "result.json").read_text() == str(tmp_path / "request.json")


def test_what_a_worker_inherits_can_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ONLY_OF_THIS_SHELL", "x")
    monkeypatch.setattr(study_worker, "ROOT", tmp_path)
    code = "import os, sys, pathlib; pathlib.Path(sys.argv[2]).write_text(' '.join(sorted(os.environ)))"
    (tmp_path / "worker_one.py").write_text(code)
    paths, python = (tmp_path / "request", tmp_path / "result"), Path(sys.executable)
    run_worker(python, "worker_one", paths, {"MORE": "1"}, "x", 60.0, inherited={"KEPT": "1", "PATH": "/bin"})
    assert {"MORE", "KEPT", "PATH"} <= set(paths[1].read_text().split())
    assert "ONLY_OF_THIS_SHELL" not in paths[1].read_text()


CALLER = """
import sys
from pathlib import Path
from harness.engine import study_worker
study_worker.ROOT = folder = Path(sys.argv[1])
study_worker.run_worker(Path(sys.executable), "worker_one", (folder / "request", folder / "result"), {}, "", 60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_does_not_outlive_its_caller(tmp_path: Path, how: signal.Signals):
    told, pid = tmp_path / "pid", 0
    code = f"import os, pathlib, time\np = pathlib.Path({str(tmp_path)!r})\n(p / 'new').write_text(str(os.getpid()))\n"
    (tmp_path / "worker_one.py").write_text(code + "(p / 'new').rename(p / 'pid')\ntime.sleep(60)")
    caller = subprocess.Popen([sys.executable, "-c", CALLER, str(tmp_path)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 30
        while not told.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        pid = int(told.read_text())
        caller.send_signal(how)
        caller.wait()
        while is_running(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not is_running(pid)
    finally:
        caller.kill()
        if pid and is_running(pid):
            os.kill(pid, signal.SIGKILL)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
