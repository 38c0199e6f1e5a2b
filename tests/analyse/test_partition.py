"""The partition: properties over random process trees, then one example per rule.

Over 300 lines: the examples are the rules' specification and are read beside the properties.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from harness.analyse.partition import ENGINE_ROLES, Partition, Segment, partition
from harness.analyse.phases import LEAVES, UNATTRIBUTED
from harness.analyse.spans import Process, Span, read_processes
from tests.analyse.span_files import HELPERS, Line, importing, process_trees, span, write_process

MAIN, ENGINE, WORKER, OTHER_WORKER, HELPER = 100, 101, 102, 103, 104
KNOWN = {*LEAVES, UNATTRIBUTED} | {f"{leaf}:{role}" for leaf in ("imports", "interpreter") for role in ENGINE_ROLES}


class Start:
    """A written start: its processes, and its partition."""

    def __init__(self, tree: list[dict[str, Any]], exec_ns: int, ready_ns: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for process in tree:
                write_process(Path(folder), **process)
            self.processes = read_processes(Path(folder))
        self.exec_ns, self.ready_ns = exec_ns, ready_ns
        self.parts: Partition = partition(self.processes, MAIN, exec_ns, ready_ns)
        self.by_pid = {process.pid: process for process in self.processes}

    def open_at(self, process: Process, ns: int) -> list[Span]:
        """The main thread's open spans at ``ns``, outermost first."""
        [piece] = process.main_thread(ns, ns + 1)
        return list(piece.stack)

    def traced_children(self, wait: Span) -> list[Process]:
        pids = wait.attrs.get("waits_for", ())
        return [self.by_pid[pid] for pid in pids if pid in self.by_pid and self.by_pid[pid].role in ENGINE_ROLES]


TREES = settings(deadline=None, max_examples=60)  # a tree takes 15 ms
READY_NS = st.sampled_from((400, 250)) | st.integers(1, 400)


@st.composite
def starts(draw: st.DrawFn) -> Start:
    tree = draw(process_trees())
    exec_ns = tree[0]["exec_ns"]
    return Start(tree, exec_ns, exec_ns + draw(READY_NS))


def seconds(ns: int) -> float:
    return ns / 1e9


@TREES
@given(start=starts())
def test_segments_are_contiguous_and_cover_exactly_exec_to_ready(start: Start):
    segments = start.parts.segments
    assert [s.begin_ns for s in segments] == [start.exec_ns, *(s.end_ns for s in segments)][:-1]
    assert segments[-1].end_ns == start.ready_ns
    assert all(s.begin_ns < s.end_ns for s in segments)
    event(f"{len({s.pid for s in segments})} processes on the path")


@TREES
@given(start=starts())
def test_leaves_add_up_to_ready_to_the_nanosecond_and_packages_to_their_leaf(start: Start):
    ns: dict[str, int] = {}
    for segment in start.parts.segments:
        ns[segment.leaf] = ns.get(segment.leaf, 0) + segment.end_ns - segment.begin_ns
    assert sum(ns.values()) == start.ready_ns - start.exec_ns
    assert start.parts.ready_s == seconds(start.ready_ns - start.exec_ns)
    assert start.parts.phases == {UNATTRIBUTED: 0.0} | {leaf: seconds(n) for leaf, n in ns.items()}
    assert sum(start.parts.phases.values()) == pytest.approx(start.parts.ready_s, abs=1e-12)
    for leaf, packages in start.parts.packages.items():
        assert sum(packages.values()) == pytest.approx(start.parts.phases[leaf], abs=1e-12)
    assert start.parts.packages.keys() == {leaf for leaf in ns if leaf.startswith("imports:")}


@TREES
@given(start=starts())
def test_every_segment_has_a_known_leaf_of_its_own_role_and_only_imports_have_a_package(start: Start):
    for segment in start.parts.segments:
        assert segment.leaf in KNOWN
        assert segment.role == start.by_pid[segment.pid].role
        assert segment.role not in HELPERS
        if ":" in segment.leaf:
            assert segment.leaf.endswith(f":{segment.role}")
        assert (segment.package is not None) == segment.leaf.startswith("imports:")


@TREES
@given(start=starts())
def test_a_child_is_on_the_path_only_while_a_process_on_the_way_to_it_waits_for_it(start: Start):
    for segment in start.parts.segments:
        reached, frontier = {MAIN}, [start.by_pid[MAIN]]
        while frontier:
            process = frontier.pop()
            stack = start.open_at(process, segment.begin_ns)
            waited = start.traced_children(stack[-1]) if stack and stack[-1].kind == "wait" else []
            frontier += [child for child in waited if child.pid not in reached]
            reached |= {child.pid for child in waited}
        assert segment.pid in reached


