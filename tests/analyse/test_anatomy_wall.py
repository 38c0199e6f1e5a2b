"""The wall clock by exclusive cover: it adds up, and gives each instant to the part that the priority says."""

import random
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.anatomy_level import Busy, LevelView, level_views, own_times
from harness.analyse.anatomy_rows import split_rows
from harness.analyse.anatomy_timeline import STEPS, shown_steps
from harness.analyse.intervals import length, union
from harness.record.anatomy_tables import SHARES, SPLIT_TABLES, TIMELINE, WALL_PARTS
from harness.record.serving_trace import Span
from harness.record.tables import Table, cells_of, table_csv
from tests.anatomy_runs import make_run
from tests.anatomy_simulation import Wanted


def by_instant(view: LevelView) -> dict[str, int]:
    """The same from the definition: every stretch between two edges of spans is looked at by itself."""
    edges = {edge for seen in view.processes for span in seen.window.spans for edge in (span.begin_ns, span.end_ns)}
    edges |= {edge for each in view.seen_whole for edge in each}
    ordered = sorted(edges)
    stages: list[set[tuple[str, str]]] = [set() for _ in ordered]
    for seen in view.processes:
        for span in seen.spans(main=seen.trace.role != "api"):
            for at in range(bisect_right(ordered, span.begin_ns) - 1, bisect_right(ordered, span.end_ns) - 1):
                stages[at].add((seen.trace.role, seen.stage(span)))
    found = dict.fromkeys(WALL_PARTS, 0)
    for at, (begin, end) in enumerate(pairwise(ordered)):
        if any(a <= begin and end <= b for a, b in view.seen_whole):
            found[_part(stages[at])] += end - begin
    return found


def _part(busy: set[tuple[str, str]]) -> str:
    stages = {stage for _, stage in busy}
    if stages & {"forward", "logits", "sample"}:
        return "execution"
    if any(role == "worker" for role, _ in busy) and "worker_wait" not in stages:
        return "worker_host"
    if stages & {"schedule", "update"}:
        return "schedule_update"
    if any(role == "api" for role, _ in busy):
        return "api"
    if any(role == "engine" for role, _ in busy) and "idle" not in stages:
        return "engine_rest"
    return "none"


def test_what_a_span_calls_is_not_its_own_time():
    outer, inner, after = (
        Span(hook, 1, *times, 0, 0, 0, -1, None) for hook, times in ((0, (0, 100)), (1, (10, 40)), (1, (60, 70)))
    )
    last = Span(2, 1, 120, 130, 0, 0, 0, -1, None)
    found: dict[int, list[tuple[int, int]]] = {}
    for span, times in own_times([last, inner, outer, after]):
        found.setdefault(span.hook, []).append(times)
    assert found == {0: [(0, 10), (40, 60), (70, 100)], 1: [(10, 40), (60, 70)], 2: [(120, 130)]}


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_own_times_of_a_thread_are_disjoint_and_cover_its_spans(seed: int, count: int):
    spans = nested(random.Random(seed), count)
    pieces = sorted(times for _, times in own_times(spans))
    assert all(a[1] <= b[0] for a, b in pairwise([each for each in pieces if each[0] < each[1]]))
    assert union(pieces) == union((span.begin_ns, span.end_ns) for span in spans)


def nested(chance: random.Random, count: int) -> list[Span]:
    """Spans of one thread: calls that are made and return in some order."""
    found, open_, now = [], [], 0
    while count or open_:
        now += chance.randint(1, 5)
        if count and (not open_ or chance.random() < 0.5):
            open_.append(now)
            count -= 1
        else:
            found.append(Span(len(open_), 1, open_.pop(), now, 0, 0, 0, -1, None))
    return found


@pytest.mark.parametrize("wanted", [
    Wanted(concurrencies=(1, 3), batches=2, tokens=4),
    Wanted(concurrencies=(3,), batches=12, tokens=4, sampled=True),
    Wanted(concurrencies=(2,), batches=2, tokens=3, costs={"stream_out": 900, "forward": 50}),
    Wanted(concurrencies=(2,), batches=1, tokens=2, workers=2),
], ids=["two levels", "samples", "a slow API server", "two workers"])  # fmt: skip
def test_each_instant_belongs_to_the_first_part_that_is_busy(tmp_path: Path, wanted: Wanted) -> None:
    run, _ = make_run(tmp_path / "1", wanted)
    for view in level_views(run):
        found = {part: length(times) for part, times in Busy.of(view).wall(view).items()}
        assert found == by_instant(view)
        assert sum(found.values()) == length(view.seen_whole)


def test_shares_of_both_definitions_add_up_to_one(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path / "1", Wanted(batches=2, sampled=True))
    rows = cells_of(SHARES, split_rows([run])[SHARES.name])
    for concurrency in (1, 4):
        own = [row for row in rows if row["concurrency"] == concurrency]
        for definition in ("cpu", "wall"):
            whole = [row["share"] for row in own if (row["definition"], row["stage"]) == (definition, "all")]
            assert sum(whole) == pytest.approx(1)
        for part in ("api", "scheduling", "execution"):
            of_part = [row for row in own if (row["definition"], row["part"]) == ("cpu", part)]
            stages = sum(row["seconds"] for row in of_part if row["stage"] != "all")
            assert stages == pytest.approx(next(row["seconds"] for row in of_part if row["stage"] == "all"))


def test_the_timeline_is_of_whole_consecutive_steps_that_were_seen_whole(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path / "1", Wanted(concurrencies=(2,), batches=40, sampled=True))
    (view,) = level_views(run)
    shown = shown_steps(view)
    assert shown is not None
    assert any(begin <= shown[0] and shown[1] <= end for begin, end in view.seen_whole)
    rows = cells_of(TIMELINE, split_rows([run])[TIMELINE.name])
    begins = [row["begin_s"] for row in rows if row["stage"] == "schedule"]
    assert len(begins) == STEPS
    assert begins == sorted(begins)
    assert begins[0] == 0
    assert {row["process"] for row in rows} == {"api", "engine", "worker"}
    assert max(row["end_s"] for row in rows) <= (shown[1] - shown[0]) * 1e-9 + 1e-12


def test_the_same_runs_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / str(at), Wanted(repeat=at, batches=2, costs={"forward": 800 + at}))[0] for at in (1, 2)]
    one, other = split_rows(runs), split_rows(runs[::-1])
    assert {name: table_csv(_table(name), rows) for name, rows in one.items()} == {
        name: table_csv(_table(name), rows) for name, rows in other.items()
    }


def _table(name: str) -> Table:
    return next(table for table in SPLIT_TABLES if table.name == name)


def test_a_failed_run_has_its_row_of_runs_and_no_other(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path / "1", Wanted(failed=True))
    tables = split_rows([run])
    assert {name for name, rows in tables.items() if rows} == {"runs.csv", "claim.csv"}
    assert tables["runs.csv"][0][2:5] == ("failed", "load", "the engine core ended with exit code 137")
    assert tables["claim.csv"][0][2:] == ("33/29/38", "not run", 0, "no run ended ok")
