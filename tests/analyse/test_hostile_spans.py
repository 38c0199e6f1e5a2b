"""A stranger's spans: whatever the files hold, a start is read and partitioned, or refused in one line."""

import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.analyse import spanlines, spans
from harness.analyse.partition import MAX_ENGINE_PROCESSES, partition
from harness.analyse.spans import Process, SpanFileError, read_process, read_processes
from tests.analyse.span_files import Line, importing, span, write_process
from tests.mutations import mutated

HEADER = {"schema": 1, "pid": 7, "parent_pid": 1, "role": "main", "exec_ns": 0, "traced_ns": 5}
fuzz = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def lines_of(*spans: Line) -> list[Line]:
    return [{**raw, "pid": 7, "role": "main", "tid": raw["tid"] or 7} for raw in spans]


def write(folder: Path, *lines: Any, name: str = "main-7.jsonl") -> Path:
    path = folder / name
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def refused(path: Path) -> str:
    with pytest.raises(SpanFileError) as caught:
        read_process(path) if path.is_file() else read_processes(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


START = [
    span("LLM.__init__", 10, 900, "container", module="vllm.entrypoints.llm"),
    importing("torch.nn", 20, 200),
    span("collect", 210, 300, phase="config", gc=[[220, 240, 2], [250, 260, 1]]),
    span("spawn", 310, 320, "wait", waits_for=[7, 8]),
    span("load", 400, None, phase="load_weights", detail="a.safetensors"),
    span("hook error", 410, 410, "note", hook="x", error="ValueError('no')"),
    span("tracer disarmed", 950, 950, "note", self_ns=5, events=3, restored=2, kept=[]),
]


@fuzz
@given(data=st.data(), at=st.integers(0, len(START)))
def test_a_mutated_line_is_used_as_it_stands_or_counted_as_malformed(tmp_path: Path, data: Any, at: int) -> None:
    lines: list[Any] = [HEADER, *lines_of(*START)]
    lines[at] = data.draw(mutated(lines[at]))
    path = write(tmp_path, *lines)
    refusal = ""
    try:
        process = read_process(path)
    except SpanFileError as error:
        refusal = str(error)
    if refusal:
        assert at == 0
        assert refusal.startswith("main-7.jsonl:1: ")
        assert refusal.isprintable()
        return
    assert process.malformed_lines == 0 or (at > 0 and process.malformed_lines == 1)
    assert len(process.spans) >= len(START) - 1
    parts = partition([process], process.pid, 0, 1000)
    assert math.isclose(sum(parts.phases.values()), 1e-6)
    json.dumps([asdict(gap) for gap in parts.gaps] + [parts.packages], allow_nan=False).encode()
    sum(end - begin for span in process.spans for begin, end, _ in span.attrs.get("gc", ()))


@pytest.mark.parametrize(
    "line",
    [
        span("x", 20, 10),
        span("x", 10, 20, kind="joke"),
        span("x", 10, 20, tid=-1),
        span("x", 10, 20, tid=1 << 40),
        span("x", 1 << 63, None),
        span("x" * 20_000, 10, 20),
        span("x", 10, 20, package=["torch"]),
        span("x", 10, 20, phase=1),
        span("x", 10, 20, "wait", waits_for=8),
        span("x", 10, 20, "wait", waits_for=[[8]]),
        span("x", 10, 20, gc=[[1, 2]]),
        span("x", 10, 20, gc=[[2, 1, 0]]),
        span("x", 10, 20, more={"deep": {}}),
        span("tracer disarmed", 10, 10, "note", self_ns=1),
        {"name": "x", "begin_ns": True, "end_ns": 20, "tid": 7, "kind": "work", "attrs": {}},
        {"name": "x", "begin_ns": 10, "tid": 7, "kind": "work", "attrs": {}},
        "[" * 100_000,
        '{"name":NaN}',
        '{"name":"x","begin_ns":1e999}',
        "\x00\xff",
    ],
)
def test_a_line_that_states_what_cannot_be_is_malformed_and_the_others_are_used(tmp_path: Path, line: Any) -> None:
    bad = line if isinstance(line, str) else {**line, "tid": line["tid"] or 7}
    process = read_process(write(tmp_path, HEADER, bad, *lines_of(importing("torch", 20, 30))))
    assert process.malformed_lines == 1
    assert [s.name for s in process.spans] == ["import torch"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema": 2}, "span schema '2', this harness reads 1"),
        ({"pid": 0}, "pid, parent_pid, exec_ns or traced_ns"),
        ({"pid": 1 << 31}, "pid, parent_pid, exec_ns or traced_ns"),
        ({"pid": 7.0}, "pid, parent_pid, exec_ns or traced_ns"),
        ({"parent_pid": -1}, "pid, parent_pid, exec_ns or traced_ns"),
        ({"exec_ns": 1 << 62}, "pid, parent_pid, exec_ns or traced_ns"),
        ({"role": "main\x1b[2J"}, "role is no name"),
        ({"role": "../main"}, "role is no name"),
        ({"role": ""}, "role is no name"),
        ({"role": None}, "role is no name"),
    ],
)
def test_a_header_that_cannot_be_is_refused_with_the_reason(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    assert complaint in refused(write(tmp_path, {**HEADER, **change}))


def test_half_a_character_in_a_name_does_not_reach_a_record(tmp_path: Path) -> None:
    line = span("call \ud800", 10, 20, detail="\udfffx", phase="config")
    (read,) = read_process(write(tmp_path, HEADER, *lines_of(line))).spans
    assert (read.name, read.attrs["detail"]) == ("call ?", "?x")


def test_what_becomes_a_name_in_the_record_is_a_name(tmp_path: Path) -> None:
    lines = lines_of(
        span("x", 10, 20, package="a\x1bb"), span("y", 30, 40, phase=""), span("z", 50, 60, phase="p" * 999)
    )
    names = [next(iter(s.attrs.values())) for s in read_process(write(tmp_path, HEADER, *lines)).spans]
    assert names == ["a\\x1bb", "?", "p" * 299 + "…"]


def test_an_endless_line_is_one_malformed_line_and_is_never_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spanlines, "MAX_LINE_BYTES", 1000)
    long = json.dumps(lines_of(span("x" * 5000, 10, 20))[0])
    path = write(tmp_path, HEADER, long, *lines_of(importing("torch", 20, 30)), "y" * 5000)
    with path.open("rb") as file:
        assert max(map(len, spanlines.lines_of(file))) < 1000
    process = read_process(path)
    assert (process.malformed_lines, [s.name for s in process.spans]) == (2, ["import torch"])


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "main-7.jsonl").write_bytes(os.urandom(4096))
    assert "main-7.jsonl:1: no span file header" in refused(tmp_path / "main-7.jsonl")


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER)
    os.truncate(path, 1 << 40)
    assert "it may have at most" in refused(path)
    assert "a start has at most 4096 of" in refused(tmp_path)


