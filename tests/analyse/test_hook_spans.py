"""Which hook a piece of a timeline comes from."""

import json
from pathlib import Path

import pytest

from harness.analyse.hook_spans import PhaseSpan, hooks_of_pieces, read_phase_spans
from harness.analyse.timeline import Piece

HEADER = {"schema": 1, "pid": 7, "parent_pid": 1, "role": "worker", "exec_ns": 0, "traced_ns": 1}


def span_line(name: str, begin_ns: int, end_ns: int | None, **more: object) -> str:
    attrs = {"phase": "load_weights", **(more.pop("attrs", None) or {})}  # type: ignore[dict-item]
    span = {"name": name, "begin_ns": begin_ns, "end_ns": end_ns, "tid": 7, "kind": "work", "attrs": attrs}
    return json.dumps({**span, **more})


def spans_folder(tmp_path: Path, *lines: str) -> Path:
    (tmp_path / "worker-7.jsonl").write_text("\n".join([json.dumps(HEADER), *lines, ""]))
    return tmp_path


def test_calls_of_the_main_thread_that_ended_are_kept_in_seconds_since_exec(tmp_path: Path):
    folder = spans_folder(
        tmp_path,
        span_line("Loader.load", 2_000_000_000, 3_000_000_000),
        span_line("Loader.other_thread", 2_000_000_000, 3_000_000_000, tid=8),
        span_line("Loader.never_ended", 2_000_000_000, None),
        span_line("import torch", 1_000_000_000, 3_000_000_000, attrs={"package": "torch"}),
        'not JSON but it says "phase"',
    )
    found, decoded = read_phase_spans(folder, 1_000_000_000, 100)
    assert found == {("load_weights", "worker"): [PhaseSpan(1.0, 2.0, "Loader.load")]}
    assert decoded == 5


def test_of_a_run_that_would_take_too_many_lines_nothing_is_told(tmp_path: Path):
    folder = spans_folder(tmp_path, *[span_line("f", at, at + 1) for at in range(10)])
    assert read_phase_spans(folder, 0, 9) == ({}, 9)
    assert read_phase_spans(tmp_path / "absent", 0, 9) == ({}, 0)


@pytest.mark.parametrize("content", ["", "nothing\n", "{}\n"])
def test_a_file_that_is_none_of_a_tracer_is_left_out(tmp_path: Path, content: str):
    (tmp_path / "main-1.jsonl").write_text(content)
    assert read_phase_spans(tmp_path, 0, 9)[0] == {}


def test_a_piece_comes_from_the_call_that_covers_most_of_it_and_of_nested_ones_from_the_innermost():
    spans = {
        ("load_weights", "worker"): [
            PhaseSpan(0.0, 10.0, "outer"),
            PhaseSpan(1.0, 4.0, "inner"),
            PhaseSpan(5.0, 5.5, "short"),
        ]
    }
    pieces = [
        Piece(1.0, 4.0, "load_weights", "worker"),
        Piece(4.0, 6.0, "load_weights", "worker"),
        Piece(6.0, 7.0, "load_weights", "main"),
        Piece(7.0, 9.0, "load_weights", "worker"),
        Piece(10.0, 11.0, "load_weights", "worker"),
    ]
    assert hooks_of_pieces(pieces, spans) == ["inner", "outer", None, "outer", None]
