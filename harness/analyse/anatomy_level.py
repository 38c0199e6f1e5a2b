"""One load level of a run: its processes, and which of them was busy with what when.

Busy sets are by stage, not by process, so an engine whose worker is a part of it (one GPU) is seen alike. Of several
workers they are the union.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from harness.analyse.intervals import Interval, cover, difference, intersection, union
from harness.analyse.stages import EXECUTION, IDLE, SAMPLE, SCHEDULE, STAGES, UPDATE, WAITS, WORKER_STAGES
from harness.record.anatomy_run import AnatomyRun, Level
from harness.record.anatomy_tables import (
    API_SERVER,
    ENGINE_REST,
    NONE,
    OUTSIDE,
    PREFILL_PARTS,
    SCHEDULE_UPDATE,
    WORKER_HOST,
)
from harness.record.anatomy_tables import EXECUTION as EXECUTING
from harness.record.serving_trace import API, ENGINE, ServingTrace, Span, Window

Cover = dict[str, list[Interval]]


@dataclass(frozen=True)
class Seen:
    """A process during the level."""

    trace: ServingTrace
    window: Window

    def stage(self, span: Span) -> str:
        """Of its hook."""
        return self.trace.hooks[span.hook].stage

    def spans(self, stages: Collection[str] | None = None, main: bool = False) -> Iterator[Span]:
        """The spans of these stages (None: of all); ``main``: only those of the main thread."""
        for span in self.window.spans:
            is_there = not main or span.tid == self.trace.main_tid
            if is_there and (stages is None or self.stage(span) in stages):
                yield span

    @cached_property
    def own(self) -> dict[tuple[bool, str], list[Interval]]:
        """(main thread?, stage) → when a span of the stage was the innermost one of its thread."""
        by_thread: defaultdict[int, list[Span]] = defaultdict(list)
        for span in self.window.spans:
            by_thread[span.tid].append(span)
        found: defaultdict[tuple[bool, str], list[Interval]] = defaultdict(list)
        for tid, spans in by_thread.items():
            for span, times in own_times(spans):
                found[tid == self.trace.main_tid, self.stage(span)].append(times)
        return {key: union(times) for key, times in found.items()}

    def times(self, stages: Collection[str] | None = None, all_threads: bool = False) -> list[Interval]:
        """When the main thread, or any, worked on or waited in these stages: own time of their spans."""
        return union(
            each
            for (is_main, stage), times in self.own.items()
            if (is_main or all_threads) and (stages is None or stage in stages)
            for each in times
        )

    @property
    def detail(self) -> list[Interval]:
        """When all of its hooks made spans."""
        return union((each.begin_ns, each.end_ns) for each in self.window.detail)


def own_times(spans: Iterable[Span]) -> Iterator[tuple[Span, Interval]]:
    """The spans of one thread, which nest, cut into the pieces in which each is the innermost."""
    around: list[tuple[Span, int]] = []  # open spans, and since when each has been the innermost

    def close(until: int) -> Iterator[tuple[Span, Interval]]:
        while around and around[-1][0].end_ns <= until:
            span, since = around.pop()
            yield span, (since, span.end_ns)
            if around:
                around[-1] = (around[-1][0], max(around[-1][1], span.end_ns))

    last = 0
    for span in sorted(spans, key=lambda each: (each.begin_ns, -each.end_ns)):
        yield from close(span.begin_ns)
        if around:
            yield around[-1][0], (around[-1][1], span.begin_ns)
        around.append((span, span.begin_ns))
        last = max(last, span.end_ns)
    yield from close(last)


@dataclass(frozen=True)
class LevelView:
    """A level of a run that ended ok."""

    run: AnatomyRun
    level: Level
    processes: tuple[Seen, ...]

    def of(self, role: str) -> list[Seen]:
        """The processes of a role."""
        return [seen for seen in self.processes if seen.trace.role == role]

    @property
    def load(self) -> list[Interval]:
        """From the first request sent to the last answer complete."""
        return [(self.level.begin_ns, self.level.end_ns)]

    @property
    def seen_whole(self) -> list[Interval]:
        """When every process made all its spans: the API server's detail intervals, within the load."""
        (api,) = self.of(API)
        return intersection(api.detail, self.load)


def level_views(run: AnatomyRun) -> list[LevelView]:
    """The levels of a run, in the order of their concurrency; of a failed run none."""
    views = []
    for level in sorted(run.facts.levels, key=lambda each: each.concurrency) if run.traces else ():
        seen = tuple(Seen(trace, trace.windows[level.id]) for trace in run.traces if level.id in trace.windows)
        views.append(LevelView(run, level, seen))
    return views


@dataclass(frozen=True)
class Busy:
    """When something was busy, each set by itself; they overlap."""

    execute: list[Interval]  # forward and logits
    sample: list[Interval]
    worker: list[Interval]  # anything in a call of a worker
    schedule: list[Interval]
    update: list[Interval]
    api: list[Interval]  # any of its threads
    engine: list[Interval]  # in a step or anything else but the wait for requests

    @classmethod
    def of(cls, view: LevelView) -> "Busy":
        """During the level."""
        behind = [seen for seen in view.processes if seen.trace.role != API]
        engines = view.of(ENGINE)
        return cls(
            execute=_times(behind, [stage for stage in EXECUTION if stage != SAMPLE]),
            sample=_times(behind, [SAMPLE]),
            worker=_times(behind, WORKER_STAGES),
            schedule=_times(engines, [SCHEDULE]),
            update=_times(engines, [UPDATE]),
            api=_times(view.of(API), None, all_threads=True),
            engine=union(each for seen in engines for each in difference(seen.times(), seen.times([IDLE]))),
        )

    def wall(self, view: LevelView) -> Cover:
        """The second definition: ``WALL_PARTS`` over the instants at which all processes are seen."""
        layers = {
            EXECUTING: union([*self.execute, *self.sample]),
            WORKER_HOST: self.worker,
            SCHEDULE_UPDATE: union([*self.schedule, *self.update]),
            API_SERVER: self.api,
            ENGINE_REST: self.engine,
        }
        return cover(layers, view.seen_whole, NONE)

    def steps(self, view: LevelView) -> Cover:
        """Parts of TPOT over the load: the same without the API server, which works beside the steps."""
        layers = {
            EXECUTING: union([*self.execute, *self.sample]),
            WORKER_HOST: self.worker,
            SCHEDULE_UPDATE: union([*self.schedule, *self.update]),
            ENGINE_REST: self.engine,
        }
        return cover(layers, view.load, OUTSIDE)

    def prefill(self, view: LevelView) -> Cover:
        """``PREFILL_PARTS`` over the load."""
        *named, rest = PREFILL_PARTS
        layers = (self.execute, self.sample, self.worker, self.schedule, self.update)
        return cover(dict(zip(named, layers, strict=True)), view.load, rest)


def _times(processes: Iterable[Seen], stages: Collection[str] | None, all_threads: bool = False) -> list[Interval]:
    """When one of the processes worked in these stages: waits are none."""
    working = [stage for role in STAGES.values() for stage in role if stage not in WAITS]
    wanted = working if stages is None else [stage for stage in stages if stage not in WAITS]
    return union(each for seen in processes for each in seen.times(wanted, all_threads))