def leaf_by_the_rules(start: Start, process: Process, stack: tuple[Span, ...]) -> str:
    """The leaf of a stack of open spans: of the innermost that explains it, up to a container or an idle wait."""
    for open_span in reversed(stack):
        if open_span.package is not None:
            return f"imports:{process.role}"
        if open_span.kind == "container" or (open_span.kind == "wait" and start.traced_children(open_span)):
            return UNATTRIBUTED
        if "phase" in open_span.attrs:
            return open_span.attrs["phase"]
    return UNATTRIBUTED


@TREES
@given(start=starts())
def test_time_belongs_to_the_innermost_span_that_explains_it_and_else_it_is_unattributed(start: Start):
    for segment in start.parts.segments:
        process = start.by_pid[segment.pid]
        exec_ns = start.exec_ns if segment.pid == MAIN else process.exec_ns
        if segment.begin_ns < exec_ns:
            assert (segment.leaf, segment.path) == ("process_spawn", ("process start",))
        elif segment.begin_ns < process.traced_ns:
            assert (segment.leaf, segment.path) == (f"interpreter:{process.role}", ("interpreter start",))
        else:
            for piece in process.main_thread(segment.begin_ns, segment.end_ns):
                assert segment.leaf == leaf_by_the_rules(start, process, piece.stack)
                assert segment.path == tuple(open_span.name for open_span in piece.stack)


@TREES
@given(start=starts())
def test_the_gap_list_is_the_unattributed_segments_longest_first_with_their_neighbours(start: Start):
    segments, gaps = start.parts.segments, start.parts.gaps
    assert [gap.seconds for gap in gaps] == sorted((gap.seconds for gap in gaps), reverse=True)
    expected = []
    for index, segment in enumerate(segments):
        if segment.leaf == UNATTRIBUTED:
            after = _name(segments[index - 1]) if index else "(edge of the start)"
            before = _name(segments[index + 1]) if index + 1 < len(segments) else "(edge of the start)"
            container = segment.path[-1] if segment.path else "(top level)"
            begin_s, length_s = seconds(segment.begin_ns - start.exec_ns), seconds(segment.end_ns - segment.begin_ns)
            expected.append((begin_s, length_s, segment.role, segment.pid, container, after, before))
    found = [(g.begin_s, g.seconds, g.role, g.pid, g.container, g.after, g.before) for g in gaps]
    assert sorted(found) == expected
    assert sum(gap.seconds for gap in gaps) == pytest.approx(start.parts.phases[UNATTRIBUTED], abs=1e-12)


@TREES
@given(tree=process_trees(), ready=READY_NS)
def test_neither_other_threads_nor_notes_nor_helper_processes_change_the_partition(
    tree: list[dict[str, Any]], ready: int
):
    def essential(line: Line) -> bool:
        return line["tid"] is None and line["kind"] != "note"

    bare = [p | {"spans": [s for s in p["spans"] if essential(s)]} for p in tree if p["role"] not in HELPERS]
    exec_ns = tree[0]["exec_ns"]
    assert Start(tree, exec_ns, exec_ns + ready).parts == Start(bare, exec_ns, exec_ns + ready).parts


def _of_leaf(parts: Partition, leaf: str) -> Iterator[Segment]:
    return (segment for segment in parts.segments if segment.leaf == leaf)


def _name(segment: Segment) -> str:
    return f"{segment.role}: {segment.path[-1] if segment.path else '(top level)'}"


# Examples. Main is executed at 0, its interpreter is up at 10, and it is ready at 100.


def process(pid: int, role: str, exec_ns: int, traced_ns: int, *spans: Line) -> dict[str, Any]:
    return {"pid": pid, "role": role, "exec_ns": exec_ns, "traced_ns": traced_ns, "spans": list(spans)}


def path_of(*tree: dict[str, Any]) -> list[tuple[int, int, str, str]]:
    """(begin, end, role, leaf) of each segment."""
    return [(s.begin_ns, s.end_ns, s.role, s.leaf) for s in Start(list(tree), 0, 100).parts.segments]


def test_a_wait_hands_over_to_its_child_and_takes_back_afterwards():
    main = process(
        MAIN,
        "main",
        0,
        10,
        span("setup", 10, 20, phase="config"),
        span("wait", 20, 90, "wait", waits_for=[ENGINE]),
        span("finish", 90, 100, phase="renderer"),
    )
    engine = process(ENGINE, "engine", 15, 30, importing("torch", 30, 60), span("warm", 60, 95, phase="warmup"))
    assert path_of(main, engine) == [
        (0, 10, "main", "interpreter:main"),
        (10, 20, "main", "config"),
        (20, 30, "engine", "interpreter:engine"),
        (30, 60, "engine", "imports:engine"),
        (60, 90, "engine", "warmup"),
        (90, 100, "main", "renderer"),
    ]


