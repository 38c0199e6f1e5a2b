"""Parts of a phase: what spans state of them, on the critical path; with ``other`` they are the phase."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from harness.analyse.partition import Partition, partition
from harness.analyse.parts import MAX_PARTS, OTHER, Part, part_rows, parts_from
from harness.analyse.spans import read_processes
from harness.record.slotcheck import SlotError
from harness.record.tables import PARTS, parse_table, table_csv
from tests.analyse.span_files import Line, importing, process_trees, span, write_process

MAIN, WORKER = 100, 103
COPY, READ = "copy cpu to cuda", "deserialise"


def sums(ns: int, calls: int = 1, **more: int) -> dict[str, int]:
    return {"calls": calls, "ns": ns, **more}


def partitioned(*trees: dict[str, Any], ready_ns: int = 1000) -> Partition:
    with tempfile.TemporaryDirectory() as folder:
        for tree in trees:
            write_process(Path(folder), **tree)
        return partition(read_processes(Path(folder)), MAIN, 0, ready_ns)


def of_main(*spans: Line, ready_ns: int = 1000) -> Partition:
    return partitioned(
        {"pid": MAIN, "role": "main", "exec_ns": 0, "traced_ns": 5, "spans": list(spans)}, ready_ns=ready_ns
    )


def told(found: Partition) -> dict[tuple[str, str], tuple[int, int | None, int | None, int | None]]:
    """(phase, part) → ns, calls, bytes, bytes read."""
    return {(p.phase, p.part): (round(p.seconds * 1e9), p.calls, p.bytes, p.read_bytes) for p in found.parts}


def test_what_was_added_up_in_a_span_are_parts_of_its_phase_and_the_rest_is_other():
    parts = {COPY: sums(300, 10, bytes=4096, read_bytes=0), READ: sums(100, 11, read_bytes=512)}
    load = span("load", 100, 700, phase="load_weights", parts=parts)
    found = of_main(
        load, importing("numpy", 150, 200), span("again", 800, 900, phase="load_weights", parts={COPY: sums(60, 2)})
    )
    assert told(found) == {
        ("load_weights", COPY): (360, 12, 4096, 0),
        ("load_weights", READ): (100, 11, None, 512),
        ("load_weights", OTHER): (650 - 460, None, None, None),
    }


def test_a_part_named_by_a_hook_belongs_to_the_phase_of_the_work_around_it_inner_work_without_one_included():
    spans = [
        span("capture", 100, 500, phase="graph_capturing"),
        span("run", 110, 210, part="512", detail="512"),
        span("forward", 120, 200),
        span("compile", 130, 140, phase="graph_compile_cached"),
        span("run", 220, 260, part="8", detail="8"),
        span("run", 270, 290, part="8", detail="8"),
        span("profile", 600, 700, phase="kv_cache_profiling"),
        span("run", 610, 690, part="8", detail="8"),
    ]
    assert told(of_main(*spans)) == {
        ("graph_capturing", "8"): (60, 2, None, None),
        ("graph_capturing", "512"): (90, 1, None, None),
        ("graph_capturing", OTHER): (400 - 10 - 150, None, None, None),
        ("kv_cache_profiling", "8"): (80, 1, None, None),
        ("kv_cache_profiling", OTHER): (20, None, None, None),
    }
    assert [part.part for part in of_main(*spans).parts] == ["8", "512", OTHER, "8", OTHER], "sizes by number"


@pytest.mark.parametrize(
    "around",
    [
        span("serve", 100, 500, "container"),
        span("load", 100, 500),
        importing("torch", 100, 500),
    ],
    ids=lambda line: line["name"],
)
def test_time_that_no_hook_explains_or_an_import_has_no_parts(around: Line):
    around["attrs"]["parts"] = {COPY: sums(50)}
    inside = span("run", 120, 130, part="8") if around["kind"] == "container" else importing("x.y", 120, 130)
    found = of_main(around, inside)
    assert all(part.phase not in ("unattributed", "imports:main") for part in found.parts)


def test_parts_are_never_more_than_the_span_had_of_the_critical_path():
    load = span("load", 100, 700, phase="load_weights", parts={COPY: sums(400), READ: sums(200)})
    found = told(of_main(load, ready_ns=400))
    assert found == {
        ("load_weights", COPY): (200, 1, None, None),
        ("load_weights", READ): (100, 1, None, None),
        ("load_weights", OTHER): (0, None, None, None),
    }


def test_of_two_workers_the_parts_of_the_one_that_was_waited_for_count():
    def worker(pid: int, end: int, ns: int) -> dict[str, Any]:
        load = span("load", 200, end, phase="load_weights", parts={COPY: sums(ns, 7)})
        return {"pid": pid, "role": "worker", "exec_ns": 110, "traced_ns": 120, "spans": [load], "parent": MAIN}

    waiting = span("wait", 150, 900, "wait", waits_for=[WORKER, WORKER + 1])
    main = {"pid": MAIN, "role": "main", "exec_ns": 0, "traced_ns": 5, "spans": [waiting]}
    found = told(partitioned(main, worker(WORKER, 500, 250), worker(WORKER + 1, 800, 550)))
    assert found[("load_weights", COPY)] == (550, 7, None, None)


@st.composite
def trees_with_parts(draw: st.DrawFn) -> list[dict[str, Any]]:
    trees: list[dict[str, Any]] = draw(process_trees())
    names = st.sampled_from((COPY, READ, "8", "512", OTHER))
    for tree in trees:
        for line in tree["spans"]:
            if line["kind"] != "note" and draw(st.booleans()):
                numbers = st.fixed_dictionaries(
                    {"calls": st.integers(0, 9), "ns": st.integers(0, 300)}, optional={"bytes": st.integers(0, 9)}
                )
                line["attrs"]["parts"] = draw(st.dictionaries(names, numbers, max_size=3))
            if line["kind"] == "work" and draw(st.booleans()):
                line["attrs"]["part"] = draw(names)
    return trees


@settings(deadline=None, max_examples=80)
@given(trees=trees_with_parts())
def test_the_parts_of_a_phase_and_other_add_up_to_it_in_any_tree(trees: list[dict[str, Any]]):
    exec_ns = trees[0]["exec_ns"]
    with tempfile.TemporaryDirectory() as folder:
        for tree in trees:
            write_process(Path(folder), **tree)
        found = partition(read_processes(Path(folder)), MAIN, exec_ns, exec_ns + 400)
    by_phase: dict[str, list[Part]] = {}
    for part in found.parts:
        by_phase.setdefault(part.phase, []).append(part)
    for phase, parts in by_phase.items():
        assert sum(part.seconds for part in parts) == pytest.approx(found.phases[phase], abs=1e-12)
        assert all(part.seconds >= 0 for part in parts)
        assert [part.part for part in parts].count(OTHER) == 1
        assert parts[-1].part == OTHER
        assert len({part.part for part in parts}) == len(parts)
    event(f"{len(by_phase)} phases with parts")
    assert sorted(parts_from(part_rows(found.parts)), key=repr) == sorted(found.parts, key=repr)


def test_a_start_whose_spans_state_none_has_none():
    assert of_main(span("load", 100, 700, phase="load_weights")).parts == []


def test_of_very_many_parts_the_shortest_are_told_with_other():
    parts = {f"p{number}": sums(1 + number % 7) for number in range(MAX_PARTS + 100)}
    found = of_main(span("load", 100, 9_000, phase="load_weights", parts=parts), ready_ns=10_000)
    assert len(found.parts) == MAX_PARTS + 1
    assert sum(part.seconds for part in found.parts) == pytest.approx(found.phases["load_weights"])


def test_the_table_holds_numbers_that_are_told_and_reads_back_equal():
    parts = [Part("load_weights", COPY, 0.25, 10, 4096, 0), Part("load_weights", OTHER, 0.5)]
    content = table_csv(PARTS, part_rows(parts))
    assert content.decode() == (
        "phase,part,quantity,value\n"
        "load_weights,copy cpu to cuda,calls,10.0\nload_weights,copy cpu to cuda,seconds,0.25\n"
        "load_weights,copy cpu to cuda,bytes,4096.0\nload_weights,copy cpu to cuda,read_bytes,0.0\n"
        "load_weights,other,seconds,0.5\n"
    )
    assert parts_from(parse_table(PARTS, content, "parts.csv")) == parts


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([("a", "b", "calls", 1.0)], "b of a has no seconds"),
        ([("a", "b", "seconds", 1.0), ("a", "b", "seconds", 1.0)], "'seconds' is told twice"),
        ([("a", "b", "watts", 1.0)], "'watts' is told twice, or is no quantity"),
    ],
)
def test_a_table_that_cannot_be_is_refused_in_one_line(rows: list[tuple[str, str, str, float]], what: str):
    with pytest.raises(SlotError, match=what):
        parts_from(rows)
