"""Ctrl-C and SIGTERM to a real harness process whose engine hangs."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import Checkout, add_fake_engine, make_checkout
from tests.measure.fake_engine import FakeEngine, end_for_certain
from tests.processes import all_ended

HANGING = 2  # the fake engine's core and its child; the front end waits for them


def start(checkout: Checkout, scratch: Path) -> "subprocess.Popen[str]":
    """``bash run_figure.sh 2`` in a process group of its own, as a terminal does it."""
    return subprocess.Popen(
        ["bash", "run_figure.sh", "2", "--engine", "fake"],
        cwd=checkout.root,
        env=checkout.environment(TMPDIR=str(scratch)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where the harness puts what it needs during a run; a short path, because sockets lie there."""
    with tempfile.TemporaryDirectory(prefix="t-") as name:
        yield Path(name)


def wait_until_it_hangs(fake: FakeEngine, harness: "subprocess.Popen[str]") -> list[int]:
    """Pids of the engine's processes, once all of them are there."""
    deadline = time.monotonic() + 20
    before = fake.journal("hanging")
    while len(fake.journal("hanging")) < len(before) + HANGING:
        assert harness.poll() is None, harness.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return [entry["pid"] for entry in [*fake.starts()[-1:], *fake.journal("hanging")[len(before) :]]]


def runs(checkout: Checkout) -> list[str]:
    return sorted(path.parent.name for path in checkout.root.glob("runs/**/run.json"))


def test_a_stopped_harness_leaves_no_process_and_no_record_and_a_rerun_completes(tmp_path: Path, scratch: Path) -> None:
    checkout = make_checkout(tmp_path)
    fake = add_fake_engine(checkout)
    fake.behave("ok", "ok", "hang", "hang", "ok")
    for number in (signal.SIGINT, signal.SIGTERM):  # the second stops the rerun of the first
        stop_while_it_hangs(checkout, fake, number, scratch)
        assert runs(checkout) == ["1", "warmup-0"]
        assert not (checkout.root / ".harness.lock.json").exists()
        assert [path for path in scratch.iterdir() if path.suffix != ".lock"] == []
    again = checkout.figure("2", "--engine", "fake")
    assert again.code == 0, again.err
    assert runs(checkout) == ["1", "2", "warmup-0"]
    assert len(fake.starts()) == 5  # what was measured before a stop was not measured again
    assert list(checkout.root.glob("runs/**/.*")) == []
    assert (checkout.root / "figures" / "figure-2" / "drawn").exists()


def stop_while_it_hangs(checkout: Checkout, fake: FakeEngine, number: signal.Signals, scratch: Path) -> None:
    """Start the command, wait until the engine hangs, send the signal, and check that everything has ended."""
    harness = start(checkout, scratch)
    pids: list[int] = []
    try:
        pids = wait_until_it_hangs(fake, harness)
        os.killpg(harness.pid, number)
        _, err = harness.communicate(timeout=20)
        assert harness.returncode == 130
        assert err.splitlines()[-1] == "stopped; everything measured so far is stored, repeat the command to go on"
        assert "Traceback" not in err
        assert all_ended(pids, within_s=1)
    finally:
        harness.kill()  # no effect on one that has ended
        end_for_certain(pids)
