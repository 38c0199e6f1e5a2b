"""Files that a disk, an editor or another program has damaged, and folders that somebody moved or deleted."""

import resource
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.measure import one_run
from harness.record.collect import CaseRuns, collect
from harness.record.run import SCHEMA_VERSION, RunFileError
from harness.record.slot import read_slot
from harness.record.slotcheck import SlotError
from tests.faults.aftermath import finish, readable
from tests.measure.fake_engine import FakeEngine


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero(path: Path) -> None:
    """What a file holds whose blocks were not written before the power failed."""
    path.write_bytes(bytes(path.stat().st_size))


def delete(path: Path) -> None:
    path.unlink()


def another(path: Path) -> None:
    path.write_text(path.read_text().replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 99'))


@pytest.mark.parametrize(
    "damage", [pytest.param(how, id=f"{how.__name__}-run.json") for how in (cut, zero, delete, another)]
)
def test_a_damaged_record_is_named_not_skipped_and_moving_it_away_is_enough(
    fake: FakeEngine, damage: Callable[[Path], None]
) -> None:
    finish(fake)
    folder = fake.store().run_folder("s1", "1")
    damage(folder / "run.json")
    with pytest.raises(RunFileError) as caught:
        fake.session(1)
    assert str(caught.value).startswith(f"{folder}/run.json: ")
    assert len(str(caught.value).splitlines()) == 1
    folder.rename(fake.root / "moved-away")
    assert [run.run for run in finish(fake)] == ["1"]


@pytest.mark.parametrize("damage", [pytest.param(how, id=f"{how.__name__}-spans-of-a-run") for how in (cut, delete)])
def test_damaged_spans_of_a_stored_run_do_not_change_what_was_measured(
    fake: FakeEngine, damage: Callable[[Path], None]
) -> None:
    finish(fake)
    before = readable(fake)
    for path in (fake.store().run_folder("s1", "1") / "spans").iterdir():
        damage(path)
    assert finish(fake) == []
    assert readable(fake) == before


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        pytest.param("engine:kv_cache:damage_spans", "ok", "malformed line", id="damage-spans-during-a-start"),
        pytest.param(
            "engine:kv_cache:lose_spans", "failed", "spans unreadable: engine-", id="lose-spans-during-a-start"
        ),
    ],
)
def test_a_start_whose_spans_are_damaged_meanwhile_does_not_count(
    fake: FakeEngine, fault: str, status: str, reason: str
) -> None:
    fake.behave(fault)
    run = fake.measure(fake.session(1))[0]
    assert (run.status, run.counts) == (status, False)
    assert reason in str(run.reason or run.certificate["trace"]["reason"])
    finish(fake)


@pytest.mark.parametrize("fault", [pytest.param("worker:load_weights:log_bytes", id="binary-engine-log")])
def test_a_log_that_is_no_text_is_kept_and_does_not_matter(fake: FakeEngine, fault: str) -> None:
    fake.behave(fault)
    runs = fake.measure(fake.session(1))
    assert [run.counts for run in runs] == [True, True]
    assert b"\xff\xfe\x00" in (fake.folder(runs[0]) / "engine.log").read_bytes()
    finish(fake)


