"""Replay traces: the worker under the pinned engine's Python, then a replay folder for each.

One process replays all jobs of a call, because importing vLLM takes longer than most replays. What it leaves is
completed here (replay.json) under a hidden name; a folder appears when it is whole, and none is overwritten.
"""

import contextlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.engine.environment import Engine, engine_of
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.provenance import harness_facts
from harness.measure.replay_job import Job
from harness.record.replay import ReplayError, ReplayFacts, read_counters
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.workspace import Workspace

WORKER = "experiments.model_free.worker_replay"
VLLM = "0.32.0"  # whose scheduler the worker builds and whose loop it restates
TIME_LIMIT_S = 7 * 24 * 3600.0
_COUNTERS = "counters.json"


def replay_engine(pin: str | None, workspace: Workspace) -> Engine:
    """The engine that replays: the CPU pin's if none is named, whatever GPUs there are. No model, no GPU is used.

    Raises:
        HarnessError: unknown, of another vLLM than the worker is written for, or not installed.
    """
    engine = engine_of(load_pin(pin or DEFAULT_CPU_PIN), workspace)
    if engine.pin.vllm_version != VLLM:
        what = f"replays are written for the scheduler of vLLM {VLLM}, this is {engine.pin.vllm_version}"
        raise HarnessError(f"--engine {engine.pin.name}: {what}; leave --engine and HARNESS_ENGINE out")
    if not engine.is_complete:
        how = f"python -m harness engines install --pin {engine.pin.name}"
        raise HarnessError(f"engine {engine.pin.name} is not installed; install it with: {how}")
    return engine


def run_replays(jobs: Sequence[Job], folders: Sequence[Path], engine: Engine) -> list[ReplayFacts]:
    """Replay every job into its folder, which is made. Those that were finished stay if a later one fails.

    Raises:
        HarnessError: a folder exists or cannot be made.
        MeasurementFailed: the worker failed (its last line is quoted).
    """
    for folder in folders:
        if folder.exists():
            raise HarnessError(f"{folder} exists already; replays are not overwritten")
        folder.parent.mkdir(parents=True, exist_ok=True)
    making = [folder.with_name(f".{folder.name}.making-{uuid.uuid4().hex[:8]}") for folder in folders]
    started = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    facts: list[ReplayFacts] = []
    try:
        try:
            _run(jobs, making, engine)
        finally:
            for job, made, folder in zip(jobs, making, folders, strict=True):
                if (made / _COUNTERS).is_file():
                    facts.append(_complete(job, made, engine, started))
                    made.rename(folder)
    finally:
        for made in making:
            for left in (made, *made.parent.glob(f".{made.name}.*")):  # the worker fills one under a name of its own
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(left)
    return facts


def _run(jobs: Sequence[Job], making: Sequence[Path], engine: Engine) -> None:
    asked = {"replays": [job.request(made) for job, made in zip(jobs, making, strict=True)]}
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        request, result = Path(folder) / "request.json", Path(folder) / "result.json"
        request.write_text(json.dumps(asked), encoding="utf-8")
        try:
            run_worker(engine.python, WORKER, (request, result), engine.pin.environment, "replaying", TIME_LIMIT_S)
        except HarnessError as error:
            raise MeasurementFailed(str(error)) from None


def _complete(job: Job, made: Path, engine: Engine, started: str) -> ReplayFacts:
    """Write the folder's replay.json, which takes the place of the worker's counters."""
    try:
        counters = read_counters(made / _COUNTERS)
    except ReplayError as error:
        raise MeasurementFailed(f"the replay of {job.trace.name} cannot be used: {error}") from None
    facts = ReplayFacts(
        started_at=started,
        parameters=job.parameters,
        trace=job.trace_record(),
        tokenizer=job.tokenizer,
        model=job.model,
        engine=engine_record(engine),
        harness=harness_facts(),
        counters=counters,
    )
    facts.write(made)
    (made / _COUNTERS).unlink()
    return facts


def engine_record(engine: Engine) -> dict[str, Any]:
    """Which engine replayed."""
    pin = engine.pin
    return {"pin": pin.name, "version": pin.vllm_version, "lock_sha256": pin.lock_sha256}
