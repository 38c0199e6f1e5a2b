import json
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analyse.spans import Process, SpanFileError, read_process, read_processes, unwritten
from tests.analyse.span_files import Line, importing, nested, span, write_process


def open_at(process: Process, ns: int) -> list[str]:
    """Names of the main thread's spans open at ``ns``, outermost first, the slow way."""
    forever = 1 << 62
    ends: list[tuple[int, int, str]] = []
    for s in sorted(process.spans, key=lambda s: (s.begin_ns, -(s.end_ns or forever))):
        if s.tid == process.pid and s.kind != "note":
            around = [end for begin, end, _ in ends if begin <= s.begin_ns < end]
            ends.append((s.begin_ns, min([s.end_ns or forever, *around]), s.name))
    return [name for begin, end, name in ends if begin <= ns < end]


@settings(deadline=None)
@given(spans=nested(10, 60, [1, 2]), begin=st.integers(0, 70), length=st.integers(0, 40))
def test_the_main_threads_slices_cover_any_window_without_gaps_and_hold_what_was_open(
    spans: list[Line], begin: int, length: int
):
    with tempfile.TemporaryDirectory() as folder:
        spans = [*spans, span("other thread", 0, 80, tid=77), span("a note", 15, 15, "note")]
        process = read_process(write_process(Path(folder), 1, "main", 0, 5, spans))
    end = begin + length
    slices = process.main_thread(begin, end)
    edges = [begin, *(s.end_ns for s in slices)]
    assert [s.begin_ns for s in slices] == edges[:-1]
    assert edges[-1] == end
    assert all(s.begin_ns < s.end_ns for s in slices)
    for piece in slices:
        names = [s.name for s in piece.stack]
        for ns in range(piece.begin_ns, piece.end_ns):
            assert names == open_at(process, ns)


def test_a_begin_line_is_superseded_by_the_line_that_ends_the_span_and_only_by_it(tmp_path: Path):
    spans = [
        span("call", 10, 20, "wait", waits_for=[7]),
        span("call", 10, 15, tid=5),  # same name and begin, other thread
        span("call", 21, None, "wait"),
        span("called", 10, 12),
    ]
    process = read_process(write_process(tmp_path, 1, "main", 0, 5, spans))
    found = sorted((s.name, s.tid, s.begin_ns, s.end_ns or -1) for s in process.spans)
    assert found == [("call", 1, 10, 20), ("call", 1, 21, -1), ("call", 5, 10, 15), ("called", 1, 10, 12)]
    assert [s.attrs for s in process.spans if s.end_ns == 20] == [{"waits_for": [7]}]


def test_an_open_span_lasts_until_the_span_around_it_ends(tmp_path: Path):
    spans = [span("outer", 10, 30, "container"), span("open", 12, None), span("inner", 14, 16), span("next", 30, 40)]
    process = read_process(write_process(tmp_path, 1, "main", 0, 5, spans))
    found = [(s.begin_ns, s.end_ns, "/".join(span.name for span in s.stack)) for s in process.main_thread(8, 45)]
    assert found == [
        (8, 10, ""),
        (10, 12, "outer"),
        (12, 14, "outer/open"),
        (14, 16, "outer/open/inner"),
        (16, 30, "outer/open"),
        (30, 40, "next"),
        (40, 45, ""),
    ]


def test_a_line_cut_off_by_a_kill_is_counted_and_the_rest_is_used(tmp_path: Path):
    path = write_process(tmp_path, 1, "main", 0, 5, [importing("a.b", 10, 20)], tail='{"name":"work","begin_ns":30,"en')
    process = read_process(path)
    assert process.malformed_lines == 1
    assert [(s.name, s.package, s.end_ns) for s in process.spans] == [("import a.b", "a", 20)]


