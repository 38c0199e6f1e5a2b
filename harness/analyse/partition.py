"""The partition of exec→ready: every nanosecond belongs to one leaf, so the leaves sum to ready by construction.

The walk begins in the main process at exec and follows the innermost open span of the main thread:

* work: its own time belongs to its phase; work without a phase belongs to the work around it;
* import: belongs to ``imports:<role>`` and is split by top-level package;
* container: its own time is ``unattributed``, and so is time with no span open;
* wait: hands over to the child it waits for, whose timeline is walked in the same way. Of several children the one
  that was busy last counts: it is the one the others were waiting for. A wait whose child is not traced (a compiler)
  is work; one whose traced child is not doing anything is unattributed.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.analyse.parts import Part, PartSums
from harness.analyse.phases import INTERPRETER, ROLES, UNATTRIBUTED
from harness.analyse.spans import Process, Slice, Span

# A start of the main process so long after the command's is a wrapper's doing; less is the fork, and the 10 ms ticks in
# which the kernel tells when a process began.
WRAPPER_NS = 30_000_000
ENGINE_ROLES = frozenset(ROLES)
MAX_ENGINE_PROCESSES = 200  # each may wait for the next: the walk goes as deep


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the critical path."""

    begin_ns: int
    end_ns: int
    pid: int
    role: str
    leaf: str
    package: str | None  # of an imports leaf
    path: tuple[str, ...]  # names of the open spans in this process, outermost first

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return (self.end_ns - self.begin_ns) / 1e9


@dataclass(frozen=True, slots=True)
class Gap:
    """Unattributed time in one piece, and what it lies between."""

    begin_s: float  # since exec
    seconds: float
    role: str
    pid: int
    container: str  # innermost open span, or "(top level)"
    after: str  # the span (or process event) that ended before it
    before: str  # the one that began after it


@dataclass(frozen=True, slots=True)
class Partition:
    """The leaves of one start."""

    ready_s: float
    phases: dict[str, float]  # leaf → seconds; sums to ready_s; "unattributed" included
    by_process: dict[str, dict[str, float]]  # role → leaf → seconds
    packages: dict[str, dict[str, float]]  # imports leaf → top-level package → seconds
    segments: list[Segment]
    gaps: list[Gap]  # longest first
    parts: list[Part]  # of the leaves whose spans state parts


def main_process(processes: list[Process], first_pid: int) -> Process:
    """The engine's main process: the command's first process, or what a wrapper (a shell script) started.

    Several Python processes may follow a wrapper one after the other; the engine's is the one that became ready, else
    the last one.

    Raises:
        ValueError: no main process left a span file.
    """
    mains = [process for process in processes if process.role == "main"]
    if not mains:
        raise ValueError("no spans of a main process: was the tracer loaded?")
    return max(mains, key=lambda p: (bool(p.notes("tracer disarmed")), p.pid == first_pid, p.exec_ns))


def partition(processes: list[Process], main_pid: int, exec_ns: int, ready_ns: int) -> Partition:
    """Partition [exec_ns, ready_ns) of the start whose first process is ``main_pid``.

    Raises:
        ValueError: the main process left no span file, or ready is before exec.
    """
    by_pid = {process.pid: process for process in processes}
    if main_pid not in by_pid:
        raise ValueError(f"no spans of the main process (pid {main_pid}): was the tracer loaded?")
    if ready_ns <= exec_ns:
        raise ValueError(f"ready ({ready_ns}) is not after exec ({exec_ns})")
    if sum(process.role in ENGINE_ROLES for process in processes) > MAX_ENGINE_PROCESSES:
        raise ValueError(f"{len(processes)} processes; the engine of one start has at most {MAX_ENGINE_PROCESSES}")
    main = by_pid[main_pid]
    # The kernel's start time has ticks of 10 ms; the caller knows exactly when it started the first process.
    started_ns = exec_ns if main.exec_ns - exec_ns < WRAPPER_NS else main.exec_ns
    walk = _Walk(by_pid)
    segments = list(_merge(walk.process(main, exec_ns, ready_ns, started_ns, before="launcher")))
    phases: defaultdict[str, int] = defaultdict(int)
    by_process: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    packages: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for segment in segments:
        length_ns = segment.end_ns - segment.begin_ns
        phases[segment.leaf] += length_ns
        by_process[segment.role][segment.leaf] += length_ns
        if segment.package is not None:
            packages[segment.leaf][segment.package] += length_ns
    phases.setdefault(UNATTRIBUTED, 0)
    return Partition(
        ready_s=(ready_ns - exec_ns) / 1e9,
        phases={leaf: ns / 1e9 for leaf, ns in phases.items()},
        by_process=_seconds(by_process),
        packages=_seconds(packages),
        segments=segments,
        gaps=_gaps(segments, exec_ns),
        parts=walk.parts.parts(phases),
    )


def _seconds(nested: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, float]]:
    return {outer: {inner: ns / 1e9 for inner, ns in found.items()} for outer, found in nested.items()}


