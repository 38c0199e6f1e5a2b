"""Files that are held in memory stay there, whoever wants them out."""

from pathlib import Path

import pytest

from harness.state.files import look, make_cold, make_warm
from harness.state.hold import held


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "one.bin", tmp_path / "two.bin", tmp_path / "empty.bin"]
    for path, size in zip(paths, (1 << 20, (1 << 20) + 1, 0), strict=True):
        path.write_bytes(b"x" * size)
    if make_cold(paths).verdict != "evicted":
        pytest.skip("files of this file system cannot be evicted")
    make_warm(paths)
    return paths


def test_held_files_cannot_be_evicted_and_can_be_afterwards(files: list[Path]) -> None:
    with held(files) as all_held:
        if not all_held:
            pytest.skip("no right to lock memory here")
        assert make_cold(files, attempts=1).verdict == "resident"
    assert look(files).verdict == "resident"
    assert make_cold(files).verdict == "evicted"


def test_a_file_that_was_evicted_is_read_when_it_is_held(files: list[Path]) -> None:
    make_cold(files)
    with held(files) as all_held:
        if all_held:
            assert look(files).verdict == "resident"


def test_files_that_are_only_mapped_are_not_called_held(files: list[Path]) -> None:
    with held(files, lock=False) as all_held:
        assert not all_held


def test_without_the_right_to_lock_nothing_fails(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.state.hold._libc.mlock", lambda *_: -1)
    with held(files) as all_held:
        assert not all_held
    with held(files[2:]) as all_held:  # nothing to lock
        assert all_held
