"""The state of a set of files: everything that can make a cold or warm one a lie is caught, and named.

One file of over 300 lines: the file half of the matrix in tests/faults/test_state_sabotage.py, with the same fixtures.
"""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.state import files
from harness.state.files import FilesState, FileState, files_below, look, make_cold, make_warm
from harness.state.filesystem import FileSystem
from harness.state.pagecache import PAGE, evict, residency, warm
from tests.state.cached_files import (
    SIZE,
    as_nobody,
    make_file,
    mounted,
    overlaid,
    public_folder,
    read_pages,
    user,
)
from tests.state.test_filesystem import loop_device

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


def reason(state: FilesState) -> str:
    assert len(str(state.reason).splitlines()) == 1
    return str(state.reason)


def test_files_are_made_cold_and_warm_and_proved_to_be(weights: Path, disk: Path) -> None:
    paths = [weights, make_file(disk / "tokenizer.json", 10_000), make_file(disk / "empty", 0)]
    cold = make_cold(paths)
    assert (cold.verdict, cold.resident_bytes, cold.resident_fraction, cold.reason) == ("evicted", 0, 0.0, None)
    assert cold.bytes == SIZE + 10_000
    assert look(paths) == cold
    now = make_warm(paths)
    assert (now.verdict, now.resident_bytes, now.resident_fraction, now.reason) == ("resident", now.bytes, 1.0, None)
    assert [file.path for file in now.files] == paths
    assert now.holds("resident")
    assert not now.holds("evicted")


