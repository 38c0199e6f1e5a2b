"""A few cells of the matrix on the real engine (20 to 60 s each): it has more processes, and ends in its own ways."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from harness.engine.process_tree import Tree
from harness.measure.one_run import Case
from harness.measure.start import OfflineStart, Ready
from harness.record.store import CaseStore
from tests.engine.conftest import RealEngine
from tests.engine.conftest import real_engine as real_engine
from tests.faults.aftermath import Harness, wait_until
from tests.processes import runs

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def pid_at(spans: Path, role: str, sign: str) -> int | None:
    """The process of this role once its spans show the sign."""
    for path in spans.glob(f"{role}-*.jsonl"):
        if sign in path.read_text():
            return int(path.stem.rpartition("-")[2])
    return None


@dataclass(frozen=True)
class Disturbed(OfflineStart):
    """The offline start, one of whose processes is killed as soon as its spans show ``sign``."""

    role: str = ""
    sign: str = ""

    def follow(self, tree: Tree, scratch: Path, spans: Path) -> Ready | None:
        """Wait, kill, wait."""
        if tree.wait(lambda: pid_at(spans, self.role, self.sign) is not None):
            os.kill(pid_at(spans, self.role, self.sign) or 0, signal.SIGKILL)
        return super().follow(tree, scratch, spans)


def disturbed(real: RealEngine, name: str, role: str, sign: str) -> Case:
    case = real.eager_case(name)
    assert isinstance(case.start, OfflineStart)
    start = Disturbed(case.start.python, case.start.model, case.start.parameters, True, role, sign)
    return replace(case, start=start)


def alive(pids: list[int], is_engine: Callable[[psutil.Process], bool]) -> list[int]:
    """Which of these processes still run."""
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            if runs(pid) and is_engine(psutil.Process(pid)):
                found.append(pid)
    return found


@pytest.mark.parametrize(
    ("role", "sign", "leaf"),
    [
        pytest.param("worker", '"phase":"load_weights"', "load_weights", id="kill-real-worker-at-load_weights"),
        pytest.param("worker", '"name":"import torch"', "imports:worker", id="kill-real-worker-at-imports"),
        pytest.param("inspect", '"name":"import torch"', "imports:inspect", id="kill-real-inspect-at-imports"),
        pytest.param("engine", '"phase":"process_spawn"', None, id="kill-real-engine-at-process_spawn"),
        pytest.param("main", '"phase":"config"', None, id="kill-real-main-at-config"),
    ],
)
def test_a_killed_process_of_a_real_start_is_named_and_nothing_is_left(
    real_engine: RealEngine,
    role: str,
    sign: str,
    leaf: str | None,
) -> None:
    # With filled caches no model is inspected.
    kind = "warmup" if role == "inspect" else "measured"
    run, folder = real_engine.start(disturbed(real_engine, f"{role}-{sign[9:14]}", role, sign), kind)
    assert psutil.Process().children(recursive=True) == []
    assert run.ready_s is None
    assert run.failed_in is not None
    if role == "main":
        assert (run.status, run.reason) == ("killed", "ended by signal 9")
    else:
        assert run.status == "failed"
        assert str(run.reason).startswith(f"the {role} process ended abruptly (killed?)")
    if leaf is not None:
        assert (run.failed_in, run.failed_process) == (leaf, role)
    assert (folder / "engine.log").stat().st_size > 0


@pytest.mark.parametrize("sign", [pytest.param('"phase":"load_weights"', id="kill-harness-of-a-real-start")])
def test_a_real_engine_ends_with_its_killed_harness_and_a_rerun_completes(
    real_engine: RealEngine,
    sign: str,
) -> None:
    case = real_engine.eager_case("killed-harness")
    store = CaseStore(real_engine.root / "runs" / case.name)
    (real_engine.root / "scratch").mkdir(exist_ok=True)
    harness = Harness(real_engine.root, lambda: real_engine.start(case, "warmup"))
    spans = store.run_folder("s1", "warmup-0").with_name(".warmup-0.partial") / "spans"
    try:
        while not pid_at(spans, "worker", sign):
            assert not harness.ended(), harness.output()
        pids = [int(path.stem.rpartition("-")[2]) for path in spans.glob("*.jsonl")]
    finally:
        harness.kill()
    assert len(pids) >= 3
    assert wait_until(lambda: alive(pids, lambda process: "python" in process.name() or "VLLM" in process.name()) == [])
    assert wait_until(lambda: list((real_engine.root / "scratch").iterdir()) == [])
    store.discard_partial()
    run, _ = real_engine.start(case, "warmup")
    assert (run.run_id, run.counts) == ("s1/warmup-0", True)
