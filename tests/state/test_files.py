"""The state of a set of files: it is brought about, proved, told in one word, and listed whole."""

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.state import files
from harness.state.files import FilesState, FileState, files_below, look, make_cold, make_warm
from harness.state.pagecache import PAGE, evict, residency, warm
from tests.state.cached_files import (
    SIZE,
    make_file,
    read_pages,
    reason,
)


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
