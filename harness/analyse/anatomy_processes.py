"""Each process of a level: CPU, spin, how much of it is attributed to spans, and what tracing added.

cpu_s                    the process's CPU over the level's window, tracing included; of several workers the sum
spin_s, tracing_s        of it, in waits that spin, and for tracing (events × CPU of one traced call,
                         and what spans tell)
attributed               CPU of the main thread's spans ÷ the main thread's CPU, as traced; of the API server over its
                         detail intervals, of several workers the least
attributed_without_spin  the same without the waits that spin on both sides: most of the CPU may be theirs
event_loop               the rest of the API server's main thread: polling, socket writes, callbacks of C code
wall_covered             engine core: share of the load within spans of its main thread, steps and idle wait
added                    tracing_s ÷ (cpu_s − tracing_s); added_without_spin: ÷ (cpu_s − tracing_s − spin_s)
added_in_samples         the same over the API server's detail intervals alone, where it is highest
spin_share               spin_s ÷ cpu_s
run_queue_s              all threads: ready to run, but without a core
"""

from collections.abc import Collection, Iterator, Sequence

from harness.analyse.anatomy_cpu import count, covered_ns, cpu_of
from harness.analyse.anatomy_level import LevelView, Seen
from harness.analyse.intervals import intersection, length
from harness.analyse.stages import SPINS
from harness.record.anatomy_tables import (
    ADDED,
    ADDED_IN_SAMPLES,
    ADDED_WITHOUT_SPIN,
    ATTRIBUTED,
    ATTRIBUTED_WITHOUT_SPIN,
    CPU_S,
    EVENT_LOOP_SHARE,
    EVENTS,
    RUN_QUEUE_S,
    SPIN_S,
    SPIN_SHARE,
    TRACING_S,
    WALL_COVERED,
)
from harness.record.serving_trace import API, ENGINE, ROLES

Metric = tuple[str, float, str]  # name, value, unit


def process_metrics(view: LevelView) -> dict[str, list[Metric]]:
    """Role → its metrics; a role without a process is not there."""
    return {role: list(_metrics(view, seen)) for role in ROLES if (seen := view.of(role))}


def _metrics(view: LevelView, processes: Sequence[Seen]) -> Iterator[Metric]:
    role = processes[0].trace.role
    cpu = [cpu_of(seen) for seen in processes]
    total, spin, tracing = (sum(getattr(each, name) for each in cpu) for name in ("cpu_s", "spin_s", "tracing_s"))
    yield CPU_S, total, "s"
    yield SPIN_S, spin, "s"
    yield TRACING_S, tracing, "s"
    yield EVENTS, float(sum(seen.window.events for seen in processes)), "calls"
    if total > tracing:
        yield ADDED, tracing / (total - tracing), "of the CPU without tracing"
    if total - spin > tracing:
        yield ADDED_WITHOUT_SPIN, tracing / (total - spin - tracing), "of the CPU without tracing and spin"
    for metric, left_out in ((ATTRIBUTED, ()), (ATTRIBUTED_WITHOUT_SPIN, SPINS)):
        shares = [share for seen in processes if (share := attributed(seen, left_out)) is not None]
        if shares:
            yield metric, min(shares), "of the main thread's CPU"
            if role == API and metric == ATTRIBUTED:
                yield EVENT_LOOP_SHARE, max(0.0, 1 - min(shares)), "of the main thread's CPU"
    if role == ENGINE:
        covered = intersection(processes[0].times(), view.load)
        yield WALL_COVERED, length(covered) / length(view.load), "of the load's time"
    if total:
        yield SPIN_SHARE, spin / total, "of its CPU"
    if (sampled := _added_in_samples(processes)) is not None:
        yield ADDED_IN_SAMPLES, sampled, "of the CPU of the detail intervals without tracing"
    if threads := [thread for seen in processes for thread in seen.window.threads]:
        yield RUN_QUEUE_S, 1e-9 * sum(thread.wait_ns for thread in threads), "s"


def _added_in_samples(processes: Sequence[Seen]) -> float | None:
    """What tracing adds while every hook makes spans; None: never."""
    detail = [(seen.trace, each) for seen in processes for each in seen.window.detail]
    tracing = sum(each.events * trace.event_ns + each.told_ns for trace, each in detail)
    cpu = sum(each.process_cpu_ns for _, each in detail)
    return tracing / (cpu - tracing) if cpu > tracing else None


def attributed(seen: Seen, without: Collection[str] = ()) -> float | None:
    """Share of the main thread's CPU that is within spans; None: it used none, or is never seen whole.

    What tracing costs outside of all spans is no CPU of the engine's. ``without``: stages whose spans are left out.
    """
    inside = seen.detail if seen.trace.role == API else None
    of = seen.window.detail if inside is not None else [seen.window]
    outermost = count(((span for span in seen.spans(main=True) if span.parent < 0)), inside)
    cpu: float = sum(each.main_cpu_ns - each.told_ns for each in of)
    cpu -= outermost * (seen.trace.event_ns - seen.trace.inside_ns)
    left_out = covered_ns(seen.spans(without, main=True), inside)
    covered = covered_ns(seen.spans(main=True), inside) - left_out
    return covered / (cpu - left_out) if cpu > left_out else None
