"""Where files lie or whose they are can make a cold or warm one a lie: memory, links, mounts, servers, other users."""

import os
from pathlib import Path

import pytest

from harness.state import files
from harness.state.files import files_below, look, make_cold, make_warm
from harness.state.filesystem import FileSystem
from harness.state.pagecache import residency, warm
from tests.state.cached_files import (
    SIZE,
    as_nobody,
    make_file,
    mounted,
    overlaid,
    public_folder,
    reason,
    user,
)
from tests.state.test_filesystem import loop_device


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
