"""Time that no hook explains is shown as such: sleeps planted into a real engine come back as gaps."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from harness.analyse.partition import Gap, partition
from harness.analyse.spans import FOREVER_NS, Process, Span, read_processes
from harness.record.run import Run

pytestmark = pytest.mark.engine

TOLERANCE_NS = 5_000_000


def test_each_planted_sleep_appears_as_an_unattributed_gap_of_its_length(
    planted: tuple[Run, Path, Path], request: pytest.FixtureRequest
) -> None:
    wrong, long = judged(planted)
    assert wrong == []
    if long:
        # What disturbs a start only adds to its gaps: a gap is too long if it is in a second start, too.
        wrong, again = judged(request.getfixturevalue("planted_again"))
        assert wrong == []
        long = {place: said for place, said in long.items() if place in again}
    assert long == {}


def judged(planted: tuple[Run, Path, Path]) -> tuple[list[object], dict[tuple[str, str], str]]:
    """What is wrong with a start's gaps; and, by container and callee, which of them are longer than their sleeps."""
    run, folder, log = planted
    assert run.status == "ok", run.reason
    assert run.ready_s is not None
    processes = read_processes(folder / "spans")
    main = next(p for p in processes if p.role == "main")
    exec_ns = main.exec_ns
    parts = partition(processes, main.pid, exec_ns, exec_ns + round(run.ready_s * 1e9))
    ready_of = {p.pid: next((s.begin_ns for s in p.spans if s.name == "tracer disarmed"), 1 << 62) for p in processes}
    sleeps = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    sleeps = [s for s in sleeps if s["begin_ns"] < ready_of[s["pid"]]]
    assert len(sleeps) >= 20, f"only {len(sleeps)} sleeps ran; draw more (PLANTED_SEED)"
    assert {next(p.role for p in processes if p.pid == s["pid"]) for s in sleeps} == {"main", "engine", "worker"}
    gaps = [s for s in parts.segments if s.leaf == "unattributed"]
    wrong: list[object] = []
    long: dict[tuple[str, str], str] = {}
    for sleep in sleeps:
        around = [g for g in gaps if g.begin_ns <= sleep["begin_ns"] and sleep["end_ns"] <= g.end_ns]
        if len(around) != 1:
            wrong.append((sleep, "no gap contains it"))
            continue
        gap = around[0]
        inside = [s for s in sleeps if gap.begin_ns <= s["begin_ns"] and s["end_ns"] <= gap.end_ns]
        surplus = (gap.end_ns - gap.begin_ns) - sum(s["end_ns"] - s["begin_ns"] for s in inside)
        if surplus > TOLERANCE_NS:
            long[sleep["container"], sleep["callee"]] = f"gap {gap.end_ns - gap.begin_ns} ns, surplus {surplus} ns"
        if gap.end_ns - gap.begin_ns < 100_000_000:
            wrong.append((sleep, f"gap {gap.end_ns - gap.begin_ns} ns"))
        if gap.pid != sleep["pid"] or not gap.path or gap.path[-1] != sleep["container"]:
            wrong.append((sleep, f"gap lies in {gap.path[-1:]} of {gap.pid}"))
    return wrong, long


def test_the_gaps_neighbours_are_what_ran_before_and_after(planted: tuple[Run, Path, Path]) -> None:
    run, folder, log = planted
    assert run.status == "ok", run.reason
    assert run.ready_s is not None
    processes = read_processes(folder / "spans")
    main = next(p for p in processes if p.role == "main")
    # The run's gaps count from the exact exec, which is not in the span files; found again, they count from this one.
    gaps = partition(processes, main.pid, main.exec_ns, main.exec_ns + round(run.ready_s * 1e9)).gaps
    sleeps = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    checked, wrong = 0, []
    for place, gap in enumerate(gaps):  # longest first, as they are recorded
        begin, end = bounds(gap, main.exec_ns)
        if any(s["pid"] == gap.pid and begin <= s["begin_ns"] and s["end_ns"] <= end for s in sleeps):
            checked += 1
            wrong += wrong_neighbours(gap, processes, main.exec_ns)
            facts = {name: value for name, value in asdict(gap).items() if name != "begin_s"}
            if place < len(run.gaps) and not any(facts.items() <= recorded.items() for recorded in run.gaps):
                wrong.append(f"not recorded: {gap}")
    assert wrong == []
    assert checked >= 10, f"only {checked} gaps with sleeps; draw more (PLANTED_SEED)"


def bounds(gap: Gap, exec_ns: int) -> tuple[int, int]:
    begin = exec_ns + round(gap.begin_s * 1e9)
    return begin, begin + round(gap.seconds * 1e9)


def wrong_neighbours(gap: Gap, processes: list[Process], exec_ns: int) -> list[str]:
    """What is wrong with a gap's neighbours, found from the spans alone: innermost open right before and after it."""
    here = next(p for p in processes if p.pid == gap.pid)
    begin, end = bounds(gap, exec_ns)
    wrong = []
    for side, named, boundary, moment in (("after", gap.after, begin, begin - 1), ("before", gap.before, end, end)):
        if boundary in boundaries(here) and not hands_over(here, moment, processes):
            right = named == innermost(here, moment)
        else:  # the path comes from, or goes to, another process; whoever hands over does so where a span of it ends
            right = any(
                named == innermost(other, moment) and (boundary in boundaries(here) or boundary in boundaries(other))
                for other in processes
                if other is not here
            )
        if not right:
            wrong.append(f"{side} {named!r}, but {innermost(here, moment)!r} in this process: {gap}")
    return wrong


def main_spans(process: Process) -> list[Span]:
    return [s for s in process.spans if s.tid == process.pid and s.kind != "note"]


def boundaries(process: Process) -> set[int]:
    return {process.traced_ns} | {t for s in main_spans(process) for t in (s.begin_ns, s.end_ns) if t is not None}


def open_at(process: Process, moment: int) -> Span | None:
    """The span of the main thread that began last of those open then; of two that began at once, the shorter."""
    spans = [s for s in main_spans(process) if s.begin_ns <= moment < (s.end_ns or FOREVER_NS)]
    return max(spans, key=lambda s: (s.begin_ns, -(s.end_ns or FOREVER_NS)), default=None)


def hands_over(process: Process, moment: int, processes: list[Process]) -> bool:
    """Whether ``process`` waits then for a traced child that has started."""
    span = open_at(process, moment)
    children = span.attrs.get("waits_for", ()) if span is not None and span.kind == "wait" else ()
    return any(p.pid in children and p.exec_ns <= moment for p in processes)


def innermost(process: Process, moment: int) -> str:
    """What a gap should call what ``process`` does at ``moment``."""
    if moment < process.traced_ns:
        return f"{process.role}: {'process start' if moment < process.exec_ns else 'interpreter start'}"
    span = open_at(process, moment)
    if span is None:
        return f"{process.role}: (top level)"
    detail = span.attrs.get("detail")
    return f"{process.role}: {span.name}" + (f"({detail})" if detail else "")
