"""The partition over random process trees: what holds of every start."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from harness.analyse.partition import ENGINE_ROLES, Partition, Segment
from harness.analyse.phases import LEAVES, UNATTRIBUTED
from harness.analyse.spans import Process, Span
from tests.analyse.span_files import HELPERS, Line, process_trees
from tests.analyse.written_starts import MAIN, Start

KNOWN = {*LEAVES, UNATTRIBUTED} | {f"{leaf}:{role}" for leaf in ("imports", "interpreter") for role in ENGINE_ROLES}


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
