"""Whether a start's trace is whole: an engine process without one, a hook that failed, and what needs no trace."""

from pathlib import Path
from typing import Any

import pytest

from harness.analyse.spans import read_processes, unwritten
from harness.measure.traced import trace_certificate, trace_marks
from harness.spec.hooks import load_hooks
from harness.spec.pin import PATCHES
from tests.analyse.span_files import Line, span, write_process
from tests.measure.fake_engine import PACKAGE, FakeEngine

MAIN, CHILD = 10, 11
SPAWN = "multiprocessing.popen_spawn_posix"


def disarmed(at: int) -> Line:
    return span("tracer disarmed", at, at, "note", self_ns=1, events=2)


def waiting(module: str = SPAWN, waits: str = "vllm.v1.engine.utils") -> list[Line]:
    """What the main process says of a child that it starts and waits for."""
    return [
        span("Popen._launch", 20, 30, module=module, child=CHILD),
        span("wait_for_engine_startup", 30, 90, "wait", module=waits, waits_for=[CHILD]),
        disarmed(95),
    ]


def certificate(folder: Path, untimed: frozenset[str] = frozenset()) -> dict[str, Any]:
    part = trace_certificate(read_processes(folder), unwritten(folder), untimed)["trace"]
    assert isinstance(part, dict)
    return part


def reason(folder: Path, untimed: frozenset[str] = frozenset()) -> str:
    part = certificate(folder, untimed)
    assert not part["holds"]
    return str(part["reason"])


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """The span files of a start whose main process started the engine core and waited for it."""
    write_process(tmp_path, MAIN, "main", 0, 10, waiting())
    return tmp_path


def test_a_start_whose_processes_were_traced_until_they_were_ready_is_whole(started: Path) -> None:
    write_process(started, CHILD, "engine", 25, 40, [disarmed(80)])
    assert certificate(started) == {"declared": "complete", "holds": True, "reason": None}


@pytest.mark.parametrize("name", ["engine-11.jsonl", "worker-12.jsonl", "inspect-12.jsonl", "main-10-2.jsonl"])
def test_an_empty_file_of_an_engine_process_is_a_trace_that_is_lacking(started: Path, name: str) -> None:
    write_process(started, CHILD, "engine", 25, 40, [disarmed(80)]) if name != "engine-11.jsonl" else None
    (started / name).touch()
    assert reason(started) == f"the {name.partition('-')[0]} process left no trace: its span file is empty"


def test_an_empty_file_of_a_helper_does_not_matter(started: Path) -> None:
    write_process(started, CHILD, "engine", 25, 40, [disarmed(80)])
    (started / "child-12.jsonl").touch()
    (started / "resource_tracker-13.jsonl").touch()
    assert certificate(started)["holds"]


def test_an_engine_process_that_left_no_file_at_all_is_missed(started: Path) -> None:
    said = "a process that the main process started and waited for (wait_for_engine_startup) left no trace"
    assert reason(started) == said


@pytest.mark.parametrize("untraced", [{"module": "subprocess"}, {"waits": "subprocess"}])
def test_a_compiler_needs_no_trace(tmp_path: Path, untraced: dict[str, str]) -> None:
    write_process(tmp_path, MAIN, "main", 0, 10, waiting(**untraced))
    assert certificate(tmp_path)["holds"]


def failed(kind: str, hook: str) -> Line:
    return span(kind, 50, 50, "note", hook=hook, error="TypeError('no')")


@pytest.mark.parametrize("kind", ["hook failed", "hook error"])
def test_a_hook_that_failed_is_told_and_the_start_does_not_count(started: Path, kind: str) -> None:
    write_process(started, CHILD, "engine", 25, 40, [failed(kind, "load_weights"), disarmed(80)])
    assert reason(started) == "hook load_weights failed in the engine process: TypeError('no')"
    assert trace_marks(read_processes(started), frozenset()) == []


def test_a_hook_that_no_second_depends_on_is_a_mark(started: Path) -> None:
    notes = [failed("hook error", "Tensor.copy_")] * 2
    write_process(started, CHILD, "engine", 25, 40, [*notes, disarmed(80)])
    untimed = frozenset({"Tensor.copy_"})
    assert certificate(started, untimed)["holds"]
    marks = trace_marks(read_processes(started), untimed)
    assert marks == ["trace: hook Tensor.copy_ failed in the engine process: TypeError('no')"]


def test_what_fails_in_a_compiler_s_process_does_not_matter(started: Path) -> None:
    write_process(started, CHILD, "engine", 25, 40, [disarmed(80)])
    write_process(started, 12, "child", 30, 35, [failed("hook error", "Popen.__init__")])
    assert certificate(started)["holds"]
    assert trace_marks(read_processes(started), frozenset({"Popen.__init__"})) == []


def test_hooks_without_a_phase_are_known_from_the_table() -> None:
    for path in PATCHES.glob("*/hooks.toml"):
        table = load_hooks(path)
        assert {hook.name for hook in table.hook if hook.many and hook.part} <= table.untimed
        assert "EngineCore.__init__" in table.untimed
        timed = {hook.name for hook in table.hook if hook.kind != "container" and not hook.many}
        assert not timed & table.untimed


def lacking(fake: FakeEngine) -> None:
    """The fake engine's function that loads weights has another name than its hook says."""
    table = fake.engine.site_packages / PACKAGE / "hook_table.py"
    table.write_text(table.read_text().replace("'load_weights', 'kind'", "'load_weightz', 'kind'"))


def test_a_start_with_a_hook_that_could_not_be_set_is_stored_and_does_not_count(fake: FakeEngine) -> None:
    lacking(fake)
    run = fake.start()
    assert (run.status, run.counts) == ("ok", False)
    assert not [mark for mark in run.marks if mark.startswith("trace")]
    assert run.doubt is not None
    assert run.doubt.startswith("hook load_weightz failed in the main process: KeyError('load_weightz'")
    assert len(run.tracer["failures"]) == 2


def test_where_no_second_depends_on_it_the_start_counts_and_is_marked(fake: FakeEngine) -> None:
    lacking(fake)
    run = fake.start(untimed_hooks=frozenset({"load_weightz"}))
    assert (run.counts, run.doubt) == (True, None)
    assert [mark.partition(" failed")[0] for mark in run.marks if mark.startswith("trace")] == [
        "trace: hook load_weightz",
        "trace: hook load_weightz",
    ]
