"""Copies of a model for other storage levels: complete or not there, used again only if they are still the model."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.state import staging
from harness.state.files import look
from harness.state.filesystem import filesystem_of
from harness.state.staging import COPIES, memory_copies, placed


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "tiny-twin"
    (folder / "more").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(os.urandom(1 << 20))
    (folder / "more" / "config.json").write_text("{}")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A checkout's folder, whose copies in memory are gone when the test ends."""
    with memory_copies(tmp_path):
        yield tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("level", ["ram", "ssd", "as found"])
def test_a_level_of_the_models_own_disk_needs_no_copy(model: Path, root: Path, level: str) -> None:
    assert placed(model, level, root, pytest.fail) == model


def test_a_copy_in_memory_is_whole_lies_in_memory_and_is_gone_afterwards(model: Path, tmp_path: Path) -> None:
    told: list[str] = []
    with memory_copies(tmp_path):
        copy = placed(model, "tmpfs", tmp_path, told.append)
        assert copy.name == model.name
        assert contents(copy) == contents(model)
        assert filesystem_of(copy).in_memory
        assert look([copy / "model.safetensors"]).verdict == "resident"
        assert placed(model, "tmpfs", tmp_path, told.append) == copy
        assert len(told) == 1  # the second time it was there
    assert not copy.parent.exists()


def test_what_a_killed_call_left_in_memory_is_gone_before_the_next_one_copies(model: Path, tmp_path: Path) -> None:
    left = placed(model, "tmpfs", tmp_path, str)
    with memory_copies(tmp_path):
        assert not left.exists()


def test_two_checkouts_do_not_touch_each_others_copies(model: Path, tmp_path: Path) -> None:
    with memory_copies(tmp_path / "one"), memory_copies(tmp_path / "two"):
        one, two = (placed(model, "tmpfs", tmp_path / name, str) for name in ("one", "two"))
        assert one != two


def test_a_copy_on_another_disk_is_kept_and_used_again(model: Path, root: Path) -> None:
    disk = root / "nvme"
    disk.mkdir()
    copy = placed(model, f"path:{disk}", root, str)
    assert copy == disk / COPIES / model.name
    assert contents(copy) == contents(model)
    assert placed(model, f"path:{disk}", root, pytest.fail) == copy


def test_a_copy_of_what_the_model_was_before_is_made_again(model: Path, root: Path) -> None:
    copy = placed(model, f"path:{root}", root, str)
    (model / "model.safetensors").write_bytes(os.urandom(1 << 20))
    assert contents(placed(model, f"path:{root}", root, str)) == contents(model)
    assert copy.parent.parent == root


def test_a_model_that_does_not_fit_is_refused_before_anything_is_copied(
    model: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(root)._replace(free=1000)
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(HarnessError, match=r"the model cannot be copied there \(it takes 0.0 GB, 0.0 GB are free\)"):
        placed(model, f"path:{root}", root, pytest.fail)
    assert list((root / COPIES).iterdir()) == []


def test_a_copy_that_broke_off_leaves_nothing_that_could_be_used(
    model: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(staging.os, "fsync", full)
    with pytest.raises(HarnessError, match="No space left on device"):
        placed(model, f"path:{root}", root, str)
    assert list((root / COPIES).iterdir()) == []


def test_a_folder_in_memory_is_no_disk(model: Path, root: Path) -> None:
    if not filesystem_of(Path("/dev/shm")).in_memory:
        pytest.skip("/dev/shm is no tmpfs here")
    with pytest.raises(HarnessError, match="this folder is in memory; that is --storage tmpfs"):
        placed(model, "path:/dev/shm", root, str)
