"""A worker that failed is quoted in one line: the exception that ended it, not what libraries say at the exit."""

import sys
from pathlib import Path

import pytest

from harness.engine import study_worker
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError

AT_EXIT = "import atexit, sys\natexit.register(lambda: print('leaked 1 instance', file=sys.stderr))\n"
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
