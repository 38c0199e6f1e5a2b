"""CPU seconds of a level by stage, without spin and without what tracing cost.

A traced call adds ``event_ns`` of CPU to its thread: ``inside_ns`` of it within its own span, the rest within the span
around it. What spans tell is told between them, and its CPU is counted by itself. So from the CPU of a hook's own time
go ``inside_ns`` for each of its spans and the rest for each child's. A wait that began
before the window, where the kernel counts no thread's CPU, gets what of its thread's no other span covers, at most its
length.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.analyse.anatomy_level import LevelView, Seen
from harness.analyse.intervals import Intervals, Lengths
from harness.analyse.stages import EVENT_LOOP, EXECUTION, SPINS
from harness.record.anatomy_tables import (
    API_SERVER,
    API_THREADS,
    ENGINE_THREADS,
    ENGINE_UNCOVERED,
    SCHEDULING,
    WORKER_THREADS,
    WORKER_UNCOVERED,
)
from harness.record.anatomy_tables import EXECUTION as EXECUTING
from harness.record.serving_trace import API, ENGINE, WORKER, Span

_UNCOVERED = {API: EVENT_LOOP, ENGINE: ENGINE_UNCOVERED, WORKER: WORKER_UNCOVERED}
_THREADS = {API: API_THREADS, ENGINE: ENGINE_THREADS, WORKER: WORKER_THREADS}
_EXECUTING = (*EXECUTION, WORKER_THREADS)
_S = 1e-9

Stages = dict[str, float]


@dataclass(frozen=True)
class ProcessCpu:
    """CPU of one process over the level, seconds. ``stages`` have neither spin nor tracing; together ``own_s``."""

    role: str
    stages: Mapping[str, float]
    cpu_s: float  # as the kernel counts it
    spin_s: float
    tracing_s: float

    @property
    def own_s(self) -> float:
        """Work."""
        return sum(self.stages.values())


def cpu_of(seen: Seen) -> ProcessCpu:
    """CPU of a process. The API server's stages are those of its detail intervals, scaled to its whole CPU."""
    window = seen.window
    tracing = window.events * seen.trace.event_ns + window.told_ns + passed_ns(seen)
    if seen.trace.role == API:
        stages = _scaled(_detail_stages(seen), max(0, window.process_cpu_ns - tracing))
        spin = 0.0
    else:
        used = (window.main_cpu_ns - window.told_ns, window.process_cpu_ns - window.told_ns)
        stages = _stages(seen, ((span, 1.0) for span in window.spans), *used)
        spin = sum(stages.pop(stage, 0.0) for stage in SPINS)
    return ProcessCpu(
        seen.trace.role,
        {stage: ns * _S for stage, ns in stages.items()},
        window.process_cpu_ns * _S,
        spin * _S,
        tracing * _S,
    )


def passed_ns(seen: Seen) -> float:
    """CPU of calls between the detail intervals that made no span for want of detail, as many a second as within."""
    of_detail = sum(seen.trace.hooks[span.hook].detail for span in seen.window.spans)
    sampled = sum(each.end_ns - each.begin_ns for each in seen.window.detail)
    whole = seen.window.end_ns - seen.window.begin_ns
    return of_detail * (whole - sampled) / sampled * seen.trace.pass_ns if sampled else 0.0


def cpu_split(view: LevelView) -> dict[str, Stages]:
    """The first definition: part → stage → CPU seconds, all processes together."""
    found: dict[str, defaultdict[str, float]] = {
        part: defaultdict(float) for part in (API_SERVER, SCHEDULING, EXECUTING)
    }
    has_helpers = view.run.facts.parameters.get("threads") != 1
    for process in map(cpu_of, view.processes):
        for stage, seconds in process.stages.items():
            found[_part(process.role, stage, has_helpers)][stage] += seconds
    return {part: dict(stages) for part, stages in found.items()}


def _part(role: str, stage: str, has_helpers: bool) -> str:
    """``has_helpers``: the worker computes with several threads, so that those without spans are execution."""
    if role == API:
        return API_SERVER
    if stage == WORKER_THREADS and not has_helpers:
        return SCHEDULING
    return EXECUTING if stage in _EXECUTING else SCHEDULING


