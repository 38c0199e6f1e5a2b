"""Points on a real engine: the worker under the pinned engine's Python, then a folder for each.

One engine serves all points of a call that agree in its configuration, because a start takes longer than most points.
As with replays, a folder appears when it is whole, none is overwritten, what a worker had finished before it was killed
is kept, and only the point in progress is made again.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.filling import Filled, fill, put_in_place
from harness.measure.inherited import inherited
from harness.measure.real_job import RealJob
from harness.measure.replay import engine_record
from harness.record.real_point import COUNTED, RealEngine, RealFacts, read_counted, read_real_point
from harness.record.replay import json_object
from harness.record.replay_making import Making
from harness.record.replay_rows import ReplayError
from harness.record.replay_store import StoredReplay

WORKER = "experiments.kv_headroom.worker_real_points"
_WHAT = "a point"


@dataclass(frozen=True)
class WantedPoint:
    """One point, and where it belongs: ``stored.run`` becomes a folder of ``harness/record/real_point.py``."""

    stored: StoredReplay
    definition: dict[str, Any]
    job: RealJob

    @property
    def environment(self) -> dict[str, str]:
        """Of the engine's process, beside what it inherits: part of the definition."""
        return dict(self.definition["environment"])

    @property
    def engine_wanted(self) -> tuple[RealEngine, dict[str, str]]:
        """Points that agree in this can share an engine."""
        return self.job.parameters.engine, self.environment


def missing_points(wanted: Sequence[WantedPoint], model: ModelFiles, engine: Engine) -> list[WantedPoint]:
    """Those that are not stored. What a killed call had finished is put in place first.

    Raises:
        MeasurementFailed: it contradicts itself (it is named).
    """
    put_in_place(_filled(wanted, model, engine), _WHAT)
    return [each for each in wanted if not each.stored.is_there]


def make_points(wanted: Sequence[WantedPoint], model: ModelFiles, engine: Engine, limit_s: float) -> None:
    """Make these points, which share an engine's configuration, one after the other on one engine.

    Raises:
        HarnessError: their engines are configured differently, the model has a shorter context, a point is there
            already, or a case's folder is of another case.
        MeasurementFailed: the worker failed (its last line is quoted) or took longer than ``limit_s``; what it had
            finished before is stored.
    """
    first, *others = wanted
    if any(each.engine_wanted != first.engine_wanted for each in others):
        raise HarnessError("points of one call share an engine; give each configuration a call of its own")
    _check_context(first.job.parameters.engine, model)
    for each in wanted:
        if each.stored.is_there:
            raise HarnessError(f"{each.stored.run} exists already; points are not overwritten")
    try:
        for each in wanted:
            each.stored.define(each.definition)
        fill(_filled(wanted, model, engine), lambda: _run(wanted, model, engine, limit_s), _WHAT)
    except ReplayError as error:
        raise HarnessError(str(error)) from None
    except MeasurementFailed as error:
        finished = sum(each.stored.is_there for each in wanted)
        left = len(wanted) - finished
        raise MeasurementFailed(f"{error}; {finished} points of {len(wanted)} are stored, {left} are not") from None


def _check_context(engine: RealEngine, model: ModelFiles) -> None:
    """vLLM refuses a context that the model was not made for; its message is a page long."""
    try:
        longest = json_object(model.path / "config.json").get("max_position_embeddings")
    except ReplayError as error:
        raise HarnessError(str(error)) from None
    if isinstance(longest, int) and engine.max_model_len > longest:
        what = f"max_model_len {engine.max_model_len}: {model.name} takes {longest} tokens"
        raise HarnessError(f"{what}; leave longer requests out")


def _making(wanted: WantedPoint) -> Making:
    return Making(wanted.stored.run, read_real_point, COUNTED)


def _run(wanted: Sequence[WantedPoint], model: ModelFiles, engine: Engine, limit_s: float) -> None:
    asked = {
        "model": str(model.path.resolve()),
        "engine": asdict(wanted[0].job.parameters.engine),
        "points": [each.job.request(_making(each).working.resolve()) for each in wanted],
    }
    with tempfile.TemporaryDirectory(prefix="points-") as folder:
        request, result = Path(folder) / "request.json", Path(folder) / "result.json"
        request.write_text(json.dumps(asked), encoding="utf-8")
        try:
            run_worker(
                engine.python,
                WORKER,
                (request, result),
                wanted[0].environment,
                "serving points",
                limit_s,
                inherited=inherited(),
            )
        except HarnessError as error:
            raise MeasurementFailed(str(error)) from None


def _filled(wanted: Sequence[WantedPoint], model: ModelFiles, engine: Engine) -> list[Filled[RealFacts]]:
    return [Filled(_making(each), partial(_facts, each, model, engine)) for each in wanted]


def _facts(wanted: WantedPoint, model: ModelFiles, engine: Engine, making: Making) -> RealFacts:
    """Of what a worker finished. Raises ReplayError."""
    counters, seconds = read_counted(making.working)
    return RealFacts(
        **making.begun(),
        parameters=wanted.job.parameters,
        trace=wanted.job.trace_record(),
        model=model.record,
        engine=engine_record(engine),
        counters=counters,
        seconds=seconds,
    )
