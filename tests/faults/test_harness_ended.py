"""The harness, or its guardian, is killed, stopped or told to end: at each stage of the engine, and while it writes."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness.engine import guardian as guardian_module
from harness.engine.process_tree import Tree
from harness.measure.lock import only_measurement
from harness.record import atomic
from harness.record import folder as folder_module
from harness.record.collect import CaseRuns, collect
from harness.record.run import Run
from harness.record.slot import find_slots, read_slot
from harness.state.sandbox import Sandbox
from tests.faults.aftermath import (
    cut_short,
    finish,
    guardians,
    hangs,
    harness,
    hidden,
    nothing_runs,
    readable,
    refused,
    running,
    scratch,
    wait_until,
)
from tests.measure.fake_engine import FakeEngine

STAGES = (
    "main:imports",
    "main:config",
    "engine:imports",
    "engine:kv_cache",
    "worker:load_weights",
    "worker:compile",
    "worker:token",
    "main:end",
)


@pytest.mark.parametrize(
    "place", [pytest.param(place, id=f"kill-harness-while-{place.replace(':', '-is-at-')}") for place in STAGES]
)
def test_a_killed_harness_leaves_no_process_no_folder_and_no_record(fake: FakeEngine, place: str) -> None:
    fake.behave(f"{place}:hang")
    with harness(fake, until=hangs) as killed:
        pass
    assert killed.code == -signal.SIGKILL
    assert nothing_runs(fake)
    assert wait_until(lambda: list(scratch(fake).iterdir()) == [])
    assert readable(fake) == []
    assert [run.run for run in finish(fake)] == ["warmup-0", "1"]
    assert all(files == [] for files in fake.starts()[-2]["caches"].values())  # the warm-up began anew


@pytest.mark.parametrize("engine", [pytest.param("linger", id="kill-harness-and-repeat-at-once")])
def test_a_rerun_waits_until_the_killed_ones_engine_has_ended(fake: FakeEngine, engine: str) -> None:
    fake.behave(f"worker:load_weights:{engine}")
    with harness(fake, until=hangs):
        pass
    assert wait_until(late(fake).exists)  # it writes into the caches to the last
    finish(fake)
    assert not late(fake).exists()


def late(fake: FakeEngine) -> Path:
    """What an engine that lingers writes while it is being ended."""
    return Sandbox.of(fake.workspace.caches, fake.case().name, "s1").run / "inductor" / "late.so"


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_half_way_through_the_record() -> None:
    atomic.os.fsync = die  # type: ignore[attr-defined]


def die_before_the_record_has_its_name() -> None:
    write = Run.write
    Run.write = lambda *arguments: die(write(*arguments))  # type: ignore[method-assign, func-returns-value]


@pytest.mark.parametrize(
    "prepare",
    [
        pytest.param(die_half_way_through_the_record, id="kill-harness-half-way-through-run.json"),
        pytest.param(die_before_the_record_has_its_name, id="kill-harness-before-the-run-has-its-name"),
    ],
)
def test_a_harness_that_is_killed_while_it_writes_a_record_leaves_none(
    fake: FakeEngine, prepare: Callable[[], None]
) -> None:
    def measure_and_die() -> None:
        fake.measure(fake.session(1))
        prepare()
        fake.measure(fake.session(2))

    with harness(fake, measure_and_die) as killed:
        assert wait_until(killed.ended)
    assert (killed.code, killed.output()) == (-signal.SIGKILL, "")
    assert [run.run for run in readable(fake)] == ["warmup-0", "1"]
    assert hidden(fake) != []
    assert [run.run for run in finish(fake, 2)] == ["2"]


@pytest.mark.parametrize("figure", [pytest.param("2", id="kill-harness-while-it-writes-the-slot")])
def test_a_harness_that_is_killed_while_it_writes_a_slot_leaves_the_old_one(fake: FakeEngine, figure: str) -> None:
    folder = fake.workspace.figure(figure) / "node0"
    runs = [CaseRuns(fake.case().name, fake.store(), "s1")]

    def collect_and_die() -> None:
        folder_module.replace_folder = die  # type: ignore[assignment]
        collect(figure, "node0", folder, runs)

    finish(fake)
    collect(figure, "node0", folder, runs)
    before = read_slot(folder)
    with harness(fake, collect_and_die) as killed:
        assert wait_until(killed.ended)
    assert killed.code == -signal.SIGKILL
    assert find_slots(folder.parent) == [folder]
    assert read_slot(folder) == before
    collect(figure, "node0", folder, runs)
    assert read_slot(folder) == before


@pytest.mark.parametrize(
    "number", [pytest.param(getattr(signal, name), id=f"{name}-to-harness") for name in ("SIGINT", "SIGTERM", "SIGHUP")]
)
def test_a_harness_that_is_told_to_end_leaves_nothing(fake: FakeEngine, number: signal.Signals) -> None:
    fake.behave("ok", "worker:load_weights:hang")
    with harness(fake, until=hangs) as stopped:
        stopped.signal(number)
        assert wait_until(stopped.ended)
    assert (stopped.code, stopped.output()) == (130, "stopped; repeat the command to go on\n")
    assert running(fake) == []
    assert list(scratch(fake).iterdir()) == []
    assert hidden(fake) == []
    assert not (fake.root / ".harness.lock.json").exists()
    assert [run.run for run in finish(fake)] == ["1"]


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, id="SIGTERM-to-harness-while-it-ends-the-engine")])
def test_a_second_signal_ends_the_patience_and_still_leaves_nothing(fake: FakeEngine, number: signal.Signals) -> None:
    fake.behave("worker:load_weights:linger")
    with harness(fake, until=hangs) as stopped:
        stopped.signal(number)
        assert wait_until(late(fake).exists)
        stopped.signal(number)
        assert wait_until(stopped.ended)
    assert stopped.code == 130
    assert running(fake) == []
    finish(fake)


@pytest.mark.parametrize("number", [pytest.param(signal.SIGSTOP, id="suspend-and-resume-harness")])
def test_a_harness_that_is_suspended_for_a_while_goes_on(fake: FakeEngine, number: signal.Signals) -> None:
    fake.behave("ok")
    with harness(fake) as suspended:
        assert wait_until(lambda: bool(fake.starts()))
        suspended.signal(number)
        assert wait_until(lambda: psutil.Process(suspended.pid).status() == psutil.STATUS_STOPPED)
        suspended.signal(signal.SIGCONT)
        assert wait_until(suspended.ended)
    assert (suspended.code, suspended.output()) == (0, "")
    assert finish(fake) == []


@pytest.mark.parametrize("number", [pytest.param(signal.SIGKILL, id="kill-guardian")])
def test_without_its_guardian_a_harness_still_ends_the_engine(fake: FakeEngine, number: signal.Signals) -> None:
    fake.behave("worker:load_weights:hang")
    with harness(fake, until=hangs) as alone:
        (guardian,) = guardians(alone.pid)
        os.kill(guardian, number)
        alone.signal(signal.SIGTERM)
        assert wait_until(alone.ended)
    assert alone.code == 130
    assert running(fake) == []
    finish(fake)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGKILL, id="kill-guardian-of-a-good-start"),
        pytest.param(signal.SIGSTOP, id="stop-guardian-of-a-good-start"),
    ],
)
def test_a_guardian_that_is_gone_or_hangs_does_not_matter_to_a_start(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def disturb(_tree: Tree) -> None:
        for guardian in guardians(os.getpid()):
            os.kill(guardian, number)

    monkeypatch.setattr(guardian_module, "_DISMISSED_S", 0.1)
    fake.behave("ok")
    start = cut_short(fake, disturb)
    runs = fake.measure(fake.session(1, fake.case(start=start)))
    assert [run.counts for run in runs] == [True, True]
    assert nothing_runs(fake)
    finish(fake)


@pytest.mark.parametrize("place", [pytest.param("worker:load_weights", id="two-harnesses-at-once")])
def test_a_second_harness_says_in_one_line_that_the_first_is_at_work(fake: FakeEngine, place: str) -> None:
    fake.behave(f"{place}:hang")
    with harness(fake, until=hangs) as first:
        with harness(fake) as second:
            assert wait_until(second.ended)
        assert second.code == 2
        assert second.output() == (
            f"error: another measurement is running (pid {first.pid}: figure 2); "
            "wait until it ends or stop it, then repeat this command\n"
        )
        assert not first.ended()
        assert len(fake.starts()) == 1
    assert nothing_runs(fake)
    finish(fake)


DAMAGED = {"cut": b'{"pid": 4', "a-list": b"[]", "bytes": b"\xff\x00"}


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=f"lock-holder-file-is-{name}") for name, text in DAMAGED.items()]
)
def test_a_damaged_lock_file_neither_hides_a_measurement_nor_stops_one(fake: FakeEngine, text: bytes) -> None:
    holder = fake.root / ".harness.lock.json"
    with only_measurement(fake.root, "the first"):
        holder.write_bytes(text)
        line = refused(lambda: only_measurement(fake.root, "the second").__enter__())
        assert line.startswith("another measurement is running (pid ")
    holder.write_bytes(text)  # and as something that a killed harness left
    finish(fake)
    assert not holder.exists()
