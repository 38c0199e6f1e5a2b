"""Simulate routers over replicas without a model: the worker under the serving engine's Python, a stored run for each.

One process makes all simulations of a call, because importing vLLM and Ray takes longer than most of them. A run
appears when it is whole (``harness/record/simulated.py``); none is overwritten, and what is stored is not made again,
nor what a call that was killed had finished.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.model_free.sources import REPLAYING, sources_sha256
from harness.engine.environment import Engine
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.filling import Filled, fill, put_in_place
from harness.measure.inherited import inherited
from harness.measure.replay import engine_record, installed
from harness.record.plain import printable
from harness.record.replay_making import Making
from harness.record.replay_rows import ReplayError
from harness.record.replay_store import StoredReplay
from harness.record.routing_tables import STRATEGIES, STUDY
from harness.record.simulated import (
    MOST_REPLICAS,
    RESULT,
    Simulated,
    SimulatedFacts,
    SimulationParameters,
    read_result,
    read_simulated,
)

WORKER = "experiments.prefix_routing.worker_simulate"
_WHAT = "a simulation"
_ROUTING = tuple(
    f"prefix_routing/worker_{name}.py"
    for name in ("decision_log", "replicas", "routers", "simul*", "tally", "virtual_clock")
)


@dataclass(frozen=True)
class SimulationJob:
    """One simulated run. ``load``: what the trace's tokens were made from; ``decisions``: followed, not decided.

    ``decisions`` is a JSON object: the request's place in the trace → the number of its replica.
    """

    trace: Path
    parameters: SimulationParameters
    load: Path | None = None
    decisions: Path | None = None

    @property
    def name(self) -> str:
        """Readable part of the case's name."""
        how = "followed-" if self.decisions is not None else ""
        return f"simulated-{how}{self.parameters.strategy}_{self.parameters.replicas}x{self.trace.stem}"

    def definition(self, engine: dict[str, Any]) -> dict[str, Any]:
        """Everything that decides what comes of it."""
        files = {name: _file(path) for name, path in self._files().items()}
        parameters = asdict(self.parameters)
        return {
            "study": STUDY,
            "simulated": parameters,
            **{name: None if file is None else file["sha256"] for name, file in files.items()},
            "engine": engine,
            "workers_sha256": sources_sha256((*REPLAYING, *_ROUTING)),
        }

    def request(self, out: Path) -> dict[str, Any]:
        """What the worker is asked to do."""
        files = {name: None if path is None else str(path.resolve()) for name, path in self._files().items()}
        return {**asdict(self.parameters), **files, "out": str(out.resolve())}

    def facts(self, making: Making, engine: dict[str, Any]) -> SimulatedFacts:
        """simulated.json of what the worker finished. Raises ReplayError."""
        trace = _file(self.trace)
        assert trace is not None
        result = read_result(making.working / RESULT)
        return SimulatedFacts(
            **making.begun(),
            parameters=self.parameters,
            trace=trace,
            load=_file(self.load),
            decisions=_file(self.decisions),
            engine=engine,
            result=result,
        )

    def _files(self) -> dict[str, Path | None]:
        return {"trace": self.trace, "load": self.load, "decisions": self.decisions}


def simulate(jobs: Sequence[SimulationJob], engine: Engine, root: Path, node: str, limit_s: float) -> list[Simulated]:
    """The simulated runs, in the order of the jobs: those that are stored below ``root``, the others made.

    Raises:
        HarnessError: a parameter that cannot be, a file that is not there, the engine is not installed, or a stored
            run is damaged (says what to remove).
        MeasurementFailed: the worker failed (its last line is quoted), took longer than ``limit_s``, or left something
            that contradicts itself; what else was finished is stored.
    """
    for job in jobs:
        check_simulation(job)
    record = engine_record(installed(engine))
    places = []
    wanted: dict[Path, tuple[Filled[SimulatedFacts], SimulationJob]] = {}
    for job in jobs:
        definition = job.definition(record)
        stored = StoredReplay.of(root, node, STUDY, job.name, definition)
        stored.define(definition)
        places.append(stored)
        wanted[stored.run] = _filled(stored, job, record), job
    put_in_place([folder for folder, _ in wanted.values()], _WHAT)
    todo = [(folder, job) for run, (folder, job) in wanted.items() if not run.is_dir()]
    if todo:
        asked = [job.request(folder.making.working) for folder, job in todo]
        fill([folder for folder, _ in todo], lambda: _run(asked, engine, limit_s), _WHAT)
    with _told():
        return [read_simulated(stored.run) for stored in places]


def check_simulation(job: SimulationJob) -> None:
    """Raises HarnessError: a parameter that no simulation can have, or a file that is not there."""
    one = job.parameters
    if one.strategy not in STRATEGIES:
        raise HarnessError(f"strategy '{printable(one.strategy, 60)}': it is one of {', '.join(STRATEGIES)}")
    if not 1 <= one.replicas <= MOST_REPLICAS:
        raise HarnessError(f"{one.replicas} replicas: from 1 to {MOST_REPLICAS}")
    if one.num_blocks < 2:
        raise HarnessError(f"{one.num_blocks} blocks: at least 2 (vLLM keeps one for itself)")
    for name in ("block_size", "max_num_seqs", "max_num_batched_tokens", "max_ongoing_requests", "max_concurrency"):
        value = getattr(one, name)
        if value is not None and value < 1:
            raise HarnessError(f"{name} {value}: at least 1")
    for path in (job.trace, job.load, job.decisions):
        if path is not None and not path.is_file():
            raise HarnessError(f"{path}: there is no such file to simulate; give another")


def _filled(stored: StoredReplay, job: SimulationJob, record: dict[str, Any]) -> Filled[SimulatedFacts]:
    return Filled(Making(stored.run, read_simulated, RESULT), lambda making: job.facts(making, record))


def _run(asked: list[dict[str, Any]], engine: Engine, limit_s: float) -> None:
    with tempfile.TemporaryDirectory(prefix="simulate-") as folder:
        request, result = Path(folder) / "request.json", Path(folder) / "result.json"
        request.write_text(json.dumps({"simulations": asked}), encoding="utf-8")
        try:
            files, environment = (request, result), engine.pin.environment
            run_worker(engine.python, WORKER, files, environment, "simulating", limit_s, inherited=inherited())
        except HarnessError as error:
            raise MeasurementFailed(str(error)) from None


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with the store, as one line."""
    try:
        yield
    except ReplayError as error:
        raise HarnessError(f"{error}; remove that folder and repeat") from None


def _file(path: Path | None) -> dict[str, Any] | None:
    """A file's name and hash."""
    if path is None:
        return None
    with path.open("rb") as file:
        return {"file": printable(path.name, 300), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
