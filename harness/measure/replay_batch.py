"""Replays of the run store, batch by batch: what is stored is not made again, and what is done is kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.engine.environment import Engine
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.replay import put_in_place, run_replays
from harness.measure.replay_job import Job
from harness.record.replay_rows import ReplayError
from harness.record.replay_store import StoredReplay


@dataclass(frozen=True)
class WantedReplay:
    """One replay, and where it belongs."""

    stored: StoredReplay
    definition: dict[str, Any]
    job: Job


def missing(wanted: Sequence[WantedReplay], engine: Engine) -> list[WantedReplay]:
    """Those that are not stored. What a killed call had finished is put in place first.

    Raises:
        MeasurementFailed: it contradicts itself (it is named).
    """
    put_in_place([each.job for each in wanted], [each.stored.run for each in wanted], engine)
    return [each for each in wanted if not each.stored.is_there]


def batches(wanted: Sequence[WantedReplay], largest: int) -> Iterator[list[WantedReplay]]:
    """At most so many at once, in their order: what is done is told, and kept, batch by batch."""
    for begin in range(0, len(wanted), largest):
        yield list(wanted[begin : begin + largest])


def make_replays(wanted: Sequence[WantedReplay], engine: Engine, limit_s: float, processes: int = 1) -> None:
    """Make these replays with one worker, ``processes`` at once.

    Raises:
        HarnessError: a case's folder is of another case.
        MeasurementFailed: the worker failed, or took longer than ``limit_s``; what it had finished before is stored.
    """
    try:
        for each in wanted:
            each.stored.define(each.definition)
        run_replays([each.job for each in wanted], [each.stored.run for each in wanted], engine, limit_s, processes)
    except ReplayError as error:
        raise HarnessError(str(error)) from None
    except MeasurementFailed as error:
        finished = sum(each.stored.is_there for each in wanted)
        left = len(wanted) - finished
        raise MeasurementFailed(f"{error}; {finished} replays of {len(wanted)} are stored, {left} are not") from None