def _detail_stages(seen: Seen) -> Stages:
    """Nanoseconds by stage in the API server's detail intervals; of a span across an edge, what is inside."""
    inside = Lengths(seen.detail)
    weighted = ((span, _weight(span, inside)) for span in seen.window.spans)
    main_cpu = sum(each.main_cpu_ns - each.told_ns for each in seen.window.detail)
    cpu = sum(each.process_cpu_ns - each.told_ns for each in seen.window.detail)
    return _stages(seen, ((span, weight) for span, weight in weighted if weight), main_cpu, cpu)


def _weight(span: Span, inside: Lengths) -> float:
    wall = span.end_ns - span.begin_ns
    if wall:
        return inside.within(span.begin_ns, span.end_ns) / wall
    return float(inside.within(span.begin_ns, span.begin_ns + 1))


def _stages(seen: Seen, weighted: Iterable[tuple[Span, float]], main_cpu: float, process_cpu: float) -> Stages:
    """Nanoseconds by stage that add up to the process's CPU without tracing, if nothing contradicts itself.

    ``main_cpu`` and ``process_cpu``: over the time that the spans, counted by their weights, are of.
    """
    trace = seen.trace
    outside = trace.event_ns - trace.inside_ns
    own: defaultdict[tuple[bool, int], float] = defaultdict(float)  # (on the main thread, hook)
    events = {True: 0.0, False: 0.0}
    cut: defaultdict[str, float] = defaultdict(float)  # wall of waits without CPU, by stage, on the main thread
    for span, weight in weighted:
        is_main = span.tid == trace.main_tid
        if span.cpu_self_ns is None:
            cut[seen.stage(span)] += weight * (span.end_ns - span.begin_ns) if is_main else 0.0
            continue
        events[is_main] += weight
        own[is_main, span.hook] += weight * (span.cpu_self_ns - trace.inside_ns)
        if span.parent >= 0:
            own[is_main, span.parent] -= weight * outside
    stages: defaultdict[str, float] = defaultdict(float)
    covered = {True: 0.0, False: 0.0}
    for (is_main, hook), ns in own.items():
        stages[trace.hooks[hook].stage] += max(0.0, ns)
        covered[is_main] += max(0.0, ns)
    uncovered = max(0.0, main_cpu - events[True] * trace.event_ns - covered[True])
    for stage, ns in _estimated(cut, uncovered).items():
        stages[stage] += ns
        uncovered -= ns
    stages[_UNCOVERED[trace.role]] += max(0.0, uncovered)
    others = process_cpu - main_cpu - events[False] * trace.event_ns - covered[False]
    stages[_THREADS[trace.role]] += max(0.0, others)
    return dict(stages)


def _estimated(cut: Mapping[str, float], uncovered: float) -> Stages:
    """CPU of waits of which only the wall time is known."""
    wall = sum(cut.values())
    if wall <= 0:
        return {}
    return {stage: each / wall * min(wall, uncovered) for stage, each in cut.items()}


def _scaled(stages: Stages, total: float) -> Stages:
    """The stages' shares of ``total``; without any stage seen, all of it is the event loop's."""
    seen = sum(stages.values())
    if seen <= 0:
        return {EVENT_LOOP: total}
    return {stage: ns / seen * total for stage, ns in stages.items()}


def covered_ns(spans: Iterable[Span], inside: Intervals | None = None) -> float:
    """CPU of the spans' own time as traced; ``inside``: only as far as they are within these intervals."""
    lengths = None if inside is None else Lengths(inside)
    return sum((span.cpu_self_ns or 0) * (1.0 if lengths is None else _weight(span, lengths)) for span in spans)


def count(spans: Iterable[Span], inside: Intervals | None = None) -> float:
    """How many spans there are; ``inside``: each counts as far as it is within these intervals."""
    lengths = None if inside is None else Lengths(inside)
    return sum(1.0 if lengths is None else _weight(span, lengths) for span in spans)
