"""What happens to files between their eviction and the start: it is caught, and who did it is named."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.state import files
from harness.state.files import look, make_cold
from harness.state.pagecache import evict, residency, warm
from tests.state.cached_files import (
    SIZE,
    make_file,
    reason,
    user,
)

Meanwhile = Callable[[Callable[[], None]], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Have something happen after each eviction, before anybody looks."""

    def after_each_eviction(happens: Callable[[], None]) -> None:
        def evict_and_more(path: Path) -> None:
            evict(path)
            happens()

        monkeypatch.setattr(files, "evict", evict_and_more)
        monkeypatch.setattr(files, "PAUSE_S", 0)

    return after_each_eviction


def test_a_process_that_reads_a_file_again_and_again_is_named(weights: Path, meanwhile: Meanwhile) -> None:
    with user(weights, "reads") as process:
        meanwhile(process.act)
        state = make_cold([weights])
    assert state.verdict == "resident"
    assert reason(state) == (
        f"weights.safetensors: read again after its eviction; pid {process.pid} ({process.name}) has it open"
    )


def test_a_process_that_reads_a_file_once_is_outlived(weights: Path, meanwhile: Meanwhile) -> None:
    commands = [["cat", weights]]

    def read_once() -> None:
        while commands:
            subprocess.run(commands.pop(), stdout=subprocess.DEVNULL, check=True)

    meanwhile(read_once)
    assert make_cold([weights]).verdict == "evicted"


def test_a_reader_that_has_gone_is_suspected_but_not_made_up(weights: Path, meanwhile: Meanwhile) -> None:
    meanwhile(lambda: warm(weights))
    state = make_cold([weights])
    assert state.verdict == "resident"
    assert "read again after its eviction; no process that can be seen has it open" in reason(state)


def test_a_reader_between_the_eviction_and_a_later_look_is_seen(weights: Path) -> None:
    make_cold([weights])
    subprocess.run(["head", "-c", "100000", weights], stdout=subprocess.DEVNULL, check=True)
    assert look([weights]).verdict in ("partial", "resident")


def test_a_live_process_that_maps_a_file_is_named_and_after_its_end_the_file_can_be_evicted(weights: Path) -> None:
    with user(weights, "maps") as first, user(weights, "maps") as second:
        state = make_cold([weights], attempts=1)
        names = f"pid {min(first.pid, second.pid)} ({first.name}) and 1 more"
        assert (state.verdict, reason(state)) == ("resident", f"weights.safetensors: mapped by {names}")
        assert look([weights]).reason is None  # a look is fast; who it is, is another question
        assert look([weights], "evicted").reason == state.reason
    assert make_cold([weights]).verdict == "evicted"


def test_dirty_pages_are_written_out_and_a_process_that_writes_on_is_named(disk: Path, meanwhile: Meanwhile) -> None:
    path = disk / "fresh"
    path.write_bytes(bytes(SIZE))
    assert make_cold([path]).verdict == "evicted"
    warm(path)
    with user(path, "writes") as process:
        meanwhile(process.act)
        state = make_cold([path])
    assert not state.holds("evicted")
    if residency(path).how != "mincore":
        assert "65,536 bytes of it are not on the disk yet" in reason(state)
    assert f"pid {process.pid} ({process.name}) has it open" in reason(state)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.write_bytes(bytes(10)), "its size has changed from 1,048,576 to 10 bytes"),
        (lambda path: path.unlink(), "No such file or directory"),
        (lambda path: os.replace(make_file(path.with_name("new")), path), "another file has taken its place"),
        (lambda path: os.utime(path, ns=(1, 1)), "it was written to"),
    ],
)
def test_a_file_that_changes_is_caught_during_a_look_and_after_it(
    weights: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object], said: str
) -> None:
    before = look([weights])
    assert before.changed() is None

    def look_and_change(path: Path):
        found = residency(path)
        change(path)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(files, "residency", look_and_change)
        during = look([weights])
    assert during.verdict == "unverifiable"
    assert reason(during) == f"weights.safetensors: not the same after the look at it (weights.safetensors: {said})"
    assert before.changed() == f"weights.safetensors: {said}"


def test_a_file_that_was_deleted_is_named(weights: Path, meanwhile: Meanwhile) -> None:
    meanwhile(weights.unlink)
    with pytest.raises(HarnessError, match=r"weights.safetensors: No such file or directory"):
        make_cold([weights])