def test_time_before_a_waited_for_childs_exec_is_process_spawn():
    main = process(MAIN, "main", 0, 10, span("wait", 10, 100, "wait", waits_for=[ENGINE]))
    engine = process(ENGINE, "engine", 25, 40, span("warm", 40, 200, phase="warmup"))
    assert path_of(main, engine)[1:] == [
        (10, 25, "engine", "process_spawn"),
        (25, 40, "engine", "interpreter:engine"),
        (40, 100, "engine", "warmup"),
    ]


def test_of_several_workers_the_one_that_was_busy_last_is_walked():
    main = process(MAIN, "main", 0, 10, span("wait", 10, 100, "wait", waits_for=[WORKER, OTHER_WORKER]))
    early = process(WORKER, "worker", 5, 10, span("load", 10, 60, phase="load_weights"))
    late = process(OTHER_WORKER, "worker", 5, 10, span("load", 20, 80, phase="model_init"))
    expected = [
        (10, 20, "worker", UNATTRIBUTED),
        (20, 80, "worker", "model_init"),
        (80, 100, "worker", UNATTRIBUTED),
    ]
    assert path_of(main, early, late)[1:] == path_of(main, late, early)[1:] == expected


def test_a_worker_that_waits_for_a_compiler_is_busy():
    main = process(MAIN, "main", 0, 10, span("wait", 10, 100, "wait", waits_for=[WORKER, OTHER_WORKER]))
    loading = process(WORKER, "worker", 5, 10, span("load", 10, 60, phase="load_weights"))
    compiling = process(
        OTHER_WORKER,
        "worker",
        5,
        10,
        span("compile", 10, 200, "container"),
        span("g++", 20, 90, "wait", waits_for=[999], phase="compiler_subprocess"),
    )
    leaves = [leaf for _, _, _, leaf in path_of(main, loading, compiling)[1:]]
    assert leaves == [UNATTRIBUTED, "compiler_subprocess", UNATTRIBUTED]


def test_a_wait_for_an_untraced_process_belongs_to_whoever_asked():
    main = process(
        MAIN,
        "main",
        0,
        10,
        span("compile", 10, 60, phase="inductor_codegen"),
        span("g++", 20, 50, "wait", waits_for=[999], phase="compiler_subprocess"),
        importing("torch", 60, 90),
        span("probe", 70, 80, "wait", waits_for=[999]),
        span("box", 90, 100, "container"),
        span("probe", 92, 98, "wait", waits_for=[999]),
    )
    assert path_of(main)[1:] == [
        (10, 20, "main", "inductor_codegen"),
        (20, 50, "main", "compiler_subprocess"),
        (50, 60, "main", "inductor_codegen"),
        (60, 70, "main", "imports:main"),
        (70, 80, "main", "imports:main"),
        (80, 90, "main", "imports:main"),
        (90, 92, "main", UNATTRIBUTED),
        (92, 98, "main", UNATTRIBUTED),
        (98, 100, "main", UNATTRIBUTED),
    ]


def test_a_wait_for_a_helper_process_belongs_to_whoever_asked_and_the_helper_is_not_walked():
    main = process(
        MAIN,
        "main",
        0,
        10,
        span("probe", 10, 100, phase="isa_probe"),
        span("wait", 20, 90, "wait", waits_for=[HELPER]),
    )
    helper = process(HELPER, "child", 20, 30, importing("json", 30, 80))
    assert {(role, leaf) for _, _, role, leaf in path_of(main, helper)} == {
        ("main", "interpreter:main"),
        ("main", "isa_probe"),
    }


def test_a_containers_own_time_is_unattributed_and_listed_with_its_neighbours():
    main = process(
        MAIN,
        "main",
        0,
        10,
        span("first", 10, 20, phase="config"),
        span("box", 20, 90, "container", detail="load"),
        span("second", 40, 70, phase="plugins"),
        span("third", 90, 100, phase="renderer"),
    )
    gaps = Start([main], 0, 100).parts.gaps
    assert [(g.begin_s, g.seconds, g.container, g.after, g.before) for g in gaps] == [
        (20e-9, 20e-9, "box(load)", "main: first", "main: second"),
        (70e-9, 20e-9, "box(load)", "main: second", "main: third"),
    ]


