"""A process of the engine is killed, leaves or runs out of memory: at each stage, in each process."""

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from harness.engine.process_tree import Tree
from tests.faults.aftermath import cut_short, finish, nothing_runs, running
from tests.measure.fake_engine import FakeEngine

GENERIC = "RuntimeError: Engine core initialization failed. See root cause above."
DEAD = "RuntimeError: EngineCore encountered an issue. See stack trace (above) for the root cause."
CHILDREN = {  # process:stage → the leaf in which it is killed
    "engine:imports": "imports:engine",
    "engine:spawn": "process_spawn",
    "engine:kv_cache": "kv_cache_alloc",
    "worker:imports": "imports:worker",
    "worker:load_weights": "load_weights",
    "worker:compile": "graph_compile_general_shape",
}
FRONT_ENDS = {"main:imports": "imports:main", "main:config": "config", "main:spawn": "process_spawn"}


def name(fault: str) -> "pytest.ParameterSet":
    """A cell's id: ``kill-worker-at-load_weights``."""
    process, stage, what = fault.split(":")
    return pytest.param(fault, id=f"{what}-{process}-at-{stage}")


@pytest.mark.parametrize("fault", [name(f"{place}:kill") for place in CHILDREN] + [name("worker:load_weights:leave")])
def test_a_killed_child_is_named_with_its_phase(fake: FakeEngine, fault: str) -> None:
    fake.behave(fault)
    (run,) = fake.measure(fake.session(1))
    process, _, stage = fault.rpartition(":")[0].partition(":")
    leaf = CHILDREN[f"{process}:{stage}"]
    assert (run.status, run.failed_in, run.failed_process, run.exit_code) == ("failed", leaf, process, 1)
    assert run.reason == f"the {process} process ended abruptly (killed?) in {leaf}; the log's last error: {GENERIC}"
    assert (run.ready_s, run.phases, run.counts) == (None, {}, False)
    assert nothing_runs(fake)
    finish(fake)
    assert all(files == [] for files in fake.starts()[1]["caches"].values())  # the warm-up began anew


@pytest.mark.parametrize("fault", [name(f"{place}:kill") for place in FRONT_ENDS])
def test_a_killed_front_end_is_a_killed_run_that_names_its_phase(fake: FakeEngine, fault: str) -> None:
    fake.behave(fault)
    (run,) = fake.measure(fake.session(1))
    assert (run.status, run.failed_in, run.failed_process) == ("killed", FRONT_ENDS[fault.rpartition(":")[0]], "main")
    assert (run.exit_code, run.reason, run.ready_s) == (-9, "ended by signal 9", None)
    assert nothing_runs(fake)
    finish(fake)


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        pytest.param("main:token:kill", "killed", "ended by signal 9", id="kill-main-after-ready"),
        pytest.param("engine:token:kill", "failed", DEAD, id="kill-engine-after-ready"),
        pytest.param("worker:token:kill", "failed", DEAD, id="kill-worker-after-ready"),
        pytest.param("main:end:kill", "killed", "ended by signal 9", id="kill-main-at-its-end"),
    ],
)
def test_a_process_that_is_killed_after_the_engine_was_ready_is_said_to_be(
    fake: FakeEngine, fault: str, status: str, reason: str
) -> None:
    fake.behave("ok", fault)
    warmup, run = fake.measure(fake.session(1))
    assert warmup.counts
    assert (run.status, run.reason, run.failed_in) == (status, f"after it was ready: {reason}", None)
    assert nothing_runs(fake)
    assert [run.run for run in finish(fake)] == ["2"]


@pytest.mark.parametrize(
    "place", [pytest.param("worker:load_weights", id="kill-engine-while-worker-is-at-load_weights")]
)
def test_a_process_is_named_that_was_killed_not_the_one_that_was_ended_because_of_it(
    fake: FakeEngine, place: str
) -> None:
    def kill_the_engine_core(tree: Tree) -> None:
        (spans,) = fake.workspace.runs.glob("**/.warmup-0.partial/spans/engine-*.jsonl")
        os.kill(int(spans.stem.removeprefix("engine-")), signal.SIGKILL)
        tree.wait()

    fake.behave(f"{place}:hang")
    (run,) = fake.measure(fake.session(1, fake.case(start=cut_short(fake, kill_the_engine_core))))
    assert (run.status, run.failed_in, run.failed_process) == ("failed", "load_weights", "worker")
    assert run.reason == f"the engine process ended abruptly (killed?); the log's last error: {GENERIC}"
    assert run.resources["leftover_processes"] == 1
    assert running(fake) == []
    finish(fake)


@pytest.mark.parametrize("fault", [name("engine:end:kill"), name("worker:end:kill")])
def test_a_child_that_is_killed_while_it_is_being_ended_spoils_nothing(fake: FakeEngine, fault: str) -> None:
    fake.behave(fault)
    assert [run.counts for run in fake.measure(fake.session(1))] == [True, True]
    assert nothing_runs(fake)
    finish(fake)


@pytest.mark.parametrize("fault", [name("engine:kv_cache:no_memory"), name("worker:load_weights:no_memory")])
def test_an_allocation_that_fails_is_the_cause(fake: FakeEngine, fault: str) -> None:
    fake.behave(fault)
    (run,) = fake.measure(fake.session(1))
    process, _, stage = fault.rpartition(":")[0].partition(":")
    assert (run.status, run.failed_in, run.failed_process) == ("failed", CHILDREN[f"{process}:{stage}"], process)
    assert run.reason == "MemoryError"
    finish(fake)


def limited_group(bytes: int) -> Path | None:
    """A new control group that may use so much memory; None where that is not allowed."""
    for root, limit in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
        group = Path(root, f"coldstart-test-{uuid.uuid4().hex[:8]}")
        with suppress(OSError):
            group.mkdir()
            try:
                if (group / limit).exists():  # made by the kernel: a group, no plain folder
                    (group / limit).write_text(str(bytes))
                    return group
            except OSError:
                pass
            group.rmdir()
    return None


@pytest.fixture
def little_memory() -> Iterator[Path]:
    """A control group that may use 64 MiB."""
    group = limited_group(64 << 20)
    if group is None:
        pytest.skip("needs the right to make a control group with a memory limit")
    yield group
    group.rmdir()


@pytest.mark.parametrize("process", [pytest.param("worker", id="out-of-memory-kill-of-worker")])
def test_a_process_that_the_kernel_kills_for_its_memory_is_named(
    fake: FakeEngine, little_memory: Path, process: str
) -> None:
    fake.behave(f"{process}:load_weights:too_much_memory", cgroup=str(little_memory))
    (run,) = fake.measure(fake.session(1))
    assert (run.status, run.failed_in, run.failed_process) == ("failed", "load_weights", "worker")
    assert str(run.reason).startswith("the worker process ended abruptly (killed?) in load_weights; ")
    assert nothing_runs(fake)
    finish(fake)
