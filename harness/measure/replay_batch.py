"""Replays made in turn by one worker, each put into the store: importing vLLM takes longer than most replays."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.engine.environment import Engine
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.provenance import harness_facts
from harness.record.replay import Parameters, ReplayFacts
from harness.record.replay_rows import ReplayError
from harness.record.replay_store import StoredReplay
from harness.traces.check import TraceFacts

WORKER = "experiments.model_free.worker_replay"


@dataclass(frozen=True)
class WantedReplay:
    """One replay, and where it belongs."""

    stored: StoredReplay
    definition: dict[str, Any]
    trace: Path
    facts: TraceFacts
    parameters: Parameters
    tokenizer: dict[str, Any] | None
    engine: dict[str, Any]  # pin, version, lock_sha256


def missing(wanted: Sequence[WantedReplay]) -> list[WantedReplay]:
    """Those that are not stored. What a killed call had finished is put in place first."""
    put_in_place(wanted)
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
    requests = [_request(each, each.stored.begin(each.definition)) for each in wanted]
    with tempfile.TemporaryDirectory(prefix="replays-") as folder:
        asked, done = Path(folder) / "request.json", Path(folder) / "result.json"
        asked.write_text(json.dumps({"replays": requests}), encoding="utf-8")
        try:
            run_worker(engine.python, WORKER, (asked, done), {"PYTHONDONTWRITEBYTECODE": "1"}, "replaying", limit_s)
        except HarnessError as error:
            finished = put_in_place(wanted)
            left = len(wanted) - finished
            raise MeasurementFailed(
                f"{error}; {finished} replays of {len(wanted)} are stored, {left} are not"
            ) from None
        except KeyboardInterrupt:
            with suppress(HarnessError):
                put_in_place(wanted)
            raise
    put_in_place(wanted)


def put_in_place(wanted: Sequence[WantedReplay]) -> int:
    """Check and rename what a worker finished of these; returns how many of them are stored now.

    Raises:
        HarnessError: a replay contradicts itself (it is named).
    """
    for each in wanted:
        if each.stored.is_finished and not each.stored.is_there:
            try:
                each.stored.close(_facts(each))
            except ReplayError as error:
                raise HarnessError(f"{error}; remove that folder and repeat") from None
    return sum(each.stored.is_there for each in wanted)


def _request(wanted: WantedReplay, out: Path) -> dict[str, Any]:
    """What the worker is asked for. An unlimited cache has a block for everything that is ever computed."""
    given = asdict(wanted.parameters)
    blocks = wanted.parameters.num_blocks
    return {
        **given,
        "trace": str(wanted.trace.resolve()),
        "out": str(out.resolve()),
        "num_blocks": unlimited_blocks(wanted) if blocks is None else blocks,
        "max_model_len": max(2, wanted.facts.max_tokens + 1),
        "events": False,
        "steps": False,
    }


def unlimited_blocks(wanted: WantedReplay) -> int:
    """Blocks that are never too few for the trace: each of every request's, one to spare, and vLLM's null block."""
    size = wanted.parameters.block_size
    # Rounded up for each request: no smaller than the sum of its own roundings.
    tokens = wanted.facts.prompt_tokens + wanted.facts.output_tokens
    return -(-tokens // size) + wanted.facts.requests + 2


def _facts(wanted: WantedReplay) -> ReplayFacts:
    trace = {"file": wanted.trace.name, **asdict(wanted.facts)}
    return ReplayFacts(
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        parameters=wanted.parameters,
        trace=trace,
        tokenizer=wanted.tokenizer,
        model=None,
        engine=wanted.engine,
        harness=harness_facts(),
        counters=wanted.stored.counters(),
    )
