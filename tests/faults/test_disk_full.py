"""A full, small or read-only disk below each thing that is written. All disks here are real file systems."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.engine.process_tree import Tree
from harness.measure.conditions import check_writable
from harness.measure.lock import only_measurement
from harness.record.collect import CaseRuns, collect
from harness.record.slot import read_slot
from harness.record.slotcheck import SlotError
from tests.faults.aftermath import cut_short, finish, hidden, nothing_runs, readable, refused, scratch, small_disk
from tests.measure.fake_engine import FakeEngine

Remount = Callable[[str], None]
FULL = "No space left on device"
NO_FILES = "size=4m,nr_inodes=2"  # room for bytes, none for another file
ROOM = "size=64m,nr_inodes=10000"


@pytest.fixture
def runs_disk(fake: FakeEngine) -> Iterator[Remount]:
    """The store on a disk of its own."""
    with small_disk(fake.workspace.runs) as remount:
        yield remount


@pytest.fixture
def caches_disk(fake: FakeEngine) -> Iterator[Remount]:
    """The caches on a disk of their own."""
    with small_disk(fake.workspace.caches) as remount:
        yield remount


@pytest.fixture
def scratch_disk(fake: FakeEngine) -> Iterator[Remount]:
    """What a harness needs during a run on a disk of its own."""
    with small_disk(scratch(fake)) as remount:
        yield remount


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        pytest.param("main:config:fill", 0, id="disk-full-at-spans-of-children"),
        pytest.param("worker:load_weights:fill", 4096, id="disk-full-at-last-spans"),
        pytest.param("worker:load_weights:log_until_full", 0, id="disk-full-at-engine-log"),
        pytest.param("main:end:fill", 0, id="disk-full-at-run.json"),
    ],
)
def test_a_run_for_which_there_is_no_room_is_lost_in_one_line(
    fake: FakeEngine, runs_disk: Remount, fault: str, left: int
) -> None:
    fake.measure(fake.session(1))
    before = readable(fake)
    fake.behave(fault, fill=str(fake.workspace.runs), left=left)
    line = refused(lambda: fake.measure(fake.session(2)))
    assert f"cannot be written ({FULL}); this run is lost, everything measured before is stored" in line
    assert readable(fake) == before
    assert hidden(fake) == []  # what the lost run wrote would keep the disk full
    assert nothing_runs(fake)
    runs_disk(ROOM)
    finish(fake, 2)


@pytest.mark.parametrize("place", [pytest.param("worker:imports", id="disk-full-for-a-while-at-spans")])
def test_a_start_whose_trace_was_cut_by_a_full_disk_does_not_count(
    fake: FakeEngine, runs_disk: Remount, place: str
) -> None:
    def make_room(tree: Tree) -> None:
        tree.wait()
        (fake.workspace.runs / ".filler").unlink()

    fake.behave(f"{place}:fill", fill=str(fake.workspace.runs), left=0)
    start = cut_short(fake, make_room)
    runs = fake.measure(fake.session(1, fake.case(start=start)))
    assert runs
    assert not any(run.counts for run in runs)
    reasons = [run.reason or run.certificate["trace"]["reason"] for run in runs]
    assert all(reason is not None for reason in reasons)
    runs_disk(ROOM)
    finish(fake)


@pytest.mark.parametrize("options", [pytest.param(NO_FILES, id="disk-full-at-run-folder")])
def test_a_store_that_takes_no_file_more_is_said_in_one_line(
    fake: FakeEngine, runs_disk: Remount, options: str
) -> None:
    runs_disk(options)
    assert FULL in refused(lambda: fake.measure(fake.session(1)))
    assert fake.starts() == []
    runs_disk(ROOM)
    finish(fake)


@pytest.mark.parametrize("options", [pytest.param(NO_FILES, id="disk-full-at-cache-folders")])
def test_a_sandbox_that_cannot_be_made_is_said_in_one_line(
    fake: FakeEngine, caches_disk: Remount, options: str
) -> None:
    caches_disk(options)
    assert FULL in refused(lambda: fake.measure(fake.session(1)))
    assert (readable(fake), hidden(fake)) == ([], [])
    caches_disk(ROOM)
    finish(fake)


@pytest.mark.parametrize("place", [pytest.param("worker:load_weights", id="disk-full-at-compile-caches")])
def test_an_engine_without_room_for_its_caches_fails_with_that_reason(
    fake: FakeEngine, caches_disk: Remount, place: str
) -> None:
    fake.behave(f"{place}:fill", fill=str(fake.workspace.caches), left=0)
    (run,) = fake.measure(fake.session(1))
    assert (run.status, run.reason) == ("failed", f"OSError: [Errno 28] {FULL}")
    assert (run.failed_in, run.failed_process) == ("graph_compile_general_shape", "worker")
    caches_disk(ROOM)
    (fake.workspace.caches / ".filler").unlink()
    finish(fake)
    assert all(files == [] for files in fake.starts()[1]["caches"].values())  # the warm-up began anew


@pytest.mark.parametrize("options", [pytest.param(NO_FILES, id="disk-full-at-scratch-folder")])
def test_a_temporary_folder_that_cannot_be_made_is_said_in_one_line(
    fake: FakeEngine, scratch_disk: Remount, options: str
) -> None:
    scratch_disk("size=4m,nr_inodes=1")
    assert FULL in refused(lambda: fake.measure(fake.session(1)))
    scratch_disk(options)  # the folder, but no file in it
    assert FULL in refused(lambda: fake.measure(fake.session(1)))
    assert (readable(fake), hidden(fake)) == ([], [])
    scratch_disk(ROOM)
    finish(fake)


@pytest.mark.parametrize("place", [pytest.param("main:token", id="disk-full-at-result")])
def test_an_engine_that_cannot_tell_its_result_fails_with_that_reason(
    fake: FakeEngine, scratch_disk: Remount, place: str
) -> None:
    fake.behave(f"{place}:fill", fill=tempfile.gettempdir(), left=0)
    (run,) = fake.measure(fake.session(1))
    assert (run.status, run.reason) == ("failed", f"after it was ready: OSError: [Errno 28] {FULL}")
    scratch_disk(ROOM)
    (scratch(fake) / ".filler").unlink()
    finish(fake)


@pytest.mark.parametrize("name", [pytest.param("node0", id="disk-full-at-figure-slot")])
def test_a_slot_for_which_there_is_no_room_stays_the_old_one(fake: FakeEngine, name: str) -> None:
    finish(fake, 1)
    cases = [CaseRuns(fake.case().name, fake.store(), "s1")]
    with small_disk(fake.workspace.figure("2"), "size=1m") as remount:
        slot = fake.workspace.figure("2") / name
        collect("2", name, slot, cases)
        before = read_slot(slot)
        (slot.parent / "filler").write_bytes(b"x" * shutil.disk_usage(slot).free)
        finish(fake, 2)
        with pytest.raises(SlotError, match=f"cannot write the slot: {FULL}"):
            collect("2", name, slot, cases)
        assert read_slot(slot) == before
        assert sorted(path.name for path in slot.parent.iterdir()) == ["filler", name]
        remount("size=4m")
        collect("2", name, slot, cases)
        assert len(read_slot(slot).manifest["runs"]) == 3


@pytest.mark.parametrize("inodes", [pytest.param(2, id="disk-full-at-lock-holder-file")])
def test_a_lock_that_cannot_be_noted_is_let_go(tmp_path: Path, inodes: int) -> None:
    root = tmp_path / "checkout"
    with small_disk(root, f"size=1m,nr_inodes={inodes}") as remount:
        with pytest.raises(OSError, match=FULL), only_measurement(root, "the first"):
            pytest.fail("it began")
        remount(ROOM)
        with only_measurement(root, "the second"):
            assert (root / ".harness.lock.json").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param("size=100m", "less than 512 MiB are free", id="small-disk-for-runs"),
        pytest.param("ro", "Read-only file system", id="read-only-runs"),
    ],
)
def test_a_place_that_cannot_hold_results_is_refused_before_anything_starts(
    fake: FakeEngine, options: str, why: str
) -> None:
    with small_disk(fake.workspace.runs, options) as remount:
        line = refused(lambda: check_writable([fake.workspace.runs]))
        assert line.startswith(f"{fake.workspace.runs}: results cannot be written there ({why}")
        if options == "ro":  # and should it become so later
            assert why in refused(lambda: fake.measure(fake.session(1)))
        assert fake.starts() == []
        remount("rw,size=600m")
        check_writable([fake.workspace.runs])
        finish(fake)
