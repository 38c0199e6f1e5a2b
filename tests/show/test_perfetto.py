import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analyse.partition import partition
from harness.analyse.spans import Process, read_processes
from harness.analyse.window import Window
from harness.show.perfetto import CRITICAL_PATH, GC_THREAD, trace_document
from harness.show.trace_events import Piece, Row, complete
from tests.analyse.span_files import Line, importing, process_trees, span, write_process
from tests.show.trace_event_format import Event, check

US = 1000


def trace_of(processes: list[Process], window: Window) -> list[Event]:
    """The events of a start, checked, after a way through a file."""
    parts = partition(processes, window.pid, window.exec_ns, window.end_ns)
    return check(json.loads(json.dumps(trace_document(processes, parts, window, {"run": "s1/1"}), allow_nan=False)))


def trace_of_main(folder: Path, spans: list[Line], end_us: int = 100, ready: bool = True) -> list[Event]:
    write_process(folder, 7, "main", 0, 5 * US, [_in_ns(line) for line in spans])
    return trace_of(read_processes(folder), Window(7, 0, end_us * US, ready))


def _in_ns(line: Line) -> Line:
    end = line["end_ns"]
    gc = {"gc": [[b * US, e * US, g] for b, e, g in line["attrs"]["gc"]]} if "gc" in line["attrs"] else {}
    times = {"begin_ns": line["begin_ns"] * US, "end_ns": None if end is None else end * US}
    return {**line, **times, "attrs": {**line["attrs"], **gc}}


def named(events: list[Event], name: str) -> Event:
    (found,) = (e for e in events if e["name"] == name)
    return found


def name_of(events: list[Event], what: str, **where: int) -> str:
    (found,) = (e for e in events if e["name"] == f"{what}_name" and all(e[k] == v for k, v in where.items()))
    return str(found["args"]["name"])


@settings(deadline=None, max_examples=40)
@given(tree=process_trees())
def test_any_start_becomes_a_valid_trace_with_every_span_and_the_partitions_seconds(tree: list[dict[str, Any]]):
    with tempfile.TemporaryDirectory() as folder:
        for arguments in tree:
            scaled = {key: arguments[key] * US for key in ("exec_ns", "traced_ns")}
            write_process(Path(folder), **{**arguments, **scaled, "spans": [_in_ns(s) for s in arguments["spans"]]})
        processes = read_processes(Path(folder))
    exec_ns, end_ns = tree[0]["exec_ns"] * US, (tree[0]["exec_ns"] + 350) * US
    events = trace_of(processes, Window(tree[0]["pid"], exec_ns, end_ns, ready=True))
    for process in processes:
        names = sorted(s.name for s in process.spans)
        of_it = [e for e in events if e["pid"] == process.pid and e["ph"] in ("X", "i") and e["cat"] != "gc"]
        assert sorted(e["name"] for e in of_it if e["name"] != "interpreter start") == names
    blocks = [e for e in events if e.get("cat") == "phase"]
    edges = [0, *(e["ts"] + e["dur"] for e in blocks)]
    assert [e["ts"] for e in blocks] == edges[:-1], "the path has a gap or an overlap"
    assert edges[-1] == 350
    phases = partition(processes, tree[0]["pid"], exec_ns, end_ns).phases
    for leaf, seconds in phases.items():
        assert sum(e["dur"] for e in blocks if e["name"] == leaf) == round(seconds * 1e6)


@given(st.lists(st.tuples(st.integers(0, 9_000), st.integers(-10, 9_000)), max_size=12), st.integers(0, 3_000))
def test_pieces_that_overlap_are_cut_so_that_they_nest_even_within_a_microsecond(
    pairs: list[tuple[int, int]], exec_ns: int
):
    pieces = [Piece(begin, end, f"piece {n}", "work") for n, (begin, end) in enumerate(pairs)]
    events = list(complete(Row(1, 1, exec_ns), pieces))
    names = [{"name": f"{w}_{s}", "ph": "M", "pid": 1, "tid": 1, "args": {s: v}} for w, s, v in _ROW_NAMES]
    check({"traceEvents": [*names, *events], "displayTimeUnit": "ms", "otherData": {}})
    assert len(events) == len(pieces)
    for event in events:
        piece = pieces[int(event["name"].split()[1])]
        begin = max(0, piece.begin_ns - exec_ns) // US
        end = max(0, max(piece.begin_ns, piece.end_ns) - exec_ns) // US
        assert (event["ts"], event["dur"] <= end - begin) == (begin, True)
        assert event["dur"] == end - begin or event["args"] == {"cut": True}


def test_of_two_pieces_that_begin_together_the_longer_one_is_around_the_other_and_neither_is_cut():
    events = complete(Row(1, 1, 0), [Piece(0, 5 * US, "inner", "work"), Piece(0, 9 * US, "outer", "work")])
    assert [(e["name"], e["dur"], e["args"]) for e in events] == [("outer", 9, {}), ("inner", 5, {})]


_ROW_NAMES = [(w, s, v) for w in ("process", "thread") for s, v in (("name", "row"), ("sort_index", 0))]


