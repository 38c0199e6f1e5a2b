"""One real server, traced while it serves: what was planted is found where it was planted, and little is left over."""

from typing import Any

import pytest

from experiments.engine_anatomy.study import ENVIRONMENT, Case
from harness.analyse.anatomy_rows import split_rows
from harness.commands.anatomy.load import level_rows, warm_rows
from harness.measure.address import free_port
from harness.measure.anatomy_run import MODEL_NAME, AnatomyJob, LevelJob, make_anatomy_run
from harness.measure.case import figure_environment
from harness.measure.serving import WantedServer
from harness.measure.serving_trace import Sampling
from harness.record.anatomy_run import AnatomyRun, read_anatomy_run
from harness.record.anatomy_tables import LEVELS, OK, PROCESSES, REQUESTS, SHARES, STUDY
from harness.record.repeats import Repeats
from harness.record.tables import cells_of
from harness.spec.anatomy import LoadLevel, load_anatomy
from harness.workspace import ROOT, Workspace
from tests.engine.conftest import RealEngine

pytestmark = pytest.mark.engine

LEVEL_LOADS = (LoadLevel(concurrency=1, requests=4), LoadLevel(concurrency=8, requests=32))
INSIDE_S, OUTSIDE_S = 0.004, 0.003  # of burning_scheduler.py


@pytest.fixture(scope="module")
def run(real_engine: RealEngine, tmp_path_factory: pytest.TempPathFactory) -> AnatomyRun:
    """A run of the figure's server, eager, with a scheduler that burns CPU."""
    root = tmp_path_factory.mktemp("anatomy")
    figure = load_anatomy("anatomy", Workspace())
    server = figure.cpu.server.model_copy(update={"enforce_eager": True})
    setting = figure.cpu.model_copy(update={"server": server})
    case = Case(setting, LEVEL_LOADS, figure.sampled)
    engine, model = real_engine.engine, real_engine.model
    port = free_port()
    command = [*case.command(engine.python, model.path.resolve(), MODEL_NAME, port)]
    command += ["--scheduler-cls", "tests.engine.burning_scheduler.BurningScheduler"]
    environment = {**figure_environment(engine.pin), **ENVIRONMENT, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    facts: dict[str, Any] = {
        "parameters": case.parameters(),
        "engine": {"pin": engine.pin.name, "version": "0", "lock_sha256": "0", "patches_sha256": "0"},
        "model": {"name": model.name, "twin": True, "files_sha256": model.files_sha256},
        "node": {"id": "node-test"},
        "device": "cpu",
        "environment": {"OMP_NUM_THREADS": "1"},
    }
    job = AnatomyJob(
        stored=Repeats.of(root, "node-test", STUDY, "burning", {"what": "a test"}),
        repeat=1,
        facts=facts,
        wanted=lambda log: WantedServer(tuple(command), port, environment, root / "caches", log),
        levels=[
            LevelJob(level, warm_rows(level, setting.prompts), level_rows(level, setting.prompts, 1))
            for level in LEVEL_LOADS
        ],
        workers=1,
        sampling=Sampling(0.2, 0.5, 0),
        timeout_s=120,
        limits=figure.timeout_s,
    )
    folder = make_anatomy_run(job, print)
    found = read_anatomy_run(folder)
    assert found.facts.status == OK, (found.facts.reason, (folder / "server.log").read_text()[-2000:])
    return found


@pytest.fixture(scope="module")
def rows(run: AnatomyRun) -> dict[str, list[tuple[Any, ...]]]:
    return split_rows([run])


def metrics(rows: dict[str, list[tuple[Any, ...]]], concurrency: int) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in cells_of(LEVELS, rows[LEVELS.name], concurrency=concurrency)}


@pytest.mark.parametrize("concurrency", [1, 8])
def test_cpu_planted_into_the_scheduler_is_found_there_and_nowhere_else(
    rows: dict[str, list[tuple[Any, ...]]], concurrency: int
):
    steps = metrics(rows, concurrency)["steps"]
    found = cells_of(SHARES, rows[SHARES.name], concurrency=concurrency, definition="cpu", part="scheduling")
    seconds = {row["stage"]: row["seconds"] for row in found}
    # Calls that scheduled nothing burn, too; a step's own work is far below a millisecond.
    assert INSIDE_S * steps <= seconds["schedule"] <= (INSIDE_S + 0.001) * 1.1 * steps
    assert OUTSIDE_S * steps <= seconds["engine_loop"] <= (OUTSIDE_S + 0.001) * 1.1 * steps


@pytest.mark.parametrize("role", ["engine", "worker"])
def test_of_engine_core_and_worker_next_to_nothing_is_unattributed(rows: dict[str, list[tuple[Any, ...]]], role: str):
    found = cells_of(PROCESSES, rows[PROCESSES.name], role=role)
    assert len([row for row in found if row["metric"] == "attributed"]) == len(LEVEL_LOADS)
    assert all(row["value"] >= 0.98 for row in found if row["metric"] in ("attributed", "wall_covered"))


def test_hooks_and_the_event_loop_are_the_api_servers_whole_main_thread(rows: dict[str, list[tuple[Any, ...]]]):
    found = cells_of(PROCESSES, rows[PROCESSES.name], role="api")
    hooks = [row["value"] for row in found if row["metric"] == "attributed"]
    assert len(hooks) == len(LEVEL_LOADS)
    assert all(0.7 <= share <= 1.02 for share in hooks)


def test_every_request_is_followed_and_its_parts_are_its_latencies(
    run: AnatomyRun, rows: dict[str, list[tuple[Any, ...]]]
):
    for level in run.facts.levels:
        assert metrics(rows, level.concurrency)["not_followed"] == 0
        for record in run.clients_of(level):
            parts = cells_of(REQUESTS, rows[REQUESTS.name], concurrency=level.concurrency, request=record.request)
            ttft = sum(row["seconds"] for row in parts if row["metric"] == "ttft")
            assert ttft == pytest.approx(record.ttft_s, abs=1e-6)
