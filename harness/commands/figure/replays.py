"""The replays that a study's figure is made of: with which engine, where they are stored, those that are missing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.engine.environment import Engine
from harness.errors import HarnessError
from harness.measure.replay import VLLM, patched_engine_record
from harness.measure.replay_batch import WantedReplay, batches, make_replays, missing
from harness.measure.replay_job import make_job
from harness.progress import say
from harness.record.replay import Parameters, Replay, read_replay
from harness.record.replay_rows import ReplayError
from harness.record.replay_store import StoredReplay
from harness.spec.pin import Pin, load_pin
from harness.traces.check import TraceFacts
from harness.workspace import Workspace


class ReplayPoint(Protocol):
    """One replay of a study's grid."""

    @property
    def name(self) -> str:
        """Readable part of the case's name."""

    @property
    def trace(self) -> Path:
        """What is replayed."""

    @property
    def facts(self) -> TraceFacts:
        """Of the trace, at the parameters' block size."""

    @property
    def parameters(self) -> Parameters:
        """How it is replayed."""

    def definition(self, engine: dict[str, Any]) -> dict[str, Any]:
        """Everything that decides what the replay gives; ``engine``: pin, version, lock and patches."""


@dataclass(frozen=True)
class StudyReplays:
    """A study's replays on this node. ``at_once``: how many are made side by side; ``batch``: by one worker."""

    study: str
    engine: Engine
    node: str
    limit_s: float  # of one worker
    workspace: Workspace
    batch: int = 40
    at_once: int = 1

    def wanted(self, points: Sequence[ReplayPoint], events: bool = False) -> list[WantedReplay]:
        """Where each replay belongs; ``events``: that with an event log. Raises HarnessError, as ``make_job``."""
        engine = patched_engine_record(self.engine)
        return [self._wanted(point, engine, events) for point in points]

    def make(self, wanted: Sequence[WantedReplay]) -> int:
        """Make those that are not stored; returns how many.

        Raises:
            HarnessError, MeasurementFailed: as ``make_replays``; what was finished before is stored.
        """
        todo = missing(wanted, self.engine)
        say(f"{len(wanted)} replays, {len(wanted) - len(todo)} of them stored")
        done = 0
        for batch in batches(todo, self.batch):
            say(f"replays {done + 1} to {done + len(batch)} of {len(todo)}: {batch[0].stored.case} …")
            make_replays(batch, self.engine, self.limit_s, self.at_once)
            done += len(batch)
        return len(todo)

    def _wanted(self, point: ReplayPoint, engine: dict[str, Any], events: bool) -> WantedReplay:
        definition = point.definition(engine)
        definition |= {"events": True} if events else {}
        stored = StoredReplay.of(self.workspace.runs, self.node, self.study, point.name, definition)
        return WantedReplay(
            stored, definition, make_job(point.trace, point.parameters, events=events, facts=point.facts)
        )


def stored_replays(wanted: Sequence[WantedReplay]) -> Iterator[Replay]:
    """What is stored of each, one at a time. Raises HarnessError: one is damaged; says what to remove."""
    for each in wanted:
        try:
            yield read_replay(each.stored.run)
        except ReplayError as error:
            raise HarnessError(f"{error}; remove {each.stored.folder} and repeat") from None


def replaying_pin(typed: str | None, figure: str, declared: str) -> Pin:
    """The engine whose scheduler is used: any build of the version that the model-free scheduler is written for.

    Raises:
        HarnessError: unknown, or of another version.
    """
    pin = load_pin(typed or declared)
    if pin.vllm_version != VLLM:
        what = f"drives the scheduler of vLLM {VLLM}, engine {pin.name} has {pin.vllm_version}"
        raise HarnessError(f"figure {figure} {what}; leave --engine out")
    return pin
