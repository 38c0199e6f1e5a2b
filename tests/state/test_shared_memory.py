"""What engines leave in /dev/shm is listed with what it takes; what came since and is unused can be removed."""

import mmap
import os
import uuid
from pathlib import Path

import pytest

from harness.state import shared_memory
from harness.state.shared_memory import inventory, left_behind, remove_unused


@pytest.fixture
def shm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shared_memory, "SHM", tmp_path)
    return tmp_path


def test_only_what_engines_leave_is_listed(shm: Path) -> None:
    engines = {"psm_0ec569a7", "sem.mp-__astqrh", "torch_12_34", "nccl-AbCd", "vllm-ring"}
    for name in engines | {"weights.safetensors", "pulse-shm-1", "my_psm_1"}:
        (shm / name).write_bytes(b"x")
    (shm / "psm_link").symlink_to(shm / "psm_0ec569a7")
    (shm / "torch_folder").mkdir()
    assert set(inventory()) == engines


def test_what_counts_is_the_memory_that_is_taken_not_the_size(shm: Path) -> None:
    with (shm / "psm_sparse").open("wb") as file:
        file.truncate(1 << 30)
        file.write(b"x" * 65536)
        file.flush()
        os.fsync(file.fileno())
    assert 65536 <= inventory()["psm_sparse"] < 1 << 20


def test_another_users_are_not_listed(shm: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    (shm / "psm_1").write_bytes(b"x")
    os.chown(shm / "psm_1", 65534, 65534)
    assert inventory() == {}


def test_left_behind_is_what_was_not_there_before_and_nothing_is_deleted(shm: Path) -> None:
    (shm / "psm_before").write_bytes(b"x" * 4096)
    before = inventory()
    (shm / "psm_before").write_bytes(b"x" * 65536)
    (shm / "psm_new").write_bytes(b"x" * 4096)
    assert left_behind(before, inventory()) == {"psm_new": inventory()["psm_new"]}
    assert {path.name for path in shm.iterdir()} == {"psm_before", "psm_new"}
    (shm / "psm_before").unlink()
    assert set(left_behind(before, inventory())) == {"psm_new"}


def test_a_huge_folder_is_not_looked_through_to_its_end(shm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (shm / f"psm_{number}").touch()
    monkeypatch.setattr(shared_memory, "MAX_ENTRIES", 10)
    assert len(inventory()) == 10


def test_a_name_that_would_move_the_cursor_is_listed_escaped(shm: Path) -> None:
    (shm / "psm_\x1b[2J").touch()
    assert all(name.isprintable() for name in inventory())


def test_without_shared_memory_nothing_is_left_there(shm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "SHM", shm / "none")
    assert inventory() == {}


def test_a_real_leftover_is_found() -> None:
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm to write to")
    before, leftover = inventory(), Path("/dev/shm") / f"psm_{uuid.uuid4().hex}"
    leftover.write_bytes(b"x" * 100_000)
    try:
        assert left_behind(before, inventory())[leftover.name] >= 100_000
    finally:
        leftover.unlink()


def test_what_came_meanwhile_and_nobody_has_mapped_or_open_is_removed_and_nothing_else(shm: Path):
    (shm / "psm_before").write_bytes(b"a")
    before = inventory()
    for name in ("psm_left", "sem.mp-left", "psm_mapped", "sem.open", "other"):
        (shm / name).write_bytes(b"a" * 4096)
    with (shm / "psm_mapped").open("r+b") as file:
        mapping = mmap.mmap(file.fileno(), 4096)
    with mapping, (shm / "sem.open").open("rb"):
        assert sorted(remove_unused(before)) == ["psm_left", "sem.mp-left"]
    assert {path.name for path in shm.iterdir()} == {"psm_before", "psm_mapped", "sem.open", "other"}
