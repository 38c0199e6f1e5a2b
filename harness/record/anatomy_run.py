"""A run of the anatomy study: one server, each load level once.

    anatomy.json                 ``AnatomyFacts``
    client.jsonl                 what the client saw (``load_output.ClientRecord``); ``phase`` is the level's id
    serving-<role>-<pid>.jsonl   what the tracer wrote of each process (``serving_trace.py``)
    server.log                   what the server said

An ok run has all of them; of a failed one only anatomy.json is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.record.anatomy_tables import CPU, CUDA, FAILED, OK, STUDY
from harness.record.load import LoadError
from harness.record.load_output import ClientRecord, ClientSummary, read_records, summary_of
from harness.record.serving_trace import API, ENGINE, WORKER, AnatomyRunError, ServingTrace, read_serving_trace
from harness.record.versioned import check_fields, read_versioned, texts_are_names, types_of, write_facts

# 1 (2026-11-29): first version.
SCHEMA_VERSION = 1
FILE, CLIENT_FILE = "anatomy.json", "client.jsonl"
TRACES = "serving-*.jsonl"
_MAX_BYTES = 16 << 20
_MAX_TRACES = 1000
_MAX_NS = 1 << 62


@dataclass(frozen=True)
class Level:
    """One load: from the first request sent to the last answer complete, ns on CLOCK_MONOTONIC."""

    id: str
    concurrency: int
    begin_ns: int
    end_ns: int
    wall_minus_monotonic_ns: int
    client: dict[str, Any]  # a ``ClientSummary``'s document

    @property
    def summary(self) -> ClientSummary:
        """What the client says of the whole load. Raises ValueError: the document is none."""
        return summary_of(self.client)

    def monotonic_ns(self, wall_s: float) -> int:
        """An instant of the client's wall clock on the tracer's clock."""
        return round(wall_s * 1e9) - self.wall_minus_monotonic_ns


@dataclass(frozen=True)
class AnatomyFacts:
    """anatomy.json. Absent is None, never 0."""

    case: str
    run: int  # the repeat, from 1
    status: str  # ok, failed
    failed_in: str | None
    reason: str | None
    started_at: str  # ISO 8601, UTC
    parameters: dict[str, Any]
    engine: dict[str, Any]  # pin, version, lock_sha256, patches_sha256
    model: dict[str, Any]  # name, twin, files_sha256
    node: dict[str, Any]
    harness: dict[str, Any]
    ready_s: float | None
    device: str  # cpu, cuda
    levels: list[Level]
    environment: dict[str, str] = field(default_factory=dict)  # OMP_NUM_THREADS, …
    study: str = STUDY
    schema_version: int = SCHEMA_VERSION

    def write(self, folder: Path) -> None:
        """Write ``folder/anatomy.json``, schema version first. Raises OSError."""
        write_facts(folder / FILE, self)


@dataclass(frozen=True)
class AnatomyRun:
    """A run as it was stored."""

    facts: AnatomyFacts
    traces: Sequence[ServingTrace] = ()
    clients: Sequence[ClientRecord] = ()

    def clients_of(self, level: Level) -> list[ClientRecord]:
        """What the client saw at a level."""
        return [record for record in self.clients if record.phase == level.id]


def read_anatomy_run(folder: Path) -> AnatomyRun:
    """Read a run's folder, which may come from anywhere.

    Raises:
        AnatomyRunError: a file is damaged or of another schema, files contradict each other, or an ok run lacks one.
    """
    facts = read_anatomy_facts(folder)
    if facts.status != OK:
        return AnatomyRun(facts)
    paths = sorted(folder.glob(TRACES))
    if len(paths) > _MAX_TRACES:
        raise AnatomyRunError(f"{folder}: {len(paths)} traces, a run has at most {_MAX_TRACES}")
    try:
        clients = read_records(folder / CLIENT_FILE)
    except LoadError as error:
        raise AnatomyRunError(str(error)) from None
    run = AnatomyRun(facts, [read_serving_trace(path) for path in paths], clients)
    _refuse_disagreement(run, folder)
    return run


def read_anatomy_facts(folder: Path) -> AnatomyFacts:
    """Read ``folder/anatomy.json``.

    Raises:
        AnatomyRunError: absent, damaged, of another schema, or it contradicts itself.
    """
    path = folder / FILE
    document = read_versioned(path, _MAX_BYTES, SCHEMA_VERSION, AnatomyRunError)
    types = types_of(AnatomyFacts, levels=list[Any])
    check_fields(document, types, str(path), AnatomyRunError, texts_are_names)
    levels = [_level(each, f"{path}: levels") for each in document["levels"]]
    facts = AnatomyFacts(**document | {"levels": levels})
    if problem := _problem(facts):
        raise AnatomyRunError(f"{path}: {problem}")
    return facts


def _level(found: Any, where: str) -> Level:
    if not isinstance(found, dict):
        raise AnatomyRunError(f"{where}: must be a list of objects")
    check_fields(found, types_of(Level), where, AnatomyRunError, texts_are_names)
    level = Level(**found)
    if level.concurrency < 1 or not 0 <= level.begin_ns < level.end_ns <= _MAX_NS:
        raise AnatomyRunError(f"{where}: {level.id}: concurrency is at least 1, and the load ends after it begins")
    try:
        level.summary.document()
    except ValueError as error:
        raise AnatomyRunError(f"{where}: {level.id}: client: {error}") from None
    return level


def _problem(facts: AnatomyFacts) -> str | None:
    ids = [level.id for level in facts.levels]
    loads = [level.concurrency for level in facts.levels]
    wrong = {
        f"study is {facts.study}, not {STUDY}": facts.study != STUDY,
        f"status must be {OK} or {FAILED}": facts.status not in (OK, FAILED),
        f"device must be {CPU} or {CUDA}": facts.device not in (CPU, CUDA),
        "run must be at least 1": facts.run < 1,
        "ready_s must not be negative": facts.ready_s is not None and facts.ready_s < 0,
        "an ok run has levels": facts.status == OK and not ids,
        "a failed run says where and why": facts.status == FAILED and not (facts.failed_in and facts.reason),
        "two levels have one id or one concurrency": len(set(ids)) != len(ids) or len(set(loads)) != len(loads),
    }
    return next((what for what, is_wrong in wrong.items() if is_wrong), None)


def _refuse_disagreement(run: AnatomyRun, folder: Path) -> None:
    roles = [trace.role for trace in run.traces]
    if roles.count(API) != 1 or roles.count(ENGINE) != 1:
        raise AnatomyRunError(f"{folder}: {TRACES}: an ok run has a trace of the API server and one of the engine core")
    levels = {level.id: level for level in run.facts.levels}
    for trace in run.traces:
        for level in levels.values():
            window = trace.windows.get(level.id)
            if window is None and trace.role == WORKER:  # one that was started later, or had ended
                continue
            if window is None or not window.begin_ns <= level.begin_ns < level.end_ns <= window.end_ns:
                where = f"{folder}/serving-{trace.role}-{trace.pid}.jsonl"
                raise AnatomyRunError(f"{where}: no window around the load of {level.id}")
    for number, record in enumerate(run.clients, start=1):
        if record.phase not in levels:
            raise AnatomyRunError(f"{folder / CLIENT_FILE}:{number}: {FILE} has no level {record.phase}")
    for level in run.facts.levels:
        told, found = level.summary.requests, len(run.clients_of(level))
        if told != found:
            raise AnatomyRunError(f"{folder / CLIENT_FILE}: {found} requests at {level.id}, {FILE} says {told}")
