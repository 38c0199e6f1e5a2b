"""A load file and a client's output: what is written reads back, and what cannot be is said in one line."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.record.load import LoadError, LoadParameters, LoadRow, Sending, read_load
from harness.record.load_output import (
    STATUSES,
    ClientRecord,
    ClientSummary,
    read_records,
    read_summary,
    summary_path,
    write_output,
)

HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
SECONDS = st.floats(0, 1e5).map(lambda value: round(value, 7))
COUNT = st.integers(0, 10**9)
LINE = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=20).filter(str.isprintable)
RECORD = st.builds(
    ClientRecord,
    request=COUNT,
    request_id=LINE,
    conversation=COUNT,
    piece=COUNT,
    status=st.sampled_from(STATUSES),
    http_status=st.none() | st.integers(100, 599),
    error=st.none() | LINE,
    planned_s=SECONDS,
    sent_s=SECONDS,
    ended_s=SECONDS,
    sent_at=SECONDS,
    prompt_tokens=st.none() | COUNT,
    output_tokens=COUNT,
    cached_tokens=st.none() | COUNT,
    ttft_s=st.none() | SECONDS,
    e2e_s=st.none() | SECONDS,
    itl_s=st.lists(SECONDS, max_size=3),
    phase=st.none() | LINE,
)
SUMMARY = ClientSummary(1.5, 2.0, 0.5, {"median": 0.1, "p99": 0.2, "max": 0.3}, 1, 3, 2, 1, 0, {"seed": 1})


def write(path: Path, *lines: Any) -> Path:
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


def test_a_line_may_be_nothing_but_a_prompt_or_messages(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "hi"}]
    path = write(tmp_path / "a", {"prompt": "a", "more": 1}, {"messages": messages, "output_tokens": 3})
    assert read_load(path, output_tokens=9) == [
        LoadRow(0, 0, 0, 9, prompt="a"),
        LoadRow(1, 1, 0, 3, messages=messages),
    ]
    assert len(read_load(path, 9, limit=1)) == 1


def test_a_row_reads_back_as_it_was_written(tmp_path: Path) -> None:
    rows = [LoadRow(4, 2, 1, 7, "é", None, 431), LoadRow(5, 2, 2, 1, None, [{"role": "user", "content": "à"}])]
    assert read_load(write(tmp_path / "a", *(row.document() for row in rows))) == rows


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({}, "either a prompt or messages"),
        ({"prompt": "a", "messages": []}, "either a prompt or messages"),
        ({"prompt": 1}, "prompt must be text"),
        ({"prompt": ""}, "not empty"),
        ('{"prompt": "\\ud800"}\n', "prompt must be text"),
        ({"prompt": "a", "output_tokens": 0}, "output_tokens must be a whole number"),
        ({"prompt": "a", "output_tokens": True}, "output_tokens must be a whole number"),
        ({"prompt": "a", "output_tokens": None}, "no output_tokens, and --output-tokens"),
        ({"prompt": "a", "output_tokens": 1, "conversation": -1}, "conversation must be"),
        ({"prompt": "a", "output_tokens": 1, "request": 0}, "request 0 stands on an earlier line"),
        ({"messages": [{"role": "user"}], "output_tokens": 1}, "role and content"),
        ({"messages": [{"role": "user", "content": 1}], "output_tokens": 1}, "must be text"),
        ({"messages": [{"role": "user", "content": ""}], "output_tokens": 1}, "say something"),
        ({"messages": "hi", "output_tokens": 1}, "must be a list"),
        ("[1]\n", "not a JSON object"),
        ("\x1b[31m\n", "not JSON"),
        ('{"prompt": NaN}\n', "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, said: str) -> None:
    path = write(tmp_path / "load.jsonl", {"prompt": "fine", "output_tokens": 1}, line)
    with pytest.raises(LoadError, match="line 2: ") as error:
        read_load(path)
    assert said in str(error.value)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda _: None])
def test_no_load_at_all_is_said(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "load.jsonl")
    with pytest.raises(LoadError, match=r"load\.jsonl: "):
        read_load(tmp_path / "load.jsonl")


@HERE
@given(st.lists(RECORD, max_size=4))
def test_output_reads_back_as_it_was_written(tmp_path: Path, records: list[ClientRecord]) -> None:
    output = tmp_path / "out.jsonl"
    for path in tmp_path.iterdir():
        path.unlink()
    write_output(output, records, SUMMARY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "out.summary.json"]
    assert read_records(output) == records
    assert read_summary(summary_path(output)) == SUMMARY


def test_output_is_never_overwritten_and_nothing_is_left_of_the_second(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    write_output(output, [], SUMMARY)
    with pytest.raises(FileExistsError):
        write_output(output, [], replace(SUMMARY, failed=9))
    assert read_summary(summary_path(output)) == SUMMARY
    assert len(list(tmp_path.iterdir())) == 2


GOOD = asdict(
    ClientRecord(0, "a-0", 0, 0, "ok", 200, None, 0.0, 0.0, 1.0, 5.0, 3, 4, None, 0.1, 0.2, [0.1]),
)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"status": "fine"}, "status must be one of"),
        ({"ttft_s": -1}, "ttft_s must be a number"),
        ({"ttft_s": "1"}, "ttft_s must be a number"),
        ({"e2e_s": 1e300}, "e2e_s must be a number"),
        ({"itl_s": [None]}, "itl_s must be a number"),
        ({"itl_s": {}}, "itl_s must be a list"),
        ({"output_tokens": None}, "output_tokens must be a whole number"),
        ({"error": "two\nlines"}, "error must be printable"),
        ({"request_id": ""}, "request_id must be printable"),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    path = write(tmp_path / "out.jsonl", GOOD, GOOD | changed)
    with pytest.raises(LoadError, match=f"line 2: {said}"):
        read_records(path)


@pytest.mark.parametrize("missing", [name for name in GOOD if name not in ("phase", "text")])
def test_a_record_without_one_of_its_keys_is_named(tmp_path: Path, missing: str) -> None:
    path = write(tmp_path / "out.jsonl", {name: value for name, value in GOOD.items() if name != missing})
    with pytest.raises(LoadError, match=f"line 1: {missing} is missing"):
        read_records(path)


@pytest.mark.parametrize("changed", [{"schema_version": 2}, {"wall_s": None}, {"send_error_s": {}}, {"parameters": 1}])
def test_a_bad_summary_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    path = write(tmp_path / "a", SUMMARY.document() | changed)
    with pytest.raises(LoadError):
        read_summary(path)


def test_what_decides_a_loads_bytes_is_not_how_it_is_sent() -> None:
    one = LoadParameters()
    assert one.content() == replace(one, request_rate=math.inf, max_concurrency=1, stream=False, cancel=0.5).content()
    assert one.content() != replace(one, seed=1).content()
    assert one.sending == Sending()
