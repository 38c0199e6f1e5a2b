"""Time that no hook explains is shown as such: sleeps planted into a real engine come back as gaps."""

import json
from pathlib import Path

import pytest

from harness.analyse.partition import partition
from harness.analyse.spans import read_processes
from harness.record.run import Run

pytestmark = pytest.mark.engine

TOLERANCE_NS = 5_000_000


def test_each_planted_sleep_appears_as_an_unattributed_gap_of_its_length(planted: tuple[Run, Path, Path]) -> None:
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
    wrong = []
    for sleep in sleeps:
        around = [g for g in gaps if g.begin_ns <= sleep["begin_ns"] and sleep["end_ns"] <= g.end_ns]
        if len(around) != 1:
            wrong.append((sleep, "no gap contains it"))
            continue
        gap = around[0]
        inside = [s for s in sleeps if gap.begin_ns <= s["begin_ns"] and s["end_ns"] <= gap.end_ns]
        surplus = (gap.end_ns - gap.begin_ns) - sum(s["end_ns"] - s["begin_ns"] for s in inside)
        if surplus > TOLERANCE_NS or gap.end_ns - gap.begin_ns < 100_000_000:
            wrong.append((sleep, f"gap {gap.end_ns - gap.begin_ns} ns, surplus {surplus} ns"))
        if gap.pid != sleep["pid"] or not gap.path or gap.path[-1] != sleep["container"]:
            wrong.append((sleep, f"gap lies in {gap.path[-1:]} of {gap.pid}"))
    assert wrong == []


def test_the_gaps_neighbours_are_what_ran_before_and_after(planted: tuple[Run, Path, Path]) -> None:
    run, _, _ = planted
    for gap in run.gaps:
        if gap["seconds"] < 0.1:
            continue
        assert gap["after"] != gap["before"] or gap["container"] != "(top level)"
        assert ": " in gap["after"]
        assert ": " in gap["before"]
