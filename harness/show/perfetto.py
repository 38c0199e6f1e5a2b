"""A start as a trace for ui.perfetto.dev: its critical path, then each process with its threads and collections."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count, groupby
from typing import Any

from harness.analyse.partition import Partition, Segment
from harness.analyse.spans import Process, Span
from harness.analyse.window import Window
from harness.show.trace_events import Event, Piece, Row, Track, complete, counter, instant, label

CRITICAL_PATH = "critical path: phases"
GC_THREAD = "garbage collection"
_BELOW_THREADS = 1 << 20


def trace_document(
    processes: list[Process],
    parts: Partition,
    window: Window,
    about: dict[str, str],
    tracks: Sequence[Track] = (),
) -> dict[str, Any]:
    """The JSON document of one start; ``about`` says whose it is (Perfetto keeps it as metadata).

    ``tracks``: what was sampled meanwhile, shown as counters below the processes.
    """
    numbers = [number for p in processes for number in (p.pid, *(span.tid for span in p.spans))]
    unused = count(max(numbers, default=0) + 1)  # for rows that are no process or thread of the machine
    events = list(_critical_path(parts.segments, window, next(unused)))
    returned = _returned(processes)
    taken: set[int] = set()
    for order, process in enumerate(processes, start=1):
        pid = next(unused) if process.pid in taken else process.pid  # one that execs leaves two span files
        taken.add(pid)
        events += label("process", pid, pid, f"{process.role} {process.pid}", order)
        events += _threads(process, pid, window, returned[process.pid])
        events += _collections(process, Row(pid, next(unused), window.exec_ns))
    for order, (group, found) in enumerate(groupby(tracks, key=lambda track: track.group), start=len(processes) + 1):
        pid = next(unused)
        events += label("process", pid, pid, group, order)
        events += (event for track in found for event in counter(pid, track))
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": about}


def _critical_path(segments: list[Segment], window: Window, number: int) -> Iterator[Event]:
    """The partition as a process of its own: a block per phase, in those of imports one per package; and ready.

    Neighbours in the same process and phase are one block: a start has more than ten thousand segments.
    """
    yield from label("process", number, number, CRITICAL_PATH, 0)
    yield from label("thread", number, number, "phase, package", 0)
    row = Row(number, number, window.exec_ns)
    pieces = []
    for (pid, role, leaf), neighbours in groupby(segments, key=lambda s: (s.pid, s.role, s.leaf)):
        block = list(neighbours)
        where = {"role": role, "pid": pid}
        pieces.append(Piece(block[0].begin_ns, block[-1].end_ns, leaf, "phase", where))
        for package, imports in groupby(block, key=lambda s: s.package):
            if package is not None:
                part = list(imports)
                args = {**where, "package": package}
                pieces.append(Piece(part[0].begin_ns, part[-1].end_ns, package, "package", args))
    yield from complete(row, pieces)
    yield instant(row, "ready" if window.ready else "end, never ready", "start", window.end_ns, "g", {})


def _threads(process: Process, pid: int, window: Window, returned: list[int]) -> Iterator[Event]:
    """A row per thread with its spans and notes; the main thread's begins with the start of the interpreter."""
    rows: dict[int, list[Span]] = {process.pid: []}
    for span in process.spans:
        rows.setdefault(span.tid, []).append(span)
    for order, (tid, spans) in enumerate(rows.items()):
        is_main = tid == process.pid
        row = Row(pid, pid if is_main else tid, window.exec_ns)
        yield from label("thread", pid, row.tid, "main thread" if is_main else f"thread {order}", order)
        pieces = [_piece(span, window, returned) for span in spans if span.kind != "note"]
        if is_main:
            pieces.append(Piece(process.exec_ns, process.traced_ns, "interpreter start", "work", {"kind": "work"}))
        yield from complete(row, pieces)
        for note in (span for span in spans if span.kind == "note"):
            yield instant(row, note.name, "note", note.begin_ns, "t", note.attrs)


def _piece(span: Span, window: Window, returned: list[int]) -> Piece:
    """A span; one that was open when its process ended lasts until the window ends."""
    args = {"kind": span.kind, **{key: value for key, value in span.attrs.items() if key != "gc"}}
    end_ns = span.end_ns
    if end_ns is None:
        args["open"] = True
        end_ns = max(span.begin_ns, window.end_ns)
        if span.name == "interpreter exit":  # open in every process that ends; it ended when a wait for it returned
            end_ns = min((ns for ns in returned if ns >= span.begin_ns), default=end_ns)
    detail = span.attrs.get("detail")
    name = f"{span.name}({detail})" if detail else span.name
    return Piece(span.begin_ns, end_ns, name, "import" if span.package is not None else span.kind, args)


def _returned(processes: list[Process]) -> defaultdict[int, list[int]]:
    """Process id → when waits for that process returned."""
    returned: defaultdict[int, list[int]] = defaultdict(list)
    for span in (span for process in processes for span in process.spans if span.end_ns is not None):
        for pid in span.attrs.get("waits_for", ()):
            returned[pid].append(span.end_ns or 0)
    return returned


def _collections(process: Process, row: Row) -> list[Event]:
    """A row of the process's garbage collections (those of at least 1 ms); no row if there were none."""
    pieces = [
        Piece(begin, end, f"generation {generation}", "gc", {"generation": generation, "during": span.name})
        for span in process.spans
        for begin, end, generation in span.attrs.get("gc", ())
    ]
    names = label("thread", row.pid, row.tid, GC_THREAD, _BELOW_THREADS)
    return [*names, *complete(row, pieces)] if pieces else []