@given(cut=st.integers(0, 10_000))
def test_wherever_a_file_is_cut_it_is_read_up_to_there(cut: int):
    with tempfile.TemporaryDirectory() as folder:
        path = write_process(Path(folder), 1, "main", 0, 5, [span(f"s{n}", 10 * n, 10 * n + 5) for n in range(1, 6)])
        whole = path.read_bytes()
        header = whole.index(b"\n") + 1
        kept = header + cut % (len(whole) - header + 1)
        path.write_bytes(whole[:kept])
        process = read_process(path)
    assert process.malformed_lines <= 1
    finished = {s.name for s in process.spans if s.end_ns is not None}
    complete = whole[:kept].count(b"\n") - 1
    assert len(finished) in (complete // 2, (complete + 1) // 2)  # a line may lack nothing but its line feed


@pytest.mark.parametrize(
    "first_line",
    ["", "{", "[]", "7", '{"pid": 1}', '{"pid":"x","parent_pid":1,"role":"main","exec_ns":0,"traced_ns":1}'],
)
def test_a_missing_header_is_an_error_that_names_file_and_line(tmp_path: Path, first_line: str):
    (tmp_path / "main-1.jsonl").write_text(first_line + ("\n" if first_line else ""), encoding="utf-8")
    with pytest.raises(SpanFileError, match=r"^main-1\.jsonl:1: no span file header"):
        read_process(tmp_path / "main-1.jsonl")
    if first_line:
        with pytest.raises(SpanFileError, match=r"^main-1\.jsonl:1: "):
            read_processes(tmp_path)


def test_processes_with_an_empty_file_are_named_by_it(tmp_path: Path):
    for name in ("engine-11.jsonl", "main-10-2.jsonl", "resource_tracker-12.jsonl", "notes.jsonl", "main-13.txt"):
        (tmp_path / name).touch()
    write_process(tmp_path, 20, "worker", 0, 5, [])
    assert unwritten(tmp_path) == {10: "main", 11: "engine", 12: "resource_tracker"}
    assert unwritten(tmp_path / "absent") == {}


def test_a_process_killed_before_its_header_does_not_make_the_start_unreadable(tmp_path: Path):
    (tmp_path / "child-2.jsonl").touch()
    header = {"pid": 1, "parent_pid": 0, "role": "main", "exec_ns": 0, "traced_ns": 1}
    (tmp_path / "main-1.jsonl").write_text(json.dumps(header) + "\n", encoding="utf-8")
    assert [process.pid for process in read_processes(tmp_path)] == [1]


NUMBERS = st.integers() | st.sampled_from((math.inf, math.nan, 1.5))
VALUES = NUMBERS | st.none() | st.booleans() | st.text(max_size=5) | st.lists(NUMBERS, max_size=2)
HEADERS = st.fixed_dictionaries(dict.fromkeys(("pid", "parent_pid", "role", "exec_ns", "traced_ns"), NUMBERS))
LINES = st.fixed_dictionaries(
    dict.fromkeys(("name", "begin_ns", "end_ns", "tid", "kind"), VALUES) | {"attrs": st.just({}) | VALUES}
)


@settings(deadline=None)
@given(header=HEADERS | VALUES, lines=st.lists(LINES | VALUES, max_size=4))
def test_whatever_json_a_file_holds_it_is_read_or_refused_by_name(header: object, lines: list[object]):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "main-1.jsonl"
        path.write_text("\n".join(map(json.dumps, [header, *lines])), encoding="utf-8")
        try:
            process, refusal = read_process(path), ""
        except SpanFileError as error:
            process, refusal = None, str(error)
    assert process is not None or refusal.startswith("main-1.jsonl:1: ")
    assert process is None or process.malformed_lines + len(process.spans) <= len(lines)


def test_processes_come_in_the_order_of_their_start_and_other_files_are_ignored(tmp_path: Path):
    write_process(tmp_path, 30, "worker", 20, 25, [])
    write_process(tmp_path, 20, "engine", 10, 15, [])
    write_process(tmp_path, 10, "main", 0, 5, [])
    (tmp_path / "notes.txt").write_text("not spans", encoding="utf-8")
    assert [(p.role, p.pid) for p in read_processes(tmp_path)] == [("main", 10), ("engine", 20), ("worker", 30)]


def test_notes_are_found_by_name_and_are_no_time(tmp_path: Path):
    spans = [span("tracer exit", 20, 20, "note", self_ns=5, events=2), span("work", 10, 30)]
    process = read_process(write_process(tmp_path, 1, "main", 0, 5, spans))
    assert process.notes("tracer exit") == [{"self_ns": 5, "events": 2}]
    assert process.notes("work") == []
    assert [(s.begin_ns, s.end_ns) for s in process.main_thread(10, 30)] == [(10, 30)]
