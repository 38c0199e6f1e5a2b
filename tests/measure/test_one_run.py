"""One run of the fake engine through ``execute``: what it starts from, what reaches it, what is recorded of it."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.analyse.phases import LEAVES, PER_PROCESS_LEAVES, UNATTRIBUTED
from harness.analyse.spans import Process, Span
from harness.errors import HarnessError
from harness.measure.inherited import DEFINING, INHERITED
from harness.measure.traced import trace_certificate
from harness.record.tables import CORES, TIMELINE, read_table
from harness.state.sandbox import Sandbox
from tests.measure.fake_engine import CACHES, NODE, FakeEngine

RESULTS = ("ready_s", "first_token_s", "unattributed_s")  # what only an ok run has


def found(fake: FakeEngine, number: int) -> list[str]:
    """Files that start ``number`` found in its caches."""
    return [path for paths in fake.starts()[number]["caches"].values() for path in paths]


def test_the_caches_are_empty_before_the_warmup_and_kept_for_measured_runs(fake: FakeEngine) -> None:
    (fake.root / "caches" / "run" / "inductor").mkdir(parents=True)
    (fake.root / "caches" / "run" / "inductor" / "of_another_time.so").write_text("stale")
    for kind in ("warmup", "measured", "measured"):
        assert fake.start(kind).counts
    assert found(fake, 0) == []
    caches = fake.root / "caches" / "run"
    assert found(fake, 1) == found(fake, 2) == [f"{caches}/tmp/header.h", f"{caches}/inductor/kernel0.so"]


def test_every_cache_variable_points_into_the_sandbox(fake: FakeEngine) -> None:
    fake.start()
    environ = fake.starts()[0]["environ"]
    assert set(CACHES) <= set(Sandbox(Path()).environment())
    for variable in Sandbox(Path()).environment():
        assert Path(environ[variable]).parent == fake.root / "caches" / "run"
        assert (fake.root / "caches" / "warm-up" / Path(environ[variable]).name).is_dir()  # what the start left is kept


def test_what_the_engine_answers_after_its_start_is_recorded(fake: FakeEngine) -> None:
    assert fake.start().output == {"token_ids": list(range(42, 58))}
    fake.behave("no_token")
    assert fake.start().output is None


def test_only_allow_listed_variables_reach_the_engine(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    poison = fake.root / "poison"
    poison.mkdir()
    (poison / "torch.py").write_text("raise SystemExit('the caller decided what is imported')")
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "VLLM_USE_AOT_COMPILE"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("PYTHONPATH", str(poison))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    run = fake.start()
    assert run.status == "ok"
    environ = fake.starts()[0]["environ"]
    assert "secret" not in environ.values()
    own = {*Sandbox(Path()).environment(), *fake.engine.pin.environment}
    own |= {"VLLM_LOGGING_CONFIG_PATH", "VLLM_RPC_BASE_PATH", "PYTHONDONTWRITEBYTECODE"}
    own |= {"COLDSTART_TRACE_DIR", "COLDSTART_TRACE_ROLE", "COLDSTART_TRACE_SELF", "COLDSTART_TREE"}
    by_python = {"LC_CTYPE"}  # CPython sets it for itself in the C locale
    assert set(environ) <= {*INHERITED, *DEFINING, *own, *by_python}
    assert environ["FAKE_PIN"] == "1"
    assert environ["OMP_NUM_THREADS"] == "3"
    assert run.environment["OMP_NUM_THREADS"] == "3"


def test_the_record_holds_no_path_of_the_machine(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    text = json.dumps(replace(fake.start(), log_tail=[]).__dict__)
    for path in (str(fake.root), "/home/somebody", os.environ["PATH"]):
        assert path not in text


def test_the_engine_is_asked_for_the_model_with_the_figures_parameters(fake: FakeEngine) -> None:
    fake.start(parameters={"max_model_len": 4096}, eager=True)
    model = str(fake.root / "models" / "fake")
    assert fake.starts()[0]["arguments"] == {"model": model, "enforce_eager": True, "max_model_len": 4096}


def test_the_phases_of_a_start_with_two_processes_sum_to_ready(fake: FakeEngine) -> None:
    run = fake.start()
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
    run = fake.start()
    assert (run.run_id, run.kind, run.status, run.exit_code) == ("s1/warmup-0", "warmup", "ok", 0)
    assert (run.reason, run.failed_in) == (None, None)
    assert run.engine == {"pin": "fake", "version": "1.2.3"}
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
    run = fake.start()
    folder = fake.folder(run)
    roles = sorted(path.name.partition("-")[0] for path in (folder / "spans").iterdir())
    assert roles == ["engine", "main"]
    assert "Init Tokenizer took 0.29" in (fake.folder(run) / "engine.log").read_text()
    assert [path for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def test_the_timeline_beside_the_record_adds_up_to_its_phases(fake: FakeEngine) -> None:
    run = fake.start()
    pieces = read_table(TIMELINE, fake.folder(run) / "timeline.csv")
    seconds: dict[str, float] = {}
    for begin_s, end_s, phase, _ in pieces:
        assert isinstance(begin_s, float)
        assert isinstance(end_s, float)
        seconds[str(phase)] = seconds.get(str(phase), 0.0) + end_s - begin_s
    assert (pieces[0][0], pieces[-1][1]) == (0.0, run.ready_s)
    assert seconds == pytest.approx({phase: s for phase, s in run.phases.items() if s}, abs=1e-9)
    assert not (fake.folder(run) / "cores.csv").exists()  # nobody asked for samples


def test_cores_are_sampled_from_exec_to_ready_where_the_case_says_so(fake: FakeEngine) -> None:
    run = fake.start(samples=("cores",))
    assert run.counts
    assert run.ready_s is not None
    samples = read_table(CORES, fake.folder(run) / "cores.csv")
    assert all(isinstance(row[0], float) and 0 < row[0] <= run.ready_s for row in samples)


def test_a_start_that_failed_leaves_its_samples_but_no_timeline(fake: FakeEngine) -> None:
    fake.behave("crash")
    run = fake.start(samples=("cores",))
    assert (run.status, run.graph) == ("failed", None)
    assert sorted(path.name for path in fake.folder(run).iterdir()) == ["cores.csv", "engine.log", "run.json", "spans"]


def test_a_run_that_finds_files_where_none_may_be_does_not_count(fake: FakeEngine) -> None:
    (fake.root / "elsewhere" / "inductor").mkdir(parents=True)
    (fake.root / "elsewhere" / "inductor" / "kept.so").write_text("stale")
    (fake.root / "caches").mkdir()
    (fake.root / "caches" / "run").symlink_to(fake.root / "elsewhere")  # what lies behind a link is not deleted
    run = fake.start()
    assert (run.status, run.counts) == ("ok", False)
    assert run.certificate["compile_cache"]["reason"] == "1 files were in the caches before the start"


def test_a_cached_start_that_compiles_does_not_count(fake: FakeEngine) -> None:
    fake.behave("ok", compiles="always")
    fake.start()
    run = fake.start("measured")
    assert (run.status, run.counts) == ("ok", False)
    assert run.certificate["compile_cache"]["reason"] == "the start compiled 1 new objects"


def test_the_pause_between_two_runs_is_recorded(fake: FakeEngine) -> None:
    first, second = fake.start(), fake.start("measured")
    assert first.pause_s is None
    assert second.pause_s is not None
    assert 0 <= second.pause_s < 2


def test_a_cached_start_that_compiles_again_into_the_same_files_does_not_count(fake: FakeEngine) -> None:
    fake.behave("ok", "recompile_in_place", "ok", compiles="once")
    assert fake.start("warmup").counts
    again, cached = fake.start("measured"), fake.start("measured")
    part = again.certificate["compile_cache"]
    assert part["before"]["compiled"] == part["after"]["compiled"] == 1
    assert (part["holds"], again.counts) == (False, False)
    assert part["reason"].endswith("compiling although the caches were filled")
    assert cached.counts


def test_a_trace_that_stops_midway_does_not_count() -> None:
    header = {"pid": 1, "parent_pid": 0, "role": "engine", "exec_ns": 0, "traced_ns": 1}
    engine = Process(**header, spans=[Span("load", 2, None, 1, "work", {"phase": "load_weights"})])

    def certificate() -> dict[str, Any]:
        part: dict[str, Any] = trace_certificate([engine], {}, frozenset())["trace"]
        return part

    assert certificate()["holds"] is False
    engine.spans.append(Span("tracer disarmed", 3, 3, 1, "note", {"self_ns": 1, "events": 2}))
    assert certificate() == {"declared": "complete", "holds": True, "reason": None}
    engine.malformed_lines = 1
    assert "malformed" in certificate()["reason"]


def test_a_file_that_cannot_be_read_is_not_said_to_be_one_that_cannot_be_written(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_sandbox: Sandbox) -> None:
        raise PermissionError(13, "Permission denied", "/somewhere/kernel.so")

    monkeypatch.setattr(Sandbox, "contents", refuse)
    with pytest.raises(HarnessError) as caught:
        fake.start()
    assert str(caught.value).startswith(
        "/somewhere/kernel.so: cannot be written or read (Permission denied); this run is lost, everything"
    )
    assert fake.store().runs() == []


def test_caches_that_cannot_be_kept_cost_no_run(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_sandbox: Sandbox) -> None:
        raise OSError(39, "Directory not empty")

    with monkeypatch.context() as patched:
        patched.setattr(Sandbox, "keep_as_warm_up", refuse)
        with pytest.raises(HarnessError, match=r"caches of warm-up s1/warmup-0 cannot be kept .*; its run is stored"):
            fake.measure(fake.session(1))
    assert [(run.run, run.counts) for run in fake.store().runs()] == [("warmup-0", True)]
    assert [run.run for run in fake.measure(fake.session(1))] == ["warmup-1", "1"]
