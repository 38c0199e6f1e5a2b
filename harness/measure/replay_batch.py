"""Replays made in turn by one worker, each put into the store: importing vLLM takes longer than most replays."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.engine.environment import Engine
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.provenance import harness_facts
from harness.measure.replay import WORKER, engine_record
from harness.measure.replay_job import Job
from harness.record.replay import ReplayFacts
from harness.record.replay_rows import ReplayError
from harness.record.replay_store import StoredReplay


@dataclass(frozen=True)
class WantedReplay:
    """One replay, and where it belongs."""

    stored: StoredReplay
    definition: dict[str, Any]
    job: Job


def missing(wanted: Sequence[WantedReplay], engine: Engine) -> list[WantedReplay]:
    """Those that are not stored. What a killed call had finished is put in place first."""
    put_in_place(wanted, engine)
    return [each for each in wanted if not each.stored.is_there]


def batches(wanted: Sequence[WantedReplay], largest: int) -> Iterator[list[WantedReplay]]:
    """At most so many at once, in their order: what is done is told, and kept, batch by batch."""
    for begin in range(0, len(wanted), largest):
        yield list(wanted[begin : begin + largest])


def make_replays(wanted: Sequence[WantedReplay], engine: Engine, limit_s: float) -> None:
    """Make these replays with one worker, and put them in place.

    Raises:
        MeasurementFailed: the worker failed; what it had finished before is stored.
        HarnessError: it took longer than ``limit_s``, or left something that contradicts itself.
    """
    requests = [each.job.request(each.stored.begin(each.definition).resolve()) for each in wanted]
    with tempfile.TemporaryDirectory(prefix="replays-") as folder:
        asked, done = Path(folder) / "request.json", Path(folder) / "result.json"
        asked.write_text(json.dumps({"replays": requests}), encoding="utf-8")
        try:
            run_worker(engine.python, WORKER, (asked, done), engine.pin.environment, "replaying", limit_s)
        except HarnessError as error:
            finished = put_in_place(wanted, engine)
            left = len(wanted) - finished
            raise MeasurementFailed(
                f"{error}; {finished} replays of {len(wanted)} are stored, {left} are not"
            ) from None
        except KeyboardInterrupt:
            with suppress(HarnessError):
                put_in_place(wanted, engine)
            raise
    put_in_place(wanted, engine)


def put_in_place(wanted: Sequence[WantedReplay], engine: Engine) -> int:
    """Check and rename what a worker finished of these; returns how many of them are stored now.

    Raises:
        HarnessError: a replay contradicts itself (it is named).
    """
    for each in wanted:
        if each.stored.is_finished and not each.stored.is_there:
            try:
                each.stored.close(_facts(each.job, each.stored, engine))
            except ReplayError as error:
                raise HarnessError(f"{error}; remove that folder and repeat") from None
    return sum(each.stored.is_there for each in wanted)


def _facts(job: Job, stored: StoredReplay, engine: Engine) -> ReplayFacts:
    return ReplayFacts(
        started_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        parameters=job.parameters,
        trace=job.trace_record(),
        tokenizer=job.tokenizer,
        model=job.model,
        engine=engine_record(engine),
        harness=harness_facts(),
        counters=stored.counters(),
    )
