"""Simulations of a call: what a worker finished is stored, whoever ended it; what is stored is not made again.

The worker is a stand-in; the real one: tests/engine/test_routing_simulation.py.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from harness.engine.environment import Engine
from harness.errors import HarnessError, MeasurementFailed
from harness.measure import filling
from harness.measure import simulate as simulating
from harness.measure.simulate import SimulationJob, simulate
from harness.record.replay_making import Making
from harness.record.routing_tables import PREFIX, RANDOM, ROUND_ROBIN
from harness.record.simulated import REQUESTS, RESULT, Simulated, SimulationParameters, read_simulated
from harness.spec.pin import load_pin
from tests.record.test_simulated import write

PIN = "ray-2.60-vllm-0.32.0-cpu"


class Worker:
    """Makes every simulation that it is asked for, until something happens after so many."""

    def __init__(self, example: Path) -> None:
        self.example = example
        self.asked: list[str] = []
        self.after = -1
        self.happens: BaseException = HarnessError("simulating failed (exit 1, python): ValueError: no")
        self.damages: set[int] = set()

    def __call__(self, _python: Path, module: str, paths: tuple[Path, Path], *_: object, **__: object) -> None:
        assert module == simulating.WORKER
        result = asdict(read_simulated(self.example).facts.result)
        for number, asked in enumerate(json.loads(paths[0].read_text())["simulations"]):
            if number == self.after:
                raise self.happens
            self.asked.append(asked["strategy"])
            out = Path(asked["out"])
            out.mkdir()
            (out / RESULT).write_text(json.dumps(result | {"hits": 65 if number in self.damages else 64}))
            (out / REQUESTS.name).write_bytes((self.example / REQUESTS.name).read_bytes())


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    found = Worker(write(tmp_path / "example"))
    monkeypatch.setattr(simulating, "run_worker", found)
    monkeypatch.setattr(simulating, "installed", lambda engine: engine)
    return found


@pytest.fixture
def jobs(tmp_path: Path) -> list[SimulationJob]:
    (tmp_path / "tokens.jsonl").write_text("{}\n")
    found = [SimulationParameters(name, 2, 100, {}) for name in (PREFIX, RANDOM, ROUND_ROBIN)]
    return [SimulationJob(tmp_path / "tokens.jsonl", one) for one in found]


def call(jobs: list[SimulationJob], place: Path) -> list[Simulated]:
    return simulate(jobs, Engine(load_pin(PIN), place / "engine"), place / "runs", "node", 60)


def stored(place: Path) -> list[str]:
    """Readable names of the cases with a run, and of what else lies in the store."""
    runs = [path for path in (place / "runs").glob("*/*/*/*") if path.name != "case.json"]
    return sorted(path.parent.name.split("_")[0] + ("" if path.name == "1" else f" {path.name}") for path in runs)


def test_every_case_is_simulated_once_and_told_in_the_order_of_the_jobs(
    worker: Worker, jobs: list[SimulationJob], tmp_path: Path
) -> None:
    found = call([*jobs, jobs[0]], tmp_path)
    assert [each.facts.parameters.strategy for each in found] == [PREFIX, RANDOM, ROUND_ROBIN, PREFIX]
    assert worker.asked == [PREFIX, RANDOM, ROUND_ROBIN]
    assert call(jobs, tmp_path) == found[:3]
    assert len(worker.asked) == 3


def test_one_that_cannot_be_used_costs_no_other(worker: Worker, jobs: list[SimulationJob], tmp_path: Path) -> None:
    worker.damages = {0}
    with pytest.raises(MeasurementFailed, match=r"^a simulation cannot be used: .*; it was removed, repeat$"):
        call(jobs, tmp_path)
    assert stored(tmp_path) == [f"simulated-{RANDOM}", f"simulated-{ROUND_ROBIN}"]
    worker.damages = set()
    call(jobs, tmp_path)
    assert worker.asked == [PREFIX, RANDOM, ROUND_ROBIN, PREFIX]


def test_the_worker_s_own_error_is_told_although_what_it_left_cannot_be_used(
    worker: Worker, jobs: list[SimulationJob], tmp_path: Path
) -> None:
    worker.damages, worker.after = {0}, 2
    with pytest.raises(MeasurementFailed, match=r"^simulating failed \(exit 1, python\): ValueError: no$"):
        call(jobs, tmp_path)
    assert stored(tmp_path) == [f"simulated-{RANDOM}"]


def test_what_a_killed_call_had_finished_is_stored_by_the_next(
    worker: Worker, jobs: list[SimulationJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.after, worker.happens = 2, KeyboardInterrupt()
    with monkeypatch.context() as patch:  # a kill leaves no time for either
        patch.setattr(filling, "_put_in_place", lambda _: ([], None))
        patch.setattr(Making, "discard", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            call(jobs, tmp_path)
    worker.after = -1
    found: list[Any] = call(jobs, tmp_path)
    assert worker.asked == [PREFIX, RANDOM, ROUND_ROBIN]
    assert [each.facts.parameters.strategy for each in found] == [PREFIX, RANDOM, ROUND_ROBIN]
    assert len(stored(tmp_path)) == 3
