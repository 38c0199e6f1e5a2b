"""Starts of the fake engine that fail, hang, kill themselves or leave something behind: recorded as such, and ended."""

from pathlib import Path

import pytest

from harness.engine import process_tree
from tests.measure.fake_engine import FakeEngine, make_fake_engine
from tests.processes import is_gone

RESULTS = ("ready_s", "first_token_s", "unattributed_s")  # what only an ok run has


@pytest.mark.parametrize(
    ("mode", "status", "failed_in", "exit_code", "reason"),
    [
        ("crash", "failed", "load_weights", 1, "ValueError: the checkpoint is damaged"),
        ("no_token", "failed", None, 0, "the engine came up but generated no token"),
        ("silent", "failed", "config", 0, "ended (exit code 0) without a sign of LLM() to return"),
        ("sigkill", "killed", "config", -9, "ended by signal 9"),
    ],
)
def test_a_failed_start_is_kept_with_its_cause_and_without_results(
    fake: FakeEngine, mode: str, status: str, failed_in: str | None, exit_code: int, reason: str
) -> None:
    fake.behave(mode)
    run = fake.start()
    assert (run.status, run.failed_in, run.exit_code, run.reason) == (status, failed_in, exit_code, reason)
    assert [getattr(run, name) for name in RESULTS] == [None, None, None]
    assert (run.phases, run.groups, run.gaps) == ({}, {}, [])
    assert not run.counts
    assert run.wall_s > 0
    assert run.log_tail
    assert (fake.folder(run) / "engine.log").read_text().splitlines()[-1] == run.log_tail[-1]


def test_the_log_tail_of_a_crash_holds_both_processes_tracebacks(fake: FakeEngine) -> None:
    fake.behave("crash")
    tail = fake.start().log_tail
    assert "ValueError: the checkpoint is damaged" in tail
    assert tail[-1] == "RuntimeError: Engine core initialization failed. See root cause above."


def test_a_start_that_hangs_is_a_timeout_and_its_whole_tree_is_ended(fake: FakeEngine) -> None:
    fake.behave("hang")
    run = fake.start(timeout_s=1.0)
    assert (run.status, run.failed_in, run.exit_code) == ("timeout", "load_weights", None)
    assert str(run.reason).endswith("for LLM() to return, in vain; the process tree was ended")
    assert run.ready_s is None
    assert run.wall_s >= 1
    pids = [entry["pid"] for entry in [*fake.starts(), *fake.journal("hanging")]]
    assert len(set(pids)) == 3
    assert [pid for pid in pids if not is_gone(pid)] == []


def test_a_tree_that_ignores_sigterm_is_killed(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_tree, "TERMINATE_GRACE_S", 0.1)
    fake.behave("stubborn")
    run = fake.start(timeout_s=1.0)
    assert run.status == "timeout"
    pids = [entry["pid"] for entry in fake.journal("hanging")]
    assert len(set(pids)) == 3
    assert [pid for pid in pids if not is_gone(pid)] == []


def test_a_process_that_outlives_the_start_is_ended_and_counted(fake: FakeEngine) -> None:
    fake.behave("orphan")
    run = fake.start()
    (orphan,) = [entry["pid"] for entry in fake.journal("hanging")]
    assert is_gone(orphan)
    assert run.status == "ok"
    assert run.resources["leftover_processes"] == 1


def test_an_engine_without_the_tracer_is_a_failed_run_that_says_so(tmp_path: Path) -> None:
    fake = make_fake_engine(tmp_path, traced=False)
    run = fake.start()
    assert run.status == "failed"
    assert "was the tracer loaded?" in str(run.reason)
    assert run.ready_s is None
