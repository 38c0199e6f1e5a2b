"""The probe of a disk: it reads the disk and not the page cache, and leaves nothing."""

import stat
from pathlib import Path

import pytest

from harness.state import probe
from harness.state.files import look
from harness.state.filesystem import filesystem_of
from harness.state.probe import FILE, probe_files, sequential_read
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
    with probe_files([tmp_path]):
        found = probe.probe(tmp_path)
        assert found is not None
        rate, by = found
        assert rate > 0
        assert by == "O_DIRECT, 4 readers"
        assert look([tmp_path / FILE]).verdict == "evicted"
    assert list(tmp_path.iterdir()) == []


def test_runs_share_one_file_and_a_half_written_one_is_written_again(tmp_path: Path) -> None:
    on_a_disk(tmp_path)
    with probe_files([tmp_path]):
        probe.probe(tmp_path)
        first = (tmp_path / FILE).stat().st_mtime_ns
        probe.probe(tmp_path)
        assert (tmp_path / FILE).stat().st_mtime_ns == first
        (tmp_path / FILE).write_bytes(b"half")
        probe.probe(tmp_path)
        assert (tmp_path / FILE).stat().st_size == probe.FILE_BYTES


def test_a_disk_that_cannot_be_written_has_no_limit_to_state_and_nothing_fails(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "ro,size=1m", "none") as folder, probe_files([folder]):
        assert probe.probe(folder) is None
    with probe_files([tmp_path / "absent"]):
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
