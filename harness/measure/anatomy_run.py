"""One run of the anatomy study: start the server → each load level in a traced window → stop → its folder.

Whatever goes wrong on the way is a failed run that says where and why, and keeps the server's log. Ctrl-C leaves no
run, as ever; nothing that was started outlives it.
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.analyse.stages import API, ENGINE, WORKER
from harness.errors import MeasurementFailed
from harness.measure.load_process import LoadOfServer, send_load
from harness.measure.provenance import harness_facts, utc_now
from harness.measure.serving import Served, WantedServer, serving
from harness.measure.serving_trace import Sampling, ServingTracers
from harness.record.anatomy_run import CLIENT_FILE, TRACES, AnatomyFacts, Level, read_anatomy_run
from harness.record.anatomy_tables import FAILED, OK
from harness.record.load import LoadError, LoadRow, Sending
from harness.record.load_output import OK as ANSWERED
from harness.record.load_output import (
    ClientRecord,
    ClientSummary,
    read_records,
    read_summary,
    summary_path,
    write_records,
)
from harness.record.plain import printable
from harness.record.repeats import Repeats
from harness.record.serving_trace import AnatomyRunError
from harness.spec.anatomy import Limits, LoadLevel

MODEL_NAME = "m"  # as clients know it
_LONGEST_REASON = 300
_NO_RATE = float("inf")
_CLOCK_STEP_NS = 1_000_000


@dataclass(frozen=True)
class LevelJob:
    """A load level: what is sent before, unmeasured, and what is measured."""

    level: LoadLevel
    warm: Sequence[LoadRow]
    rows: Sequence[LoadRow]


@dataclass(frozen=True)
class AnatomyJob:
    """One run that is to be made. ``facts``: what of anatomy.json is known before."""

    stored: Repeats
    repeat: int
    facts: Mapping[str, Any]  # parameters, engine, model, node, device, environment
    wanted: Callable[[Path], WantedServer]  # with this log
    levels: Sequence[LevelJob]
    workers: int  # processes that are traced as such
    sampling: Sampling
    timeout_s: float  # of one request
    limits: Limits


def make_anatomy_run(job: AnatomyJob, announce: Callable[[str], None]) -> Path:
    """Make the run; returns its folder, which says whether it is ok.

    Raises:
        HarnessError: the port is taken; nothing was started.
    """
    working = job.stored.begin(job.repeat)
    run = _Run(job, working, announce)
    is_ok = False
    try:
        try:
            run.measure()
            run.facts(OK, None).write(working)
            read_anatomy_run(working)  # what cannot be read again is no run
            is_ok = True
        except (MeasurementFailed, AnatomyRunError, LoadError, OSError) as error:
            run.facts(FAILED, printable(str(error), _LONGEST_REASON)).write(working)
    except BaseException:  # the port is taken, or Ctrl-C: there is no run
        shutil.rmtree(working, ignore_errors=True)
        raise
    return job.stored.close(job.repeat, working, is_ok)


class _Run:
    """What is known of the run so far."""

    def __init__(self, job: AnatomyJob, working: Path, announce: Callable[[str], None]) -> None:
        self.job, self.working, self.announce = job, working, announce
        self.started = utc_now()
        self.stage = "start"
        self.raw = working / "raw"
        self.ready_s: float | None = None
        self.levels: list[Level] = []
        self.clients: list[ClientRecord] = []

    def measure(self) -> None:
        """Serve and send. Raises MeasurementFailed, HarnessError."""
        job, limits = self.job, self.job.limits
        self.raw.mkdir()
        whole = limits.ready + 2 * len(job.levels) * limits.level + limits.stop
        with serving(job.wanted(self.working / "server.log"), limits.ready, whole) as served:
            self.ready_s = served.ready_s
            self.announce(f"the server answers after {served.ready_s:.0f} s")
            self.stage = "trace"
            roles = {API: 1, ENGINE: 1, **({WORKER: job.workers} if job.workers else {})}
            with ServingTracers.of(served.traces, roles) as tracers:
                for each in job.levels:
                    self.stage = each.level.id
                    self._level(each, served, tracers)
            for path in served.traces.glob(TRACES):
                shutil.copyfile(path, self.working / path.name)
            self.stage = "stop"
        self.stage = "record"
        write_records(self.working / CLIENT_FILE, self.clients)
        shutil.rmtree(self.raw)

    def _level(self, each: LevelJob, served: Served, tracers: ServingTracers) -> None:
        level = each.level
        place = Place(self.raw, self.job.timeout_s, self.job.limits.level)
        send_rows(each.warm, level.concurrency, f"warm{level.concurrency}", served, place)
        offset_ns = wall_minus_monotonic_ns()
        sampling = replace(self.job.sampling, seed=self.job.sampling.seed + level.concurrency)
        with tracers.window(level.id, sampling):
            records, summary = send_rows(each.rows, level.concurrency, level.id, served, place)
        if abs(wall_minus_monotonic_ns() - offset_ns) > _CLOCK_STEP_NS:
            raise MeasurementFailed("the machine's wall clock was set meanwhile: the client's times cannot be placed")
        begin_s = summary.begin_at
        ends = [record.ended_s for record in records]
        self.levels.append(
            Level(
                id=level.id,
                concurrency=level.concurrency,
                begin_ns=round((begin_s + min(record.sent_s for record in records)) * 1e9) - offset_ns,
                end_ns=round((begin_s + max(ends)) * 1e9) - offset_ns,
                wall_minus_monotonic_ns=offset_ns,
                client=summary.document(),
            )
        )
        self.clients += [replace(record, phase=level.id) for record in records]
        speed = sum(record.output_tokens for record in records) / summary.wall_s
        self.announce(f"concurrency {level.concurrency}: {len(records)} requests, {speed:.0f} tokens/s")

    def facts(self, status: str, reason: str | None) -> AnatomyFacts:
        """anatomy.json, as far as the run came."""
        return AnatomyFacts(
            **self.job.facts,
            case=self.job.stored.case,
            run=self.job.repeat,
            status=status,
            failed_in=None if status == OK else self.stage,
            reason=reason,
            started_at=self.started,
            harness=harness_facts(),
            ready_s=self.ready_s,
            levels=self.levels,
        )


def wall_minus_monotonic_ns() -> int:
    """How far apart the clocks are: of several readings the one that was interrupted least."""
    readings = []
    for _ in range(9):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        readings.append((after - before, wall - (before + after) // 2))
    return min(readings)[1]


@dataclass(frozen=True)
class Place:
    """Where a load's files lie, and how long one request and the whole load may take."""

    folder: Path
    request_s: float
    load_s: float