def test_too_many_files_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "MAX_FILES", 2)
    for pid in range(3):
        (tmp_path / f"child-{pid}.jsonl").touch()
    assert refused(tmp_path).startswith("3 span files")


def test_links_pipes_and_folders_in_the_place_of_span_files_are_refused(tmp_path: Path) -> None:
    target = write(tmp_path, HEADER, name="elsewhere.txt")
    for number, make in enumerate((lambda path: path.symlink_to(target), Path.mkdir)):
        folder = tmp_path / str(number)
        folder.mkdir()
        make(folder / "main-7.jsonl")
        assert refused(folder) == "main-7.jsonl: not a regular file"
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(SpanFileError, match="not a regular file"):
        read_process(tmp_path / "pipe.jsonl")


def test_a_files_name_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    assert refused(write(tmp_path, "{}", name="a\x1b[2J\nb.jsonl")).startswith("a\\x1b[2J\\nb.jsonl:1: ")


def test_a_folder_that_is_not_there_holds_no_processes(tmp_path: Path) -> None:
    assert read_processes(tmp_path / "spans") == []


def test_spans_nested_without_end_are_refused_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = lines_of(*(span(f"s{n}", n, 1000 - n) for n in range(1, 100)))
    flat = lines_of(*(span(f"s{n}", n, n + 1) for n in range(1, 100)))
    monkeypatch.setattr(spans, "MAX_STACKED", 5000)
    assert "nested too deeply" in refused(write(tmp_path, HEADER, *tower))
    assert len(read_process(write(tmp_path, HEADER, *flat)).spans) == 99


def chain(length: int) -> list[Process]:
    """Processes of which each waits for the next."""
    return [
        Process(n, n - 1, "engine", 0, 0, [spanlines.Span("wait", 0, 100, n, "wait", {"waits_for": [n + 1]})])
        for n in range(1, length + 1)
    ]


def test_a_chain_of_waits_is_walked_to_its_end_and_an_endless_one_refused() -> None:
    parts = partition(chain(MAX_ENGINE_PROCESSES), 1, 0, 100)
    assert parts.ready_s == 1e-7
    with pytest.raises(ValueError, match="201 processes; the engine of one start has at most 200"):
        partition(chain(MAX_ENGINE_PROCESSES + 1), 1, 0, 100)


def test_processes_that_wait_for_each_other_end_the_walk(tmp_path: Path) -> None:
    for pid, other in ((7, 8), (8, 7)):
        wait = span("wait", 10, 90, "wait", waits_for=[other])
        write_process(tmp_path, pid, "main" if pid == 7 else "engine", 0, 5, [wait])
    parts = partition(read_processes(tmp_path), 7, 0, 100)
    assert math.isclose(sum(parts.phases.values()), 1e-7)
