"""The same from where a user stands: ``bash run_figure.sh 2``, killed with all that belongs to its terminal's job."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.checkout import Checkout, add_fake_engine, make_checkout
from tests.faults.aftermath import running, wait_until
from tests.measure.fake_engine import FakeEngine

COMMAND = ("2", "--engine", "fake", "--smoke")


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, FakeEngine]:
    """A checkout in which figure 2 can be measured on the fake engine."""
    checkout = make_checkout(tmp_path_factory.mktemp("typed"))
    return checkout, add_fake_engine(checkout)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where a harness puts what it needs during a run; a short path, because sockets lie there."""
    with tempfile.TemporaryDirectory(prefix="t-") as name:
        yield Path(name)


@pytest.fixture(autouse=True)
def _nothing_is_left(typed: tuple[Checkout, FakeEngine]) -> Iterator[None]:
    yield
    for pid in running(typed[1]):
        with suppress(psutil.Error):
            psutil.Process(pid).kill()


@pytest.mark.parametrize("number", [pytest.param(signal.SIGKILL, id="kill-run_figure.sh-and-all-its-job")])
def test_a_killed_command_leaves_nothing_and_is_repeated_with_success(
    typed: tuple[Checkout, FakeEngine], number: signal.Signals, scratch: Path
) -> None:
    checkout, fake = typed
    fake.behave("ok", "hang", "ok")
    started = subprocess.Popen(
        ["bash", "run_figure.sh", *COMMAND],
        cwd=checkout.root,
        env=checkout.environment(TMPDIR=str(scratch)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert wait_until(lambda: len(fake.journal("hanging")) == 2 or started.poll() is not None)
    finally:
        os.killpg(started.pid, number)
    assert started.wait() == -number
    again = checkout.figure(*COMMAND, TMPDIR=str(scratch))
    assert again.code == 0, again.err
    assert running(fake) == []
    assert sorted(path.parent.name for path in checkout.root.glob("runs/**/run.json")) == ["1", "warmup-0"]
    assert list(checkout.root.glob("runs/**/.*")) == []
    assert [path for path in scratch.iterdir() if path.suffix != ".lock"] == []
    assert (checkout.root / "figures" / "figure-2" / "drawn").exists()


@pytest.mark.parametrize(
    "kept", [pytest.param(0.5, id="cut-installed.json"), pytest.param(0, id="empty-installed.json")]
)
def test_a_damaged_account_of_the_patches_is_refused_and_without_it_the_engine_is_patched_anew(
    typed: tuple[Checkout, FakeEngine], kept: float
) -> None:
    checkout, fake = typed
    fake.behave("ok")
    assert checkout.figure(*COMMAND).code == 0
    record = fake.engine.site_packages / "coldstart_tracer" / "installed.json"
    content = record.read_bytes()
    record.write_bytes(content[: int(kept * len(content))])
    refused = checkout.figure(*COMMAND)
    assert refused.code == 2
    assert refused.error.startswith(f"{record}: missing, or changed")
    record.unlink()
    assert checkout.figure(*COMMAND).code == 0
    assert record.read_bytes() == content


@pytest.mark.parametrize("name", [pytest.param("manifest.json", id="cut-manifest.json-in-figure-2")])
def test_a_damaged_slot_is_refused_in_one_line_and_made_again_once_it_is_gone(
    typed: tuple[Checkout, FakeEngine], name: str
) -> None:
    checkout, fake = typed
    fake.behave("ok")
    assert checkout.figure(*COMMAND).code == 0
    slot = fake.workspace.figure("2") / "node0"
    content = (slot / name).read_bytes()
    (slot / name).write_bytes(content[: len(content) // 2])
    refused = checkout.figure(*COMMAND)
    assert (refused.code, refused.error.split(": ")[0]) == (2, str(slot / name))
    shutil.rmtree(slot)
    assert checkout.figure(*COMMAND).code == 0
    assert (slot / name).read_bytes() == content
