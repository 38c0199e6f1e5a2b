"""Replay traces: the worker under the pinned engine's Python, then a replay folder for each.

One process replays all jobs of a call, because importing vLLM takes longer than most replays. What it leaves is
completed here (replay.json) under a hidden name; a folder appears when it is whole, and none is overwritten. So what a
worker had finished before it was killed is kept, whoever killed it, and only the replay in progress is made again.
"""

import json
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness.engine.environment import Engine, engine_of
from harness.engine.patch_set import patches_sha256
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.filling import Filled, fill
from harness.measure.filling import put_in_place as finished
from harness.measure.inherited import inherited
from harness.measure.replay_job import Job
from harness.record.replay import ReplayFacts
from harness.record.replay_making import Making
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.workspace import Workspace

WORKER = "experiments.model_free.worker_replay"
VLLM = "0.32.0"  # whose scheduler the worker builds and whose loop it restates
_WHAT = "a replay"
TIME_LIMIT_S = 7 * 24 * 3600.0


def replay_engine(pin: str | None, workspace: Workspace) -> Engine:
    """The engine that replays: the CPU pin's if none is named, whatever GPUs there are. No model, no GPU is used.

    Raises:
        HarnessError: unknown, of another vLLM than the worker is written for, or not installed.
    """
    engine = engine_of(load_pin(pin or DEFAULT_CPU_PIN), workspace)
    if engine.pin.vllm_version != VLLM:
        what = f"replays are written for the scheduler of vLLM {VLLM}, this is {engine.pin.vllm_version}"
        raise HarnessError(f"--engine {engine.pin.name}: {what}; leave --engine and HARNESS_ENGINE out")
    return installed(engine)


def installed(engine: Engine) -> Engine:
    """The engine, whose environment is there. Raises HarnessError: it is not; says how to install it."""
    if not engine.is_complete:
        how = f"python3 harness engines install --pin {engine.pin.name}"
        raise HarnessError(f"engine {engine.pin.name} is not installed; install it with: {how}")
    return engine


def run_replays(
    jobs: Sequence[Job],
    folders: Sequence[Path],
    engine: Engine,
    limit_s: float = TIME_LIMIT_S,
    processes: int = 1,
) -> list[ReplayFacts]:
    """Replay every job into its folder, which is made. Those that were finished stay if a later one fails.

    ``processes``: replays that are made at once; how fast one is then says nothing.

    Raises:
        HarnessError: a folder exists.
        MeasurementFailed: the worker failed (its last line is quoted), took longer than ``limit_s``, or left something
            that contradicts itself.
    """
    for folder in folders:
        if folder.exists():
            raise HarnessError(f"{folder} exists already; replays are not overwritten")
    filled = _filled(jobs, folders, engine)
    return fill(filled, lambda: _run(jobs, [each.making for each in filled], engine, limit_s, processes), _WHAT)


def put_in_place(jobs: Sequence[Job], folders: Sequence[Path], engine: Engine) -> list[ReplayFacts]:
    """Complete and rename what a worker finished of these in a call that was killed; returns their facts.

    Raises:
        MeasurementFailed: a replay contradicts itself (it is named); the others are in place.
    """
    return finished(_filled(jobs, folders, engine), _WHAT)


def _filled(jobs: Sequence[Job], folders: Sequence[Path], engine: Engine) -> list[Filled[ReplayFacts]]:
    pairs = zip(jobs, folders, strict=True)
    return [Filled(Making(folder), partial(_facts, job, engine)) for job, folder in pairs]


def _run(jobs: Sequence[Job], making: Sequence[Making], engine: Engine, limit_s: float, processes: int) -> None:
    replays = [job.request(each.working.resolve()) for job, each in zip(jobs, making, strict=True)]
    asked = {"replays": replays, "processes": processes}
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        request, result = Path(folder) / "request.json", Path(folder) / "result.json"
        request.write_text(json.dumps(asked), encoding="utf-8")
        try:
            files, environment = (request, result), engine.pin.environment
            run_worker(engine.python, WORKER, files, environment, "replaying", limit_s, inherited=inherited())
        except HarnessError as error:
            raise MeasurementFailed(str(error)) from None


def _facts(job: Job, engine: Engine, making: Making) -> ReplayFacts:
    return ReplayFacts(
        **making.begun(),
        parameters=job.parameters,
        trace=job.trace_record(),
        tokenizer=job.tokenizer,
        model=job.model,
        engine=engine_record(engine),
        counters=making.counters(),
    )


def engine_record(engine: Engine) -> dict[str, Any]:
    """Which engine replayed."""
    pin = engine.pin
    reused = {"reused": engine.reused} if engine.reused else {}
    return {"pin": pin.name, "version": pin.vllm_version, "lock_sha256": pin.lock_sha256, **reused}


def patched_engine_record(engine: Engine) -> dict[str, Any]:
    """The same with its patch set: what of the engine defines a case."""
    return {**engine_record(engine), "patches_sha256": patches_sha256(engine.pin)}
