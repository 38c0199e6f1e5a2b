"""What must hold around a measurement: a told end is noticed, and results can be written."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.errors import HarnessError
from harness.measure.conditions import NEEDED_BYTES, check_temporary_folder, check_writable, measuring
from harness.measure.lock import only_measurement
from harness.workspace import ROOT


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    after = {number: signal.signal(number, before[number]) for number in numbers}
    assert set(after.values()) <= {signal.SIG_DFL, signal.SIG_IGN}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_told_end_is_like_ctrl_c_and_the_lock_is_free_again(tmp_path: Path, number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), measuring(tmp_path, "a test"):
        os.kill(os.getpid(), number)
    with measuring(tmp_path, "another"):
        assert '"another"' in (tmp_path / ".harness.lock.json").read_text()


def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with measuring(tmp_path, "a test"):
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_folders_are_made_and_left_empty(tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "b", tmp_path / "c"]
    check_writable(folders)
    assert [list(folder.iterdir()) for folder in folders] == [[], []]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(HarnessError, match=r"/runs: results cannot be written there \(File exists\); make it writable"):
        check_writable([tmp_path, tmp_path / "runs"])


def test_a_disk_that_is_almost_full_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=NEEDED_BYTES - 1))
    with pytest.raises(HarnessError, match=r"results cannot be written there \(less than 512 MiB are free\)"):
        check_writable([tmp_path])


@pytest.mark.parametrize(("characters", "holds"), [(51, True), (52, False), (200, False)])
def test_a_temporary_folder_too_long_for_sockets_is_refused(
    monkeypatch: pytest.MonkeyPatch, characters: int, holds: bool
) -> None:
    folder = "/" + "x" * (characters - 1)
    monkeypatch.setattr(tempfile, "tempdir", folder)
    if holds:
        check_temporary_folder()
        # What is made there: a folder for each start, in it vLLM's sockets, each named by a UUID.
        made = f"{folder}/{'coldstart-' + 8 * 'x'}/{uuid.uuid4()}"
        assert len(made) <= 107
        return
    with pytest.raises(HarnessError, match=r"too long a path for sockets; set TMPDIR to a shorter one, such as /tmp"):
        check_temporary_folder()


def test_a_harness_killed_while_it_notes_itself_leaves_the_note_of_the_one_before(tmp_path: Path) -> None:
    holder = tmp_path / ".harness.lock.json"
    holder.write_text('{"pid": 999999999, "what": "the one before"}')
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom harness.measure.lock import only_measurement\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "with only_measurement(Path(sys.argv[1]), 'killed'): pass"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert "the one before" in holder.read_text()
    with only_measurement(tmp_path, "the next"):
        assert "the next" in holder.read_text()