def test_a_span_keeps_its_times_its_thread_and_what_is_known_about_it(tmp_path: Path):
    spans = [
        span("LLM.__init__", 10, 60, "container", module="vllm"),
        span("rpc", 12, 30, "wait", waits_for=[99], detail="load_model", phase="load_weights", raised="OSError"),
        importing("torch.fx", 31, 40),
        span("read", 20, 25, tid=42),
        span("hook failed", 61, 61, "note", error="no such name"),
    ]
    events = trace_of_main(tmp_path, spans)
    rpc = named(events, "rpc(load_model)")
    assert (rpc["ts"], rpc["dur"], rpc["pid"], rpc["tid"], rpc["cat"]) == (12, 18, 7, 7, "wait")
    known = {"waits_for": [99], "detail": "load_model", "phase": "load_weights", "raised": "OSError", "kind": "wait"}
    assert rpc["args"] == known
    torch = named(events, "import torch.fx")
    assert (torch["cat"], torch["args"]) == ("import", {"kind": "work", "package": "torch"})
    assert named(events, "read")["tid"] == 42
    assert name_of(events, "thread", pid=7, tid=7) == "main thread"
    assert name_of(events, "thread", pid=7, tid=42) == "thread 1"
    assert name_of(events, "process", pid=7) == "main 7"
    note = named(events, "hook failed")
    assert (note["ph"], note["s"], note["ts"], note["args"]) == ("i", "t", 61, {"error": "no such name"})
    assert (named(events, "interpreter start")["ts"], named(events, "interpreter start")["dur"]) == (0, 5)


def test_the_critical_path_is_a_process_of_its_own_above_the_others_with_phases_packages_and_ready(tmp_path: Path):
    spans = [importing("torch", 10, 30), importing("vllm", 30, 40), span("load", 40, 90, phase="load_weights")]
    events = trace_of_main(tmp_path, spans)
    (number,) = (e["pid"] for e in events if e["args"] == {"name": CRITICAL_PATH})
    rows = [(e["name"], e["ts"], e["dur"]) for e in events if e["pid"] == number and e["ph"] == "X"]
    assert rows == [
        ("interpreter:main", 0, 5),
        ("unattributed", 5, 5),
        ("imports:main", 10, 30),
        ("torch", 10, 20),
        ("vllm", 30, 10),
        ("load_weights", 40, 50),
        ("unattributed", 90, 10),
    ]
    assert named(events, "torch")["args"] == {"role": "main", "pid": 7, "package": "torch"}
    assert (named(events, "ready")["ts"], named(events, "ready")["s"]) == (100, "g")
    order = {e["pid"]: e["args"]["sort_index"] for e in events if e["name"] == "process_sort_index"}
    assert order[number] < order[7]


def test_an_open_span_lasts_until_the_window_ends_and_says_that_it_was_open(tmp_path: Path):
    spans = [span("serve", 10, None, "container"), span("hang", 20, None, phase="warmup"), importing("late", 150, None)]
    events = trace_of_main(tmp_path, spans, ready=False)
    assert [(named(events, n)["ts"], named(events, n)["dur"]) for n in ("serve", "hang")] == [(10, 90), (20, 80)]
    assert named(events, "hang")["args"] == {"kind": "work", "phase": "warmup", "open": True}
    assert (named(events, "import late")["ts"], named(events, "import late")["dur"]) == (150, 0)
    assert named(events, "end, never ready")["ts"] == 100
    assert not [e for e in events if e["name"] == "ready"]


def test_the_exit_of_a_child_ends_where_the_wait_for_it_returns_not_with_the_window(tmp_path: Path):
    write_process(tmp_path, 8, "child", 20 * US, 22 * US, [_in_ns(span("interpreter exit", 30, None))], parent=7)
    waits = [span("Popen.wait", 15, 18, "wait", waits_for=[8]), span("Popen.wait", 24, 35, "wait", waits_for=[8])]
    events = trace_of_main(tmp_path, waits)
    assert (named(events, "interpreter exit")["ts"], named(events, "interpreter exit")["dur"]) == (30, 5)


def test_garbage_collections_are_a_row_of_their_process_and_no_process_without_any_has_one(tmp_path: Path):
    write_process(tmp_path, 8, "engine", 20 * US, 22 * US, [], parent=7)
    spans = [span("load", 10, 40, gc=[[12, 14, 2]]), span("warm", 40, 90, gc=[[50, 55, 0], [60, 61, 2]])]
    events = trace_of_main(tmp_path, spans)
    ((pid, tid),) = ((e["pid"], e["tid"]) for e in events if e["args"] == {"name": GC_THREAD})
    assert pid == 7
    assert tid not in (7, 8)
    row = [(e["name"], e["ts"], e["dur"], e["args"]["during"]) for e in events if e.get("cat") == "gc"]
    assert row == [("generation 2", 12, 2, "load"), ("generation 0", 50, 5, "warm"), ("generation 2", 60, 1, "warm")]
    assert "gc" not in named(events, "load")["args"]


def test_two_span_files_of_one_process_id_are_two_processes(tmp_path: Path):
    write_process(tmp_path, 7, "inspect", 20 * US, 22 * US, [_in_ns(span("look", 30, 40))])
    events = trace_of_main(tmp_path, [span("serve", 10, None, "container")])
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    assert sorted(names.values()) == [CRITICAL_PATH, "inspect 7", "main 7"]
    assert names[named(events, "look")["pid"]] == "inspect 7"


@pytest.mark.parametrize("broken", [{"dur": -1}, {"ts": 1.5}, {"ts": 15, "dur": 9}, {"ph": "B"}, {"tid": 3}])
def test_the_checker_refuses_what_perfetto_would_not_show(tmp_path: Path, broken: dict[str, Any]):
    events = trace_of_main(tmp_path, [span("outer", 10, 20), span("inner", 12, 18)])
    inner = named(events, "inner")
    inner |= broken
    with pytest.raises(AssertionError):
        check({"traceEvents": events, "displayTimeUnit": "ms", "otherData": {}})
