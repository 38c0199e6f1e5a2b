"""The probe of a disk: it reads the disk and not the page cache, and leaves nothing."""

import os
import stat
from pathlib import Path

import pytest

from harness.state import probe
from harness.state.filesystem import filesystem_of
from harness.state.pagecache import residency
from harness.state.probe import probe_files, sequential_read
from tests.state.cached_files import mounted


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "FILE_BYTES", 16 << 20)
    monkeypatch.setattr(probe.shutil, "which", lambda _: None)  # our own reader, whether fio is installed or not


def on_a_disk(folder: Path) -> None:
    if filesystem_of(folder).in_memory:
        pytest.skip("temporary files lie in memory here")


def test_it_states_a_rate_and_by_what_and_does_not_fill_the_page_cache(tmp_path: Path) -> None:
    on_a_disk(tmp_path)
    with probe_files():
        found = probe.probe(tmp_path)
        assert found is not None
        rate, by = found
        assert rate > 0
        assert by == "O_DIRECT, 4 readers"
        (file,) = probe._files.values()
        assert residency(Path(f"/proc/self/fd/{file.fileno()}")).resident_bytes == 0


def test_its_file_has_no_name_so_that_a_killed_harness_leaves_none(tmp_path: Path) -> None:
    on_a_disk(tmp_path)
    with probe_files():
        assert probe.probe(tmp_path)
        (file,) = probe._files.values()
        assert os.fstat(file.fileno()).st_size == probe.FILE_BYTES
        assert list(tmp_path.iterdir()) == []
    assert file.closed


def test_runs_share_one_file_in_each_folder_and_one_that_could_not_be_written_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_disk(tmp_path)
    (tmp_path / "other").mkdir()

    def full(_descriptor: int) -> None:
        raise OSError(28, "full")

    with probe_files():
        with monkeypatch.context() as patched:
            patched.setattr(probe.os, "fsync", full)
            assert probe.probe(tmp_path) is None
            assert probe._files == {}
        probe.probe(tmp_path)
        first = probe._files[tmp_path]
        probe.probe(tmp_path)
        probe.probe(tmp_path / "other")
        assert probe._files[tmp_path] is first
        assert len(probe._files) == 2


def test_a_disk_that_cannot_be_written_has_no_limit_to_state_and_nothing_fails(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "ro,size=1m", "none") as folder, probe_files():
        assert probe.probe(folder) is None
    with probe_files():
        assert probe.probe(tmp_path / "absent") is None


def test_a_file_system_without_direct_reading_has_no_limit_to_state() -> None:
    path = Path("/proc/self/status")
    assert sequential_read(path) is None


@pytest.mark.parametrize("answer", ["{}", "not JSON", '{"jobs": [{"read": {"bw_bytes": 0}}]}'])
def test_a_fio_that_fails_is_no_answer_and_our_own_reader_gives_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    on_a_disk(tmp_path)
    monkeypatch.setattr(probe.shutil, "which", lambda _: str(fio(tmp_path / "fio", answer)))
    (tmp_path / "file").write_bytes(b"x" * (4 << 20))
    found = sequential_read(tmp_path / "file")
    assert found is not None
    assert found[1] == "O_DIRECT, 4 readers"


def test_fio_is_asked_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = '{"jobs": [{"read": {"bw_bytes": 1234}}]}'
    monkeypatch.setattr(probe.shutil, "which", lambda _: str(fio(tmp_path / "fio", answer)))
    assert sequential_read(tmp_path / "file") == (1234.0, "fio")


def fio(path: Path, answer: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