def send_rows(
    rows: Sequence[LoadRow], concurrency: int, prefix: str, served: Served, place: Place
) -> tuple[list[ClientRecord], ClientSummary]:
    """Send the requests in a closed loop, by a client of its own; what it saw of each, and of them all.

    Raises:
        MeasurementFailed: the server ended, it took too long, or a request was not answered as it was asked.
    """
    load, output = place.folder / f"{prefix}-load.jsonl", place.folder / f"{prefix}.jsonl"
    load.write_text("".join(json.dumps(row.document()) + "\n" for row in rows), encoding="utf-8")
    sending = Sending(request_rate=_NO_RATE, max_concurrency=concurrency, seed=0, timeout_s=place.request_s)
    asked = LoadOfServer(served.url, MODEL_NAME, load, sending, prefix, output, place.folder / "client.log")
    send_load(asked, lambda is_over: served.wait(is_over, place.load_s, f"the load of concurrency {concurrency}"))
    records = read_records(output)
    _refuse_incomplete(records, rows)
    return records, read_summary(summary_path(output))


def _refuse_incomplete(records: Sequence[ClientRecord], rows: Sequence[LoadRow]) -> None:
    """Raise MeasurementFailed if a request was not answered with as many tokens as were asked for."""
    if len(records) != len(rows):
        raise MeasurementFailed(f"the client tells of {len(records)} requests, {len(rows)} were to be sent")
    for record, row in zip(records, rows, strict=True):
        if record.status != ANSWERED:
            raise MeasurementFailed(f"request {record.request_id} {record.status}: {record.error}")
        if record.output_tokens != row.output_tokens:
            what = f"{record.output_tokens} tokens, {row.output_tokens} were asked for"
            raise MeasurementFailed(f"request {record.request_id} was answered with {what}")
