"""What must hold of a real ``vllm serve`` start: one eager start from empty caches, shared by these tests."""

import os
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harness.measure.start import StudyServer
from harness.record.run import Run
from tests.engine.conftest import RealEngine

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def server(real_engine: RealEngine) -> Run:
    """About 35 s on two cores."""
    return start_server(real_engine, "server")


def start_server(real_engine: RealEngine, name: str) -> Run:
    case = real_engine.case_of_figure_2(eager=True, mode="serve")
    run, _ = real_engine.start(replace(case, name=name), "warmup")
    return run


def test_a_server_is_ready_at_its_first_200_and_generates_a_token(server: Run) -> None:
    assert (server.status, server.reason) == ("ok", None)
    assert server.counts
    assert server.first_token_s is not None
    assert server.first_token_s > 0
    assert server.exit_code is None  # it would have served for ever: the harness ended it


def test_the_leaves_of_a_server_sum_to_ready_in_every_process(server: Run) -> None:
    assert server.ready_s is not None
    assert sum(server.phases.values()) == pytest.approx(server.ready_s, abs=1e-6)
    by_process = [seconds for phases in server.phases_by_process.values() for seconds in phases.values()]
    assert sum(by_process) == pytest.approx(server.ready_s, abs=1e-6)
    assert set(server.phases_by_process) == {"main", "inspect", "engine", "worker"}
    assert server.phases_by_process["main"]["server_start"] > 0


def test_what_no_hook_explains_of_a_server_stays_within_the_bound_of_a_warm_up(
    server: Run, real_engine: RealEngine
) -> None:
    # What is not hooked takes long in every start; what the machine did meanwhile (stolen time) does not come again.
    if not within_bound(server):
        again = start_server(real_engine, "server-again")
        assert within_bound(again), (server.unattributed_s, server.gaps[:5], again.unattributed_s, again.gaps[:5])


def within_bound(run: Run) -> bool:
    assert run.ready_s is not None
    assert run.unattributed_s is not None
    return run.unattributed_s <= 1.5 * max(0.001 * run.ready_s, 0.05)


def test_nothing_of_a_server_is_left_running(server: Run) -> None:
    assert server.wall_s > (server.ready_s or 0)
    assert [process.name() for process in psutil.Process(os.getpid()).children(recursive=True)] == []


def test_the_port_of_a_server_is_no_part_of_its_case(real_engine: RealEngine, tmp_path: Path) -> None:
    cases = [real_engine.case_of_figure_2(eager=True, mode="serve") for _ in range(2)]
    assert len({case.name for case in cases}) == 1
    assert all(isinstance(case.start, StudyServer) for case in cases)
    assert Path(cases[0].start.command(tmp_path)[1]).name == "vllm"