@pytest.mark.parametrize("mib", [pytest.param(300, id="huge-engine-log")])
def test_a_log_of_any_size_is_read_in_bounded_memory(fake: FakeEngine, mib: int) -> None:
    fake.behave("worker:load_weights:log_a_lot", "ok", log_mib=mib)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (mib << 20), limits[1]))  # as much as the log has
    try:
        (warmup, _) = fake.measure(fake.session(1))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert warmup.counts
    log = fake.folder(warmup) / "engine.log"
    assert log.stat().st_size > (mib - 1) << 20
    log.write_bytes(b"")  # pytest keeps temporary folders for a while
    assert warmup.log_quantities["tokenizer_init"] == 0.29  # which stands at its beginning
    finish(fake)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        pytest.param("manifest.json", cut, id="cut-manifest.json"),
        pytest.param("manifest.json", zero, id="zero-manifest.json"),
        pytest.param("data.csv", cut, id="cut-data.csv"),
        pytest.param("data.csv", delete, id="delete-data.csv"),
    ],
)
def test_a_damaged_slot_is_noticed_and_made_again_from_the_runs(
    fake: FakeEngine, name: str, damage: Callable[[Path], None]
) -> None:
    finish(fake)
    slot, cases = fake.workspace.figure("2") / "node0", [CaseRuns(fake.case().name, fake.store(), "s1")]
    collect("2", "node0", slot, cases)
    before = read_slot(slot)
    damage(slot / name)
    with pytest.raises(SlotError, match=name):
        read_slot(slot)
    if name == "manifest.json":  # nothing says any more whose slot it is
        with pytest.raises(SlotError, match=name):
            collect("2", "node0", slot, cases)
        shutil.rmtree(slot)
    collect("2", "node0", slot, cases)
    assert read_slot(slot) == before


@pytest.mark.parametrize(
    ("step", "pause"),
    [
        pytest.param(timedelta(days=-1), None, id="clock-back-a-day"),
        pytest.param(timedelta(seconds=-30), None, id="clock-back-between-runs"),
        pytest.param(timedelta(days=3650), 3650 * 86400, id="clock-ten-years-ahead"),
    ],
)
def test_a_clock_that_is_set_between_runs_changes_no_measured_second(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, step: timedelta, pause: float | None
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Clock":
            assert tz is UTC
            moved = step if fake.starts() else timedelta()
            return super().now(UTC) + moved

    monkeypatch.setattr(one_run, "datetime", Clock)
    warmup, run = fake.measure(fake.session(1))
    assert (warmup.counts, run.counts) == (True, True)
    assert run.ready_s is not None
    assert 0 < run.ready_s < 10
    assert run.pause_s == (None if pause is None else pytest.approx(pause, abs=60))
    assert {run.run for run in readable(fake)} == {"warmup-0", "1"}
    assert [run.run for run in finish(fake, 2)] == ["2"]


@pytest.mark.parametrize("name", [pytest.param("elsewhere", id="symlinked-runs")])
def test_a_store_behind_a_link_is_as_good_as_any(fake: FakeEngine, name: str) -> None:
    (fake.root / name).mkdir()
    fake.workspace.runs.symlink_to(fake.root / name)
    fake.behave("worker:load_weights:kill", "ok")
    fake.measure(fake.session(1))
    assert [run.run for run in finish(fake)] == ["warmup-1", "1"]
    assert fake.workspace.runs.is_symlink()


def delete_caches(fake: FakeEngine) -> Path:
    return fake.workspace.caches


def delete_an_earlier_run(fake: FakeEngine) -> Path:
    return fake.store().run_folder("s1", "1")


def delete_warmup(fake: FakeEngine) -> Path:
    return fake.store().run_folder("s1", "warmup-0")


def delete_runs(fake: FakeEngine) -> Path:
    return fake.workspace.runs


@pytest.mark.parametrize(
    ("what", "made"),
    [
        pytest.param(delete_caches, ["warmup-1", "3"], id="delete-caches"),
        pytest.param(delete_an_earlier_run, ["1", "3"], id="delete-an-earlier-run"),
        pytest.param(delete_warmup, ["warmup-0", "3"], id="delete-the-warm-up"),
        pytest.param(delete_runs, ["warmup-0", "1", "2", "3"], id="delete-runs"),
    ],
)
def test_what_somebody_deleted_between_calls_is_measured_again(
    fake: FakeEngine, what: Callable[[FakeEngine], Path], made: list[str]
) -> None:
    finish(fake, 2)
    shutil.rmtree(what(fake))
    assert [run.run for run in finish(fake, 3)] == made