def test_time_with_no_span_open_is_unattributed_up_to_the_edge_of_the_start():
    gaps = Start([process(MAIN, "main", 0, 10)], 0, 100).parts.gaps
    assert [(g.container, g.after, g.before) for g in gaps] == [
        ("(top level)", "main: interpreter start", "(edge of the start)")
    ]


def test_work_without_a_phase_belongs_to_the_work_or_import_around_it():
    main = process(
        MAIN,
        "main",
        0,
        10,
        span("load", 10, 50, phase="load_weights"),
        span("helper", 20, 30),
        importing("vllm.config", 50, 100),
        span("scan", 60, 70),
        span("probe", 80, 90, phase="detect_platform"),
    )
    assert [leaf for _, _, _, leaf in path_of(main)[1:]] == [
        *["load_weights"] * 3,
        *["imports:main"] * 3,
        "detect_platform",
        "imports:main",
    ]


def test_two_calls_of_one_function_in_a_row_are_one_segment_unless_their_phases_differ():
    phases = ((10, "config"), (20, "config"), (30, "warmup"))
    calls = [span("call", begin, begin + 10, phase=phase) for begin, phase in phases]
    assert path_of(process(MAIN, "main", 0, 10, *calls))[1:] == [
        (10, 30, "main", "config"),
        (30, 40, "main", "warmup"),
        (40, 100, "main", UNATTRIBUTED),
    ]


def test_imports_are_split_by_the_innermost_package():
    main = process(MAIN, "main", 0, 10, importing("vllm.config", 10, 100), importing("torch", 30, 90))
    packages = Start([main], 0, 100).parts.packages
    assert packages == {"imports:main": {"vllm": pytest.approx(30e-9), "torch": pytest.approx(60e-9)}}


def test_start_and_exit_of_an_inspection_interpreter_that_is_waited_for_are_its_interpreter_leaf():
    main = process(
        MAIN,
        "main",
        0,
        10,
        span("inspect", 10, 100, phase="model_inspect"),
        span("wait", 20, 90, "wait", waits_for=[ENGINE]),
    )
    inspect = process(
        ENGINE,
        "inspect",
        20,
        30,
        importing("vllm", 30, 60),
        span("tracer exit", 70, 70, "note"),
        span("interpreter exit", 70, None, phase="interpreter"),
    )
    assert path_of(main, inspect)[1:] == [
        (10, 20, "main", "model_inspect"),
        (20, 30, "inspect", "interpreter:inspect"),
        (30, 60, "inspect", "imports:inspect"),
        (60, 70, "inspect", UNATTRIBUTED),
        (70, 90, "inspect", "interpreter:inspect"),
        (90, 100, "main", "model_inspect"),
    ]


def test_processes_that_wait_for_each_other_end_in_unattributed_time():
    main = process(MAIN, "main", 0, 10, span("wait", 10, 100, "wait", waits_for=[ENGINE]))
    engine = process(ENGINE, "engine", 5, 10, span("answer", 10, 100, "wait", waits_for=[MAIN], phase="warmup"))
    assert path_of(main, engine)[1:] == [(10, 100, "engine", UNATTRIBUTED)]
    engine = process(ENGINE, "engine", 5, 10, span("call", 10, 100, "wait", waits_for=[WORKER]))
    worker = process(WORKER, "worker", 5, 10, span("answer", 10, 100, "wait", waits_for=[ENGINE, WORKER]))
    assert path_of(main, engine, worker)[1:] == [(10, 100, "worker", UNATTRIBUTED)]


def test_a_wait_whose_child_starts_only_after_it_is_unattributed():
    main = process(MAIN, "main", 0, 10, span("wait", 10, 60, "wait", waits_for=[ENGINE], phase="config"))
    engine = process(ENGINE, "engine", 70, 80)
    assert path_of(main, engine)[1:] == [(10, 60, "main", UNATTRIBUTED), (60, 100, "main", UNATTRIBUTED)]


@pytest.mark.parametrize(
    ("main_pid", "ready_ns", "message"),
    [
        (7, 100, "no spans of the main process (pid 7): was the tracer loaded?"),
        (MAIN, 0, "ready (0) is not after exec (0)"),
        (MAIN, -5, "ready (-5) is not after exec (0)"),
    ],
)
def test_a_start_that_cannot_be_partitioned_is_refused(main_pid: int, ready_ns: int, message: str):
    processes = Start([process(MAIN, "main", 0, 10)], 0, 100).processes
    with pytest.raises(ValueError) as refused:  # noqa: PT011  the message is compared below
        partition(processes, main_pid, 0, ready_ns)
    assert str(refused.value) == message