def test_what_is_cold_already_is_not_evicted_again_and_what_is_warm_not_read_again(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cold([weights])
    monkeypatch.setattr(files, "evict", lambda _: pytest.fail("evicted again"))
    assert make_cold([weights]).verdict == "evicted"
    make_warm([weights])
    monkeypatch.setattr(files, "warm", lambda _: pytest.fail("read again"))
    assert make_warm([weights]).verdict == "resident"


# The sabotages: what happens to files between their eviction and the start.


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


def test_a_file_on_a_tmpfs_is_refused_as_a_cold_one(disk: Path) -> None:
    with mounted(disk / "memory", "-t", "tmpfs", "none") as folder:
        path = make_file(folder / "weights.safetensors")
        state = make_cold([path], attempts=1)
        assert state.verdict == "resident"
        assert reason(state) == "weights.safetensors: on tmpfs, which is memory: its pages cannot be evicted"
        assert look([path]).reason is None
        assert make_warm([path]).verdict == "resident"
        with path.open("r+b") as file:
            file.truncate(2 * SIZE)  # pages that were never written are not there
        assert (look([path]).verdict, look([path]).holds("evicted")) == ("unverifiable", False)


def test_half_of_the_weights_in_memory_is_neither_warm_nor_cold(weights: Path) -> None:
    half = SIZE // PAGE // 2
    evict(weights)
    read_pages(weights, range(half))
    state = look([weights])
    assert (state.verdict, state.resident_fraction) == ("partial", 0.5)
    assert reason(state) == "weights.safetensors: 524,288 of its 1,048,576 bytes are in memory"
    assert make_warm([weights]).verdict == "resident"
    evict(weights)
    read_pages(weights, range(half))
    assert make_cold([weights]).verdict == "evicted"


def test_one_warm_shard_among_cold_ones_is_noticed(disk: Path) -> None:
    shards = [make_file(disk / f"shard-{number}", PAGE) for number in range(3)]
    make_cold(shards)
    warm(shards[1])
    state = look(shards)
    assert (state.verdict, state.reason) == ("partial", "1 of 3 files are resident")
    assert state.resident_fraction == pytest.approx(1 / 3)


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_weights_that_are_a_link_are_evicted_where_they_lie(weights: Path, disk: Path, link) -> None:
    model = disk / "model"
    model.mkdir()
    link(weights, model / "model.safetensors")
    assert make_cold(files_below(model)).bytes == SIZE
    assert residency(weights).is_evicted
    warm(weights)
    assert look(files_below(model)).verdict == "resident"
    with user(weights, "maps") as process:  # by its other name
        assert f"mapped by pid {process.pid}" in reason(make_cold(files_below(model), attempts=1))


def test_a_link_to_weights_in_memory_is_no_cold_file(disk: Path) -> None:
    with mounted(disk / "memory", "-t", "tmpfs", "none") as folder:
        (disk / "weights.safetensors").symlink_to(make_file(folder / "real"))
        assert "on tmpfs, which is memory" in reason(make_cold([disk / "weights.safetensors"], attempts=1))


def test_through_a_bind_mount_the_same_pages_are_seen(weights: Path, disk: Path) -> None:
    with mounted(disk / "seen", "--bind", str(disk)) as folder:
        assert make_cold([folder / weights.name]).verdict == "evicted"
        warm(weights)
        assert look([folder / weights.name]).verdict == "resident"


def test_a_warm_file_is_not_taken_for_a_cold_one_through_overlayfs(weights: Path, disk: Path) -> None:
    with overlaid(disk) as merged:
        seen = merged / weights.name
        warm(weights)
        assert look([seen]).verdict == "resident"
        assert make_cold([seen]).verdict == "evicted"
        assert look([weights]).verdict == "evicted"
        with user(seen, "maps") as process:
            state = make_cold([seen], attempts=1)
        assert (state.verdict, f"mapped by pid {process.pid}" in reason(state)) == ("resident", True)


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


def test_of_another_users_file_nothing_is_claimed() -> None:
    with public_folder() as folder:
        path = make_file(folder / "weights.safetensors")
        path.chmod(0o644)

        def try_both() -> list[str | None]:
            return [part for state in (make_cold([path]), make_warm([path])) for part in (state.verdict, state.reason)]

        why = "weights.safetensors: only its owner (user 0) and who may write it are told"
        assert as_nobody(try_both) == ["unverifiable", why, "unverifiable", why]


def test_what_is_not_told_is_evicted_all_the_same() -> None:
    with public_folder() as folder:
        path = make_file(folder / "weights.safetensors")
        path.chmod(0o644)
        if not look([path]).holds("resident"):
            pytest.skip("temporary files lie where nothing can be evicted")
        as_nobody(lambda: make_cold([path]).verdict)
        assert look([path]).verdict == "evicted"


def test_a_loop_device_keeps_a_second_copy_and_is_no_cold_place(disk: Path) -> None:
    with loop_device(disk / "image") as device, mounted(disk / "seen", str(device)) as folder:
        path = make_file(folder / "weights.safetensors")
        assert make_warm([path]).verdict == "resident"
        state = make_cold([path])
        assert state.verdict == "unverifiable"
        assert f"on {device.name}, which reads from a file that has pages of its own" in reason(state)


def test_what_a_server_holds_cannot_be_seen(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "filesystem_of", lambda _: FileSystem("nfs4", "0:50"))
    for state in (make_cold([weights]), make_warm([weights])):
        assert (state.verdict, state.resident_fraction) == ("unverifiable", None)
        assert reason(state) == (
            "weights.safetensors: on nfs4: what its server or program holds in memory cannot be seen from here"
        )


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


# Memory.


def available(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    memory = psutil.virtual_memory()._replace(available=number)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)


def test_files_larger_than_memory_are_not_read(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evict(weights)
    available(monkeypatch, SIZE - 1)
    said = "0.00 GB of files do not fit into the 0.00 GB of memory that are available; measure with --storage ssd"
    with pytest.raises(HarnessError, match=said):
        make_warm([weights])
    assert residency(weights).is_evicted


def test_files_that_are_in_memory_already_fit(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_warm([weights])
    available(monkeypatch, 0)
    assert make_warm([weights]).verdict == "resident"


def test_what_does_not_stay_in_memory_is_said(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def warm_in_vain(path: Path) -> None:
        warm(path)
        evict(path)

    evict(weights)
    monkeypatch.setattr(files, "warm", warm_in_vain)
    state = make_warm([weights])
    assert state.verdict == "evicted"
    assert "not all of it stayed in memory, of which " in reason(state)


# Sets of files.

states = st.builds(
    lambda number, verdict: FileState(
        path=Path(f"file-{number}"),
        bytes=4 * number,
        resident_bytes={"resident": 4 * number, "evicted": 0, "partial": 2 * number, "unverifiable": None}[verdict],
        verdict=verdict if number or verdict == "unverifiable" else "evicted",
        reason="no idea" if verdict == "unverifiable" else None,
    ),
    st.integers(0, 9),
    st.sampled_from(["resident", "evicted", "partial", "unverifiable"]),
)


@given(st.lists(states, min_size=1, max_size=5).map(lambda files: FilesState(tuple(files))))
def test_together_files_are_what_every_one_of_them_is(state: FilesState) -> None:
    tell = [file.verdict for file in state.files if file.bytes]
    if any(file.verdict == "unverifiable" for file in state.files):
        assert (state.verdict, state.resident_fraction) == ("unverifiable", None)
        assert "no idea" in reason(state)
        return
    assert state.resident_bytes is not None
    assert (state.verdict == "evicted") == (state.resident_bytes == 0)
    assert (state.verdict == "resident") == (bool(tell) and state.resident_bytes == state.bytes)
    assert (state.verdict == "resident") == (bool(tell) and all(verdict == "resident" for verdict in tell))
    assert state.holds(state.verdict)
    assert state.holds("resident") == (state.resident_bytes == state.bytes)


def test_the_reason_is_that_of_the_file_that_decides() -> None:
    told = FileState(Path("b"), 4, None, "unverifiable", "hidden")
    others = [FileState(Path(name), 4, 4, "resident", "mapped") for name in ("a", "c")]
    state = FilesState((others[0], told, others[1]))
    assert state.reason == "b: hidden (and 2 more files)"
    assert FilesState((others[0], replace(told, reason=None))).reason == "a: mapped"


def test_files_are_listed_once_each_and_links_are_followed(disk: Path) -> None:
    hub = disk / "hub"
    (hub / "blobs").mkdir(parents=True)
    blob = make_file(hub / "blobs" / "abc", 10)
    model = hub / "snapshots" / "1"
    (model / "original").mkdir(parents=True)
    (model / "model.safetensors").symlink_to(blob)
    os.link(blob, model / "second name")
    (model / "above").symlink_to(hub)  # round and round
    os.mkfifo(model / "pipe")
    inner = make_file(model / "original" / "params.json", 5)
    assert files_below(model) == [model / "above" / "blobs" / "abc", inner]
    (model / "above").unlink()
    assert files_below(model) == [model / "model.safetensors", inner]
    assert files_below(model / "model.safetensors") == [model / "model.safetensors"]


def test_what_holds_no_file_is_an_error(disk: Path) -> None:
    (disk / "folder").mkdir()
    os.mkfifo(disk / "pipe")
    (disk / "broken").mkdir()
    (disk / "broken" / "shard").symlink_to("/nothing/there")
    for name, said in (
        ("absent", "absent: No such file or directory"),
        ("folder", "folder: no file in it"),
        ("pipe", "pipe: neither a regular file nor a folder"),
        ("broken", "broken/shard: No such file or directory"),
    ):
        with pytest.raises(HarnessError, match=f"{said}; name a file or a folder of files"):
            files_below(disk / name)