class _Walk:
    """Walks timelines, from the main process into the children it waits for."""

    def __init__(self, by_pid: dict[int, Process]) -> None:
        self.by_pid = {pid: process for pid, process in by_pid.items() if process.role in ENGINE_ROLES}
        self.parts = PartSums()
        self.active: set[int] = set()  # processes being walked: a cycle of waits ends instead of recursing

    def process(
        self, process: Process, begin: int, end: int, started_ns: int, before: str = "process_spawn"
    ) -> Iterator[Segment]:
        """Segments of ``process`` in [begin, end): ``before`` it was there, interpreter start, its main thread."""
        self.active.add(process.pid)
        for from_ns, to_ns, leaf, name in (
            (begin, started_ns, before, "process start"),
            (max(begin, started_ns), process.traced_ns, f"interpreter:{process.role}", "interpreter start"),
        ):
            if from_ns < min(to_ns, end):
                yield Segment(from_ns, min(to_ns, end), process.pid, process.role, leaf, None, (name,))
        for piece in process.main_thread(max(begin, process.traced_ns), end):
            yield from self._slice(process, piece)
        self.active.discard(process.pid)

    def _slice(self, process: Process, piece: Slice) -> Iterator[Segment]:
        innermost = piece.stack[-1] if piece.stack else None
        if innermost is not None and innermost.kind == "wait":
            child = self._child(innermost, piece)
            if child is not None:
                yield from self.process(child, piece.begin_ns, piece.end_ns, started_ns=child.exec_ns)
                return
        leaf, package = self._leaf(process, piece.stack)
        self.parts.add(piece.stack, leaf, piece.end_ns - piece.begin_ns)
        path = tuple(_label(span) for span in piece.stack)
        yield Segment(piece.begin_ns, piece.end_ns, process.pid, process.role, leaf, package, path)

    def _child(self, wait: Span, piece: Slice) -> Process | None:
        """The traced child that this wait hands over to: the one that was busy last."""
        children = [
            self.by_pid[pid]
            for pid in wait.attrs.get("waits_for", ())
            if pid in self.by_pid and pid not in self.active and self.by_pid[pid].exec_ns < piece.end_ns
        ]
        return max(children, key=lambda child: self._busy_until(child, piece), default=None)

    def _busy_until(self, child: Process, piece: Slice) -> int:
        """End of the child's last work inside ``piece`` (its start, if it did none)."""
        slices = child.main_thread(piece.begin_ns, piece.end_ns)
        return max((s.end_ns for s in slices if s.stack and self._is_busy(s.stack[-1])), default=piece.begin_ns)

    def _is_busy(self, innermost: Span) -> bool:
        if innermost.kind == "wait":  # for a compiler, which is not traced: work
            waits_for = innermost.attrs.get("waits_for", ())
            return bool(waits_for) and not any(pid in self.by_pid for pid in waits_for)
        return innermost.kind == "work"

    def _leaf(self, process: Process, stack: tuple[Span, ...]) -> tuple[str, str | None]:
        for span in reversed(stack):
            if span.package is not None:
                return f"imports:{process.role}", span.package
            if span.kind == "container":
                break
            if span.kind == "wait" and any(pid in self.by_pid for pid in span.attrs.get("waits_for", ())):
                break
            phase = span.attrs.get("phase")
            if phase is not None:
                return (f"{INTERPRETER}:{process.role}" if phase == INTERPRETER else str(phase)), None
        return UNATTRIBUTED, None


def _label(span: Span) -> str:
    detail = span.attrs.get("detail")
    return f"{span.name}({detail})" if detail else span.name


def _merge(segments: Iterator[Segment]) -> Iterator[Segment]:
    """Join neighbours that differ in nothing but time."""
    last: Segment | None = None
    for segment in segments:
        if last is not None and (last.pid, last.leaf, last.path) == (segment.pid, segment.leaf, segment.path):
            last = Segment(last.begin_ns, segment.end_ns, *_rest(last))
            continue
        if last is not None:
            yield last
        last = segment
    if last is not None:
        yield last


def _rest(segment: Segment) -> tuple[int, str, str, str | None, tuple[str, ...]]:
    return segment.pid, segment.role, segment.leaf, segment.package, segment.path


def _gaps(segments: list[Segment], exec_ns: int) -> list[Gap]:
    """Unattributed segments with their neighbours on the critical path."""
    gaps = []
    for index, segment in enumerate(segments):
        if segment.leaf != UNATTRIBUTED:
            continue
        before = segments[index - 1] if index else None
        after = segments[index + 1] if index + 1 < len(segments) else None
        gaps.append(
            Gap(
                begin_s=(segment.begin_ns - exec_ns) / 1e9,
                seconds=segment.seconds,
                role=segment.role,
                pid=segment.pid,
                container=segment.path[-1] if segment.path else "(top level)",
                after=_neighbour(before),
                before=_neighbour(after),
            )
        )
    return sorted(gaps, key=lambda gap: -gap.seconds)


def _neighbour(segment: Segment | None) -> str:
    if segment is None:
        return "(edge of the start)"
    return f"{segment.role}: {segment.path[-1] if segment.path else '(top level)'}"
