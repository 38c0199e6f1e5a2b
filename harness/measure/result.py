"""What a finished process tree left behind → status, times, phases: the measured half of a run's record."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.analyse.cache_lines import CacheLines, cache_lines
from harness.analyse.graph import graph_size
from harness.analyse.logs import parse_log
from harness.analyse.partition import Partition, main_process, partition
from harness.analyse.parts import Part
from harness.analyse.phases import UNATTRIBUTED, group_seconds
from harness.analyse.reads import load_read_bytes
from harness.analyse.spans import Process, SpanFileError, read_processes, unwritten
from harness.analyse.timeline import Piece, timeline
from harness.engine.process_tree import Exit
from harness.measure.cause import died, last_error, open_phase
from harness.measure.start import Ready
from harness.measure.traced import FAILURES, trace_certificate, trace_marks
from harness.record.gpu import Sample
from harness.record.logtext import read_log
from harness.record.plain import printable

LOG_TAIL_LINES = 40
KEPT_GAPS = 20
KEPT_FAILURES = 100
REASON_CHARACTERS = 1000


@dataclass
class Outcome:
    """The measured half of a Run; field names are run.json's."""

    status: str
    failed_in: str | None = None
    failed_process: str | None = None
    reason: str | None = None
    ready_s: float | None = None
    first_token_s: float | None = None
    window: dict[str, int] | None = None
    phases: dict[str, float] = field(default_factory=dict)
    phases_by_process: dict[str, dict[str, float]] = field(default_factory=dict)
    unattributed_s: float | None = None
    gaps: list[dict[str, Any]] = field(default_factory=list)
    import_packages: dict[str, dict[str, float]] = field(default_factory=dict)
    groups: dict[str, float] = field(default_factory=dict)
    log_quantities: dict[str, float | None] = field(default_factory=dict)
    graph: dict[str, int] | None = None
    log_tail: list[str] = field(default_factory=list)
    tracer: dict[str, Any] = field(default_factory=dict)
    gc_s: float | None = None
    output: dict[str, Any] | None = None
    trace_certificate: dict[str, Any] = field(default_factory=dict)
    trace_marks: list[str] = field(default_factory=list)
    cache_lines: CacheLines = field(default_factory=lambda: cache_lines(""))
    load_read_bytes: int | None = None
    timeline: list[Piece] = field(default_factory=list)
    gpu_samples: list[Sample] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)


def outcome_of(
    exit: Exit,
    ready: Ready | None,
    awaited: str,
    spans: Path,
    log: Path,
    traced: bool = True,
    untimed: frozenset[str] = frozenset(),
) -> Outcome:
    """Judge one start from its exit, its sign of readiness (``awaited`` names it), its spans and its log.

    One that is not ``traced`` has no spans: all of its time is unattributed. ``untimed``: hooks that no second
    depends on.
    """
    outcome = _judge(exit, ready, awaited, spans, log, traced, untimed)
    outcome.reason = outcome.reason and printable(outcome.reason, REASON_CHARACTERS)
    return outcome


