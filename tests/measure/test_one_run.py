"""One run of the fake engine through ``execute``: what it starts from, what reaches it, what is recorded of it."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.analyse.phases import LEAVES, PER_PROCESS_LEAVES, UNATTRIBUTED
from harness.engine import process_tree
from harness.measure.one_run import INHERITED, execute
from harness.record.run import Run, read_run
from harness.state.sandbox import Sandbox
from tests.measure.fake_engine import CACHES, NODE, FakeEngine, end_for_certain, is_gone, make_fake_engine

RESULTS = ("ready_s", "first_token_s", "unattributed_s")  # what only an ok run has


def start(fake: FakeEngine, kind: str = "warmup", **changes: Any) -> Run:
    """One run; the record is what was stored, not what was returned."""
    store = fake.store()
    run = execute(fake.case(**changes), kind, "s1", store, Sandbox(fake.root / "caches"), NODE)
    stored = read_run(store.run_folder("s1", run.run))
    assert stored == run
    return stored


def log_of(fake: FakeEngine, run: Run) -> str:
    return (fake.store().run_folder("s1", run.run) / "engine.log").read_text()


def found(fake: FakeEngine, number: int) -> list[str]:
    """Files that start ``number`` found in its caches."""
    return [path for paths in fake.starts()[number]["caches"].values() for path in paths]


def test_the_caches_are_empty_before_the_warmup_and_kept_for_measured_runs(fake: FakeEngine) -> None:
    (fake.root / "caches" / "inductor").mkdir(parents=True)
    (fake.root / "caches" / "inductor" / "of_another_time.so").write_text("stale")
    for kind in ("warmup", "measured", "measured"):
        assert start(fake, kind).counts
    assert found(fake, 0) == []
    caches = fake.root / "caches"
    assert found(fake, 1) == found(fake, 2) == [f"{caches}/tmp/header.h", f"{caches}/inductor/kernel0.so"]


def test_every_cache_variable_points_into_the_sandbox(fake: FakeEngine) -> None:
    start(fake)
    environ = fake.starts()[0]["environ"]
    assert set(CACHES) <= set(Sandbox(Path()).environment())
    for variable in Sandbox(Path()).environment():
        assert Path(environ[variable]).parent == fake.root / "caches"
        assert Path(environ[variable]).is_dir()


def test_only_allow_listed_variables_reach_the_engine(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    poison = fake.root / "poison"
    poison.mkdir()
    (poison / "torch.py").write_text("raise SystemExit('the caller decided what is imported')")
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "VLLM_USE_AOT_COMPILE", "COLDSTART_TRACE_SYNC"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("PYTHONPATH", str(poison))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    run = start(fake)
    assert run.status == "ok"
    environ = fake.starts()[0]["environ"]
    assert "secret" not in environ.values()
    own = {*Sandbox(Path()).environment(), *fake.engine.pin.environment}
    own |= {"VLLM_LOGGING_CONFIG_PATH", "VLLM_RPC_BASE_PATH", "COLDSTART_TRACE_DIR", "COLDSTART_TRACE_ROLE"}
    by_python = {"LC_CTYPE"}  # CPython sets it for itself in the C locale
    assert set(environ) <= {*INHERITED, *own, *by_python}
    assert environ["FAKE_PIN"] == "1"
    assert environ["OMP_NUM_THREADS"] == "3"
    assert run.environment["OMP_NUM_THREADS"] == "3"


def test_the_record_holds_no_path_of_the_machine(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    text = json.dumps(replace(start(fake), log_tail=[]).__dict__)
    for path in (str(fake.root), "/home/somebody", os.environ["PATH"]):
        assert path not in text


def test_the_engine_is_asked_for_the_model_with_the_figures_parameters(fake: FakeEngine) -> None:
    start(fake, parameters={"max_model_len": 4096}, eager=True)
    model = str(fake.root / "models" / "fake")
    assert fake.starts()[0]["arguments"] == {"model": model, "enforce_eager": True, "max_model_len": 4096}


def test_the_phases_of_a_start_with_two_processes_sum_to_ready(fake: FakeEngine) -> None:
    run = start(fake)
    assert run.ready_s is not None
    assert sum(run.phases.values()) == pytest.approx(run.ready_s, abs=1e-9)
    assert run.phases[UNATTRIBUTED] == run.unattributed_s
    assert {name.partition(":")[0] for name in run.phases} <= {*LEAVES, *PER_PROCESS_LEAVES, UNATTRIBUTED}
    assert run.phases["load_weights"] >= 0.01  # the core's process slept so long
    assert {"interpreter:main", "imports:main", "interpreter:engine", "imports:engine"} <= set(run.phases)
    assert 0 < run.ready_s < run.wall_s
    assert run.first_token_s is not None
    assert run.ready_s + run.first_token_s < run.wall_s


def test_an_ok_run_records_what_was_measured_and_with_what(fake: FakeEngine) -> None:
    run = start(fake)
    assert (run.run_id, run.kind, run.status, run.exit_code) == ("s1/warmup-0", "warmup", "ok", 0)
    assert (run.reason, run.failed_in) == (None, None)
    assert run.engine == {"pin": "fake", "version": "1.2.3", "torch": "0.0.1+fake"}
    assert run.model == {"name": "fake", "twin": True, "revision": None, "files_sha256": "0" * 64}
    assert run.node == NODE
    assert run.log_quantities["tokenizer_init"] == 0.29
    assert run.log_quantities["graph_capturing"] is None
    assert run.log_tail[-1].endswith("Init Tokenizer took 0.29 seconds")
    assert run.tracer["processes"] == 2
    assert run.tracer["failures"] == []
    assert run.resources["leftover_processes"] == 0
    assert run.resources["cpu_s"] > 0
    assert run.harness["version"]


def test_span_files_and_the_whole_log_lie_beside_the_record(fake: FakeEngine) -> None:
    run = start(fake)
    folder = fake.store().run_folder("s1", run.run)
    roles = sorted(path.name.partition("-")[0] for path in (folder / "spans").iterdir())
    assert roles == ["engine", "main"]
    assert "Init Tokenizer took 0.29" in log_of(fake, run)
    assert [path for path in folder.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("mode", "status", "failed_in", "exit_code", "reason"),
    [
        ("crash", "failed", "load_weights", 1, "ValueError: the checkpoint is damaged"),
        ("no_token", "failed", None, 0, "the engine came up but generated no token"),
        ("silent", "failed", "config", 0, "the engine ended without a result"),
        ("sigkill", "killed", "config", -9, "ended by signal 9"),
    ],
)
def test_a_failed_start_is_kept_with_its_cause_and_without_results(
    fake: FakeEngine, mode: str, status: str, failed_in: str | None, exit_code: int, reason: str
) -> None:
    fake.behave(mode)
    run = start(fake)
    assert (run.status, run.failed_in, run.exit_code, run.reason) == (status, failed_in, exit_code, reason)
    assert [getattr(run, name) for name in RESULTS] == [None, None, None]
    assert (run.phases, run.groups, run.gaps) == ({}, {}, [])
    assert not run.counts
    assert run.wall_s > 0
    assert run.log_tail
    assert log_of(fake, run).splitlines()[-1] == run.log_tail[-1]


def test_the_log_tail_of_a_crash_holds_both_processes_tracebacks(fake: FakeEngine) -> None:
    fake.behave("crash")
    tail = start(fake).log_tail
    assert "ValueError: the checkpoint is damaged" in tail
    assert tail[-1] == "RuntimeError: Engine core initialization failed. See root cause above."


def test_a_start_that_hangs_is_a_timeout_and_its_whole_tree_is_ended(fake: FakeEngine) -> None:
    fake.behave("hang")
    run = start(fake, timeout_s=0.5)
    assert (run.status, run.failed_in, run.exit_code) == ("timeout", "load_weights", None)
    assert run.reason == "the start did not end in time; the process tree was ended"
    assert run.ready_s is None
    assert 0.5 <= run.wall_s < 2
    pids = [entry["pid"] for entry in [*fake.starts(), *fake.journal("hanging")]]
    assert len(set(pids)) == 3
    assert [pid for pid in pids if not is_gone(pid)] == []


def test_a_tree_that_ignores_sigterm_is_killed(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_tree, "TERMINATE_GRACE_S", 0.1)
    fake.behave("stubborn")
    run = start(fake, timeout_s=0.5)
    assert run.status == "timeout"
    pids = [entry["pid"] for entry in fake.journal("hanging")]
    assert len(set(pids)) == 3
    assert [pid for pid in pids if not is_gone(pid)] == []


def test_a_process_that_outlives_the_start_is_ended_and_counted(fake: FakeEngine) -> None:
    fake.behave("orphan")
    run = start(fake)
    (orphan,) = [entry["pid"] for entry in fake.journal("hanging")]
    try:
        assert is_gone(orphan)
    finally:
        end_for_certain([orphan])
    assert run.status == "ok"
    assert run.resources["leftover_processes"] == 1


def test_an_engine_without_the_tracer_is_a_failed_run_that_says_so(tmp_path: Path) -> None:
    fake = make_fake_engine(tmp_path, traced=False)
    run = start(fake)
    assert run.status == "failed"
    assert "was the tracer loaded?" in str(run.reason)
    assert run.ready_s is None


def test_a_run_that_finds_files_where_none_may_be_does_not_count(fake: FakeEngine) -> None:
    (fake.root / "elsewhere" / "inductor").mkdir(parents=True)
    (fake.root / "elsewhere" / "inductor" / "kept.so").write_text("stale")
    (fake.root / "caches").symlink_to(fake.root / "elsewhere")  # what lies behind a link is not deleted
    run = start(fake)
    assert (run.status, run.counts) == ("ok", False)
    assert run.certificate["compile_cache"]["reason"] == "1 files were in the caches before the start"


def test_a_cached_start_that_compiles_does_not_count(fake: FakeEngine) -> None:
    fake.behave("ok", compiles="always")
    start(fake)
    run = start(fake, "measured")
    assert (run.status, run.counts) == ("ok", False)
    assert run.certificate["compile_cache"]["reason"] == "the start compiled 1 new objects"


def test_the_pause_between_two_runs_is_recorded(fake: FakeEngine) -> None:
    first, second = start(fake), start(fake, "measured")
    assert first.pause_s is None
    assert second.pause_s is not None
    assert 0 <= second.pause_s < 2
