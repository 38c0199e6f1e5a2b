"""A serving trace's file: read as it was written, and refused with its line where it cannot be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.record.serving_trace import AnatomyRunError, Span, read_serving_trace

HEADER = {
    "schema": 1, "clock": "CLOCK_MONOTONIC", "pid": 7, "role": "engine", "main_tid": 8, "event_ns": 2000,
    "inside_ns": 1200, "pass_ns": 0,
    "hooks": [{"name": "schedule", "module": "vllm.v1", "stage": "schedule", "kind": "work", "detail": False}],
}  # fmt: skip
ROW = [0, 8, 100, 160, 60, 55, 55, -1, {"step": 1, "new": ["cmpl-c1-0-0"], "tokens": 4}]
WINDOW = {
    "window": "c1", "begin_ns": 50, "end_ns": 500, "process_cpu_ns": 80, "main_cpu_ns": 70, "events": 2, "told_ns": 0,
    "threads": [{"tid": 8, "name": "main", "cpu_ns": 70, "wait_ns": 3}],
    "detail": [{"begin_ns": 50, "end_ns": 90, "main_cpu_ns": 5, "process_cpu_ns": 6, "events": 0, "told_ns": 0}],
}  # fmt: skip


def lines() -> list[dict[str, Any]]:
    """Two windows; the first one's spans come in two lines."""
    cut = [0, 8, 160, 200, 40, None, None, -1, None]
    document = [HEADER, {"window": "c1", "spans": [ROW]}, {"window": "c1", "spans": [cut]}, WINDOW,
                {**WINDOW, "window": "c8", "begin_ns": 600, "end_ns": 700, "detail": []}]  # fmt: skip
    return json.loads(json.dumps(document))


def written(path: Path, document: list[Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in document))
    return path


def test_spans_belong_to_the_window_that_follows_them(tmp_path: Path) -> None:
    trace = read_serving_trace(written(tmp_path / "a.jsonl", lines()))
    assert (trace.role, trace.pid, trace.main_tid, trace.event_ns, trace.inside_ns) == ("engine", 7, 8, 2000, 1200)
    assert list(trace.windows) == ["c1", "c8"]
    assert trace.windows["c1"].spans[0] == Span(*ROW)
    assert trace.windows["c1"].spans[1].cpu_ns is None
    assert trace.windows["c8"].spans == []
    assert trace.windows["c1"].threads[0].wait_ns == 3
    assert trace.windows["c1"].detail[0].process_cpu_ns == 6


def change(line: int, edit: Callable[[dict[str, Any]], Any]) -> Callable[[list[dict[str, Any]]], list[Any]]:
    def changed(document: list[dict[str, Any]]) -> list[Any]:
        edit(document[line])
        return document

    return changed


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda document: document[:0], "a.jsonl: empty"),
        (change(0, lambda line: line.update(schema=2)), "a.jsonl: line 1: no serving trace of schema 1"),
        (change(0, lambda line: line.update(clock="CLOCK_REALTIME")), "a.jsonl: line 1: no serving trace"),
        (change(0, lambda line: line.update(role="clown")), "a.jsonl: line 1: role must be one of api, engine, worker"),
        (change(0, lambda line: line.update(inside_ns=9000)), "inside_ns at most event_ns"),
        (change(0, lambda line: line.pop("pid")), "a.jsonl: line 1: missing or unknown keys: pid"),
        (change(0, lambda line: line["hooks"][0].update(kind="rest")), "a.jsonl: line 1: hooks: kind must be one of"),
        (change(0, lambda line: line.update(hooks={})), "a.jsonl: line 1: hooks: must be a list"),
        (change(1, lambda line: line["spans"][0].pop()), "line 2: a span that cannot be"),
        (change(1, lambda line: line["spans"][0].__setitem__(0, 1)), "line 2: a span that cannot be"),
        (change(1, lambda line: line["spans"][0].__setitem__(3, 99)), "line 2: a span that cannot be"),
        (change(1, lambda line: line["spans"][0].__setitem__(4, -1)), "line 2: a span that cannot be"),
        (change(1, lambda line: line["spans"][0].__setitem__(5, -1)), "line 2: a span that cannot be"),
        (change(1, lambda line: line["spans"][0].__setitem__(2, True)), "line 2: a span that cannot be"),
        (change(1, lambda line: line["spans"][0].__setitem__(8, {"new": [1]})), "line 2: a span that cannot be"),
        (change(1, lambda line: line["spans"][0].__setitem__(8, {"a\x1b": 1})), "line 2: a span that cannot be"),
        (change(2, lambda line: line.update(window="c8")), "a.jsonl: line 3: window must be a name"),
        (change(3, lambda line: line.update(end_ns=10)), "a.jsonl: line 4: an interval ends before it begins"),
        (change(3, lambda line: line.update(process_cpu_ns=-1)), "a.jsonl: line 4: process_cpu_ns has a value"),
        (change(3, lambda line: line.update(detail=2 * line["detail"])), "a.jsonl: line 4: detail: intervals must be"),
        (change(3, lambda line: line["threads"][0].pop("name")), "line 4: threads: missing or unknown keys: name"),
        (change(4, lambda line: line.update(window="c1")), "a.jsonl: line 5: window must be a name"),
        (lambda document: document[:3], "a.jsonl: line 3: cut off: window c1 has no end"),
        (lambda document: [*document, 3], "a.jsonl: line 6: not a JSON object"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_line(
    tmp_path: Path, damage: Callable[[list[dict[str, Any]]], list[Any]], said: str
) -> None:
    path = written(tmp_path / "a.jsonl", damage(lines()))
    with pytest.raises(AnatomyRunError) as error:
        read_serving_trace(path)
    assert said in str(error.value)
    assert str(error.value).isprintable()


def test_a_torn_line_and_no_file_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", lines())
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(AnatomyRunError, match=r"a\.jsonl: line 5: not JSON"):
        read_serving_trace(path)
    path.write_bytes(b"{\n")
    with pytest.raises(AnatomyRunError, match=r"a\.jsonl: line 1: not JSON"):
        read_serving_trace(path)
    with pytest.raises(AnatomyRunError, match=r"b\.jsonl: cannot be read"):
        read_serving_trace(tmp_path / "b.jsonl")