def _judge(
    exit: Exit, ready: Ready | None, awaited: str, spans: Path, log: Path, traced: bool, untimed: frozenset[str]
) -> Outcome:
    read = read_log(log)
    outcome = Outcome(
        status="ok",
        log_quantities=parse_log(read.text),
        log_tail=read.tail(LOG_TAIL_LINES),
        cache_lines=cache_lines(read.text),
    )
    empty: dict[int, str] = {}
    try:
        processes, empty = read_processes(spans), unwritten(spans)
    except SpanFileError as error:
        processes = []
        outcome.reason = f"spans unreadable: {error}"
    outcome.tracer = _tracer_report(processes)
    was_ready = any(process.role == "main" and process.notes("tracer disarmed") for process in processes)
    if exit.timed_out and ready is None:
        waited = f"waited {(exit.exit_ns - exit.exec_ns) / 1e9:.0f} s for {'more' if was_ready else awaited}, in vain"
        outcome.status, outcome.reason = "timeout", f"{waited}; the process tree was ended"
    elif exit.exit_code is not None and exit.exit_code < 0:
        outcome.status, outcome.reason = "killed", f"ended by signal {-exit.exit_code}"
    elif exit.exit_code:
        outcome.status, outcome.reason = "failed", last_error(read.text) or f"exit code {exit.exit_code}"
        if abruptly := died(processes, exit):
            outcome.reason = f"{abruptly}; the log's last error: {outcome.reason}"
    elif ready is None:
        outcome.status, outcome.reason = "failed", f"ended (exit code 0) without a sign of {awaited}"
    elif ready.problem is not None:
        outcome.status, outcome.reason = "failed", ready.problem
    if outcome.status != "ok" or ready is None:
        outcome.failed_in, outcome.failed_process = open_phase(processes)
        if was_ready and (ready is None or ready.problem is None):
            outcome.reason = f"after it was ready: {outcome.reason}"
        return outcome
    outcome.output = ready.output
    if ready.first_token_ns is not None:
        outcome.first_token_s = (ready.first_token_ns - ready.ready_ns) / 1e9
    if traced:
        outcome.trace_certificate = trace_certificate(processes, empty, untimed)
        outcome.trace_marks = trace_marks(processes, untimed)
        _fill_times(outcome, exit, ready, processes)
    else:
        outcome.ready_s = outcome.unattributed_s = (ready.ready_ns - exit.exec_ns) / 1e9
        outcome.phases = {UNATTRIBUTED: outcome.ready_s}
    return outcome


def _fill_times(outcome: Outcome, exit: Exit, ready: Ready, processes: list[Process]) -> None:
    try:
        main = main_process(processes, exit.pid)
        parts: Partition = partition(processes, main.pid, exit.exec_ns, ready.ready_ns)
    except ValueError as error:
        outcome.status = "failed"
        outcome.reason = outcome.reason or f"the start cannot be partitioned: {error}"  # unreadable spans say why
        return
    outcome.ready_s = parts.ready_s
    outcome.window = {"pid": main.pid, "exec_ns": exit.exec_ns, "ready_ns": ready.ready_ns}
    outcome.phases = _longest_first(parts.phases)
    outcome.phases_by_process = {role: _longest_first(parts.by_process[role]) for role in sorted(parts.by_process)}
    outcome.unattributed_s = parts.phases[UNATTRIBUTED]
    outcome.gaps = [asdict(gap) for gap in parts.gaps[:KEPT_GAPS]]
    outcome.import_packages = {leaf: _longest_first(found) for leaf, found in sorted(parts.packages.items())}
    outcome.groups = group_seconds(parts.phases)
    outcome.graph = graph_size(processes)
    outcome.load_read_bytes = load_read_bytes(processes)
    outcome.timeline = timeline(parts)
    outcome.parts = parts.parts
    outcome.gc_s = _gc_seconds(processes, ready.ready_ns)


def _longest_first(seconds: dict[str, float]) -> dict[str, float]:
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def _gc_seconds(processes: list[Process], ready_ns: int) -> float:
    """Seconds of garbage collections (≥ 1 ms each) before ready, in all processes."""
    collections = [
        (begin, end)
        for p in processes
        for span in p.spans
        for begin, end, _ in span.attrs.get("gc", ())
        if end <= ready_ns
    ]
    return float(sum(end - begin for begin, end in collections)) / 1e9


def _tracer_report(processes: list[Process]) -> dict[str, Any]:
    """What tracing cost (seconds inside the tracer until each process was ready) and what it could not do."""
    reports = [note for p in processes for note in p.notes("tracer disarmed") or p.notes("tracer exit")]
    failures = [{"role": p.role, **note} for p in processes for name in FAILURES for note in p.notes(name)]
    return {
        "self_s": sum(report["self_ns"] for report in reports) / 1e9,
        "events": sum(report["events"] for report in reports),
        "processes": len(processes),
        "failures": failures[:KEPT_FAILURES],
        "malformed_lines": sum(p.malformed_lines for p in processes),
    }
