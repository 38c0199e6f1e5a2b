"""Where a path lies: the mount that is really there, and the disk below it. Mounts and devices are real ones."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.state.filesystem import FileSystem, _disks, _whole, filesystem_of
from tests.state.cached_files import mounted, overlaid

MNT_DETACH = 2


@contextmanager
def loop_device(image: Path, *options: str) -> Iterator[Path]:
    """A file with an ext4 as a block device."""
    with image.open("wb") as file:
        file.truncate(16 << 20)
    try:
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, capture_output=True)
        command = ["losetup", "--find", "--show", *options, str(image)]
        device = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs mkfs.ext4 and the right to set up a loop device: {error}")
    try:
        yield Path(device)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def test_a_disk_is_named_with_the_settings_that_decide_how_fast_it_reads(disk: Path) -> None:
    found = filesystem_of(disk)
    if not found.disks:
        pytest.skip(f"no block device below {found.kind}")
    queue = Path("/sys/block") / found.disks[0] / "queue"
    assert found.device_name
    assert found.device_model
    if found.device_name in found.disks:
        assert f"{found.read_ahead_bytes}" == str(int((queue / "read_ahead_kb").read_text()) << 10)
        assert found.rotational == ((queue / "rotational").read_text().strip() == "1")
        assert found.scheduler in (queue / "scheduler").read_text()
        assert "[" not in str(found.scheduler)
    assert (found.in_memory, found.network, found.overlay, found.elsewhere) == (False, False, False, None)


def test_a_folder_that_is_not_made_yet_lies_where_it_would_be_made(disk: Path) -> None:
    assert filesystem_of(disk / "not" / "yet" / "there") == filesystem_of(disk)
    (disk / "link to nothing").symlink_to("/nothing/there")
    assert filesystem_of(disk / "link to nothing") == filesystem_of(disk)


def test_a_tmpfs_is_memory_whatever_its_name_and_a_link_into_it_leads_there(disk: Path) -> None:
    with mounted(disk / "not a disk", "-t", "tmpfs", "none") as folder:
        (folder / "file").write_bytes(b"x")
        (disk / "link").symlink_to(folder / "file")
        for path in (folder, folder / "file", disk / "link"):
            found = filesystem_of(path)
            assert (found.kind, found.in_memory, found.device_name) == ("tmpfs", True, None)
            assert found.elsewhere == "on tmpfs, which is memory"
        assert not filesystem_of(disk / "not a disk too").in_memory


def test_a_mount_point_that_is_hidden_below_another_mount_does_not_count(disk: Path) -> None:
    (disk / "a" / "b").mkdir(parents=True)
    with mounted(disk / "a" / "b", "-t", "tmpfs", "none"), mounted(disk / "a", "--bind", str(disk / "a")):
        assert filesystem_of(disk / "a" / "b") == filesystem_of(disk)


def test_a_bind_mount_is_the_file_system_that_it_shows(disk: Path) -> None:
    (disk / "lower").mkdir()
    with mounted(disk / "seen", "--bind", str(disk / "lower")) as folder:
        assert filesystem_of(folder) == filesystem_of(disk)


def test_an_overlay_is_one(disk: Path) -> None:
    with overlaid(disk) as merged:
        found = filesystem_of(merged)
        assert (found.kind, found.overlay, found.device_name, found.elsewhere) == ("overlay", True, None, None)


def test_a_program_behind_a_fuse_mount_counts_as_a_server(disk: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        server = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"no FUSE here: {error}")
    folder = str(disk).encode()
    try:
        options = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
        if libc.mount(b"host:/models", folder, b"fuse.sshfs", 0, options) != 0:
            pytest.skip(f"needs the right to mount: {os.strerror(ctypes.get_errno())}")
        found = filesystem_of(disk)  # nobody answers for it: a look at a file would never end
        libc.umount2(folder, MNT_DETACH)
    finally:
        os.close(server)
    assert (found.kind, found.network, found.device_name) == ("fuse.sshfs", True, None)


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "ceph", "lustre", "9p", "virtiofs", "fuse", "fuse.s3fs", "fuseblk"]
)
def test_a_server_may_hold_what_this_machine_has_dropped(kind: str) -> None:
    assert FileSystem(kind, "0:50").network


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "f2fs", "squashfs", "overlay", "tmpfs", "zfs"])
def test_a_local_file_system_has_no_server(kind: str) -> None:
    assert not FileSystem(kind, "0:50").network


@pytest.mark.parametrize(
    ("found", "where"),
    [
        (FileSystem("ramfs", "0:5"), "on ramfs, which is memory"),
        (FileSystem("ext4", "1:0", "ram0", ("ram0",)), "on ram0, which is memory"),
        (FileSystem("ext4", "254:0", "dm-0", ("sda", "zram1")), "on dm-0, which is memory"),
        (FileSystem("zfs", "0:40"), "on zfs, which keeps what was read in a cache of its own (ARC)"),
        (FileSystem("ext4", "252:0", "vda", ("vda",)), None),
        (FileSystem("ext4", "252:0", "ramdisk", ("ramdisk",)), None),
    ],
)
def test_where_else_in_memory_a_file_may_lie_is_said(found: FileSystem, where: str | None) -> None:
    assert found.elsewhere == where


def test_a_loop_device_is_cached_below_unless_it_reads_directly(disk: Path) -> None:
    with loop_device(disk / "image") as device, mounted(disk / "seen", str(device)) as folder:
        found = filesystem_of(folder)
        assert (found.kind, found.device_name, found.disks) == ("ext4", device.name, (device.name,))
        assert found.elsewhere == f"on {device.name}, which reads from a file that has pages of its own"
    with loop_device(disk / "image", "--direct-io=on") as device, mounted(disk / "seen", str(device)) as folder:
        assert filesystem_of(folder).elsewhere is None


def test_the_disks_below_partitions_and_volumes_are_found(tmp_path: Path) -> None:
    for disk in ("sda", "nvme0n1"):  # as /sys/devices shows them
        (tmp_path / disk / f"{disk}p1").mkdir(parents=True)
        (tmp_path / disk / f"{disk}p1" / "partition").write_text("1")
    for volume, parts in (("md0", ("nvme0n1/nvme0n1p1", "sda/sdap1")), ("dm-0", ("md0",))):
        (tmp_path / volume / "slaves").mkdir(parents=True)
        for part in parts:
            (tmp_path / volume / "slaves" / Path(part).name).symlink_to(tmp_path / part)
    assert _disks(tmp_path / "sda" / "sdap1") == [tmp_path / "sda"]
    assert _whole(tmp_path / "sda" / "sdap1") == tmp_path / "sda"  # whose queue it uses
    assert _disks(tmp_path / "dm-0") == [tmp_path / "nvme0n1", tmp_path / "sda"]
    assert _whole(tmp_path / "dm-0") == tmp_path / "dm-0"
