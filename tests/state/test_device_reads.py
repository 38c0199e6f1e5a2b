"""What a block device read is known where there is one, and None where there is none."""

import os
from pathlib import Path

import pytest

from harness.state import device_reads
from harness.state.device_reads import DeviceReads


def device_of(path: Path) -> str:
    number = path.stat().st_dev
    return f"{os.major(number)}:{os.minor(number)}"


def test_sectors_read_since_are_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_reads, "SYS", tmp_path)
    stat = tmp_path / "dev/block/259:3/stat"
    stat.parent.mkdir(parents=True)
    stat.write_text(
        "   42267    15489 35252178    67887    18511   177393 23198488    94450        0    30568   167022\n"
    )
    reads = DeviceReads("259:3")
    assert reads.bytes() == 0
    stat.write_text(
        "   42299    15489 35254226    67887    18511   177393 99999999    94450        0    30568   167022\n"
    )
    assert reads.bytes() == 2048 * 512
    stat.unlink()
    assert reads.bytes() is None


@pytest.mark.parametrize("device", ["0:27", "9999:9999", "", "8", "8:0/../8:1", "../../../proc:1"])
def test_what_is_no_device_has_read_nothing_that_is_known(device: str) -> None:
    assert DeviceReads(device).bytes() is None


def test_a_real_read_is_seen_if_and_only_if_it_was_not_cached(tmp_path: Path) -> None:
    size, file = 8 << 20, tmp_path / "weights"
    if DeviceReads(device_of(tmp_path)).bytes() is None:
        pytest.skip("the temporary folder is on no block device")
    file.write_bytes(os.urandom(size))
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    reads = DeviceReads(device_of(file))
    file.read_bytes()
    cold = reads.bytes()
    assert cold is not None
    assert cold >= size
    assert min(read_again(file) for _ in range(5)) < size // 2  # others may read meanwhile


def read_again(file: Path) -> int:
    reads = DeviceReads(device_of(file))
    file.read_bytes()
    read = reads.bytes()
    assert read is not None
    return read
