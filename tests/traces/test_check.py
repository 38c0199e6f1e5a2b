"""A trace that can be replayed passes; each defect is named with its file, its line and what to do."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.traces.check import check_trace
from harness.traces.lines import MAX_LINE_BYTES
from harness.traces.rows import read_trace
from tests.beside import MOONCAKE_CONVERSATION, TRACES
from tests.traces.trace_examples import Document, mooncake_traces, token_traces, write_rows

GOOD: dict[str, list[Document]] = {
    "tokens": [
        {
            "request_id": f"c{number}-t1",
            "session_id": f"c{number}",
            "turn": 1,
            "arrival_s": number / 2,
            "prompt_token_ids": [1, 2, 3],
            "output_token_ids": [4],
        }
        for number in range(3)
    ],
    "mooncake": [
        {"timestamp": 0, "input_length": 1000, "output_length": 3, "hash_ids": [0, 1]},
        {"timestamp": 1, "input_length": 1025, "output_length": 3, "hash_ids": [0, 1, 2]},
        {"timestamp": 2, "input_length": 1024, "output_length": 3, "hash_ids": [7, 9]},
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


def refusal(path: Path, block_size: int = 16) -> str:
    with pytest.raises(HarnessError) as error:
        check_trace(path, block_size)
    text = str(error.value)
    assert text.isprintable()
    assert text.startswith(f"{path}: ")
    assert "; " in text  # what to do next
    return text


@settings(max_examples=50)
@given(rows=token_traces(), block_size=st.integers(1, 600))
def test_any_valid_token_trace_passes_with_its_facts(folder: Path, rows: list[Document], block_size: int) -> None:
    path = write_rows(folder / "tokens.jsonl", rows)
    facts = check_trace(path, block_size)
    lengths = [(len(row["prompt_token_ids"]), len(row["output_token_ids"])) for row in rows]
    sessions = [row.get("session_id") for row in rows]
    assert (facts.format, facts.requests) == ("tokens", len(rows))
    assert (facts.prompt_tokens, facts.output_tokens) == tuple(map(sum, zip(*lengths, strict=True)))
    assert facts.max_tokens == max(map(sum, lengths))
    assert facts.total_blocks == sum((p + o + block_size - 1) // block_size for p, o in lengths)
    assert (facts.first_s, facts.last_s) == (rows[0]["arrival_s"], rows[-1]["arrival_s"])
    assert facts.sessions == len({each for each in sessions if each is not None}) + sessions.count(None)
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@settings(max_examples=50)
@given(rows=mooncake_traces(), block_size=st.sampled_from([2**power for power in range(10)]))
def test_any_valid_mooncake_trace_passes_with_its_facts(folder: Path, rows: list[Document], block_size: int) -> None:
    facts = check_trace(write_rows(folder / "mooncake.jsonl", rows), block_size)
    assert (facts.format, facts.requests, facts.sessions) == ("mooncake", len(rows), len(rows))
    assert facts.prompt_tokens == sum(row["input_length"] for row in rows)
    assert facts.last_s == rows[-1]["timestamp"] / 1000


@settings(max_examples=50)
@given(rows=token_traces() | mooncake_traces())
def test_rows_are_read_back_as_they_were_written(folder: Path, rows: list[Document]) -> None:
    read = [row for _, row in read_trace(write_rows(folder / "rows.jsonl", rows))]
    for row, wanted in zip(read, rows, strict=True):
        for key, value in wanted.items():
            attribute = {"input_length": "prompt_tokens", "output_length": "output_tokens"}.get(key, key)
            assert (
                (row.arrival_s * 1000 == pytest.approx(value))
                if key == "timestamp"
                else (getattr(row, attribute) == value)
            )


@pytest.mark.parametrize(
    ("kind", "key", "a_day"), [("tokens", "arrival_s", 86_400), ("mooncake", "timestamp", 86_400_000)]
)
def test_a_trace_whose_times_are_dates_is_refused(tmp_path: Path, kind: str, key: str, a_day: int) -> None:
    rows = [row | {key: 20_000 * a_day + row[key]} for row in GOOD[kind]]
    text = refusal(write_rows(tmp_path / "dates.jsonl", rows))
    assert "line 1: it arrives at 1728000000.0 s; times are seconds (Mooncake: ms) since the trace began" in text
    late = [row | {key: a_day + row[key]} for row in GOOD[kind]]
    assert check_trace(write_rows(tmp_path / "late.jsonl", late), 16).first_s == 86_400


def spoil(**changes: Any):
    return lambda row: row | changes


def without(key: str):
    return lambda row: {name: value for name, value in row.items() if name != key}


@pytest.mark.parametrize("line", [1, 2, 3])
@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        *(("tokens", without(key), f"key '{key}' is missing") for key in GOOD["tokens"][0] if key != "session_id"),
        *(("mooncake", without(key), f"key '{key}' is missing") for key in GOOD["mooncake"][0]),
        ("tokens", spoil(arrival_s=-0.5), "arrival_s must be a number from 0"),
        ("tokens", spoil(arrival_s="1"), "arrival_s must be a number"),
        ("tokens", spoil(arrival_s=True), "arrival_s must be a number"),
        ("tokens", spoil(arrival_s=10**400), "arrival_s must be a number"),
        ("tokens", spoil(turn=0), "turn must be a whole number from 1"),
        ("tokens", spoil(request_id=7), "request_id must be printable text"),
        ("tokens", spoil(request_id="a\nb"), "request_id must be printable text"),
        ("tokens", spoil(session_id=[]), "session_id must be printable text"),
        ("tokens", spoil(prompt_token_ids=[]), "prompt_token_ids must have 1 to"),
        ("tokens", spoil(output_token_ids=[]), "output_token_ids must have 1 to"),
        ("tokens", spoil(prompt_token_ids=[1, -2]), "prompt_token_ids[1] must be a whole number from 0"),
        ("tokens", spoil(prompt_token_ids=[1, 2.0]), "prompt_token_ids[1] must be a whole number from 0"),
        ("tokens", spoil(prompt_token_ids=[True]), "prompt_token_ids[0] must be a whole number from 0"),
        ("tokens", spoil(prompt_token_ids=[2**31]), "prompt_token_ids[0] must be a whole number from 0"),
        ("tokens", spoil(output_token_ids="1 2"), "output_token_ids must be a list of whole numbers (got text)"),
        ("mooncake", spoil(timestamp=-1), "timestamp must be a number from 0"),
        ("mooncake", spoil(input_length=0), "input_length must be a whole number from 1"),
        ("mooncake", spoil(input_length=-512), "input_length must be a whole number from 1"),
        ("mooncake", spoil(output_length=-3), "output_length must be a whole number from 1"),
        ("mooncake", spoil(output_length=0), "output_length must be a whole number from 1"),
        ("mooncake", spoil(output_length=10**9), "output_length must be a whole number from 1"),
        ("mooncake", spoil(input_length=1537), "input_length 1537 takes 4 hash_ids, there are"),
        ("mooncake", spoil(hash_ids=[3, -1], input_length=1000), "hash_ids[1] must be a whole number from 0"),
        ("mooncake", spoil(hash_ids={}), "hash_ids must be a list of whole numbers (got an object)"),
        ("mooncake", spoil(hash_ids=[5, 5], input_length=1000), "broken hash chain: id 5"),
    ],
)
def test_a_row_that_is_no_request_is_named_with_its_line(
    tmp_path: Path, kind: str, change, said: str, line: int
) -> None:
    rows = [change(row) if number == line else row for number, row in enumerate(GOOD[kind], 1)]
    text = refusal(write_rows(tmp_path / "trace.jsonl", rows))
    unknown = line == 1 and said in ("key 'prompt_token_ids' is missing", "key 'hash_ids' is missing")
    assert f"line {line}: " in text
    assert ("no trace format that is known" if unknown else said) in text


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"[1, 2]", "not a JSON object but a list"),
        (b"null", "not a JSON object but null"),
        (b'{"a": NaN}', "not JSON (NaN is no number)"),
        (b'{"a": 1} {"b": 2}', "not JSON (Extra data at character 10)"),
        (b'{"a": "\xff"}', "not JSON ("),
        (b'{"a":' * 100_000, "not JSON that can be read: nested too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", "not JSON ("),
        (b"   ", "empty"),
        (b"", "empty"),
    ],
)
def test_a_line_that_is_not_json_is_named(tmp_path: Path, kind: str, bad: bytes, said: str) -> None:
    path = write_rows(tmp_path / "trace.jsonl", GOOD[kind])
    path.write_bytes(path.read_bytes() + bad + b"\n")
    assert f"line 4: {said}" in refusal(path)


@pytest.mark.parametrize("kind", GOOD)
@given(data=st.data())
def test_a_trace_that_breaks_off_in_its_last_line_is_called_truncated(
    folder: Path, kind: str, data: st.DataObject
) -> None:
    path = write_rows(folder / "cut.jsonl", GOOD[kind])
    whole = path.read_bytes()
    begin = whole.rstrip().rindex(b"\n") + 1
    path.write_bytes(whole[: data.draw(st.integers(begin + 1, len(whole) - 2))])
    assert "line 3: truncated" in refusal(path)
    path.write_bytes(whole.rstrip())  # only the line end is missing: nothing is lost
    assert check_trace(path, 16).requests == 3


def test_an_empty_file_is_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.touch()
    assert "an empty file is no trace" in refusal(path)


def test_a_file_that_is_not_there_or_a_folder_is_said_in_one_line(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "absent.jsonl")
    assert "Is a directory" in refusal(tmp_path)


@pytest.mark.parametrize("kind", GOOD)
def test_times_that_go_backwards_are_named(tmp_path: Path, kind: str) -> None:
    path = write_rows(tmp_path / "trace.jsonl", [GOOD[kind][1], GOOD[kind][0], GOOD[kind][2]])
    text = refusal(path)
    assert "line 2: it arrives at 0.0 s, before the one above it" in text
    assert "sort the trace" in text


def test_two_requests_of_one_name_are_named(tmp_path: Path) -> None:
    first, second, third = GOOD["tokens"]
    path = write_rows(tmp_path / "trace.jsonl", [first, second, {**third, "request_id": first["request_id"]}])
    assert f"line 3: request_id {first['request_id']} occurs twice" in refusal(path)


def test_an_id_with_two_predecessors_is_a_broken_chain(tmp_path: Path) -> None:
    rows = [*GOOD["mooncake"], {"timestamp": 3, "input_length": 600, "output_length": 1, "hash_ids": [7, 1]}]
    text = refusal(write_rows(tmp_path / "trace.jsonl", rows))
    assert "line 4: broken hash chain: id 1 (place 1) follows id 7, elsewhere id 0" in text
    rows[-1]["hash_ids"] = [1, 3]
    text = refusal(write_rows(tmp_path / "trace.jsonl", rows))
    assert "line 4: broken hash chain: id 1 (place 0) follows nothing, elsewhere id 0" in text


@pytest.mark.parametrize("block_size", [3, 48, 500, 1024])
def test_a_block_size_that_does_not_divide_mooncakes_is_refused(tmp_path: Path, block_size: int) -> None:
    text = refusal(write_rows(tmp_path / "trace.jsonl", GOOD["mooncake"]), block_size)
    assert f"block size {block_size} does not divide the 512 tokens" in text
    assert check_trace(write_rows(tmp_path / "tokens.jsonl", GOOD["tokens"]), block_size).requests == 3


def test_formats_are_not_mixed(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "trace.jsonl", [GOOD["tokens"][0], GOOD["mooncake"][1]])
    assert "line 2: key 'request_id' is missing" in refusal(path)


def test_dialogues_are_told_from_traces(tmp_path: Path) -> None:
    text = refusal(write_rows(tmp_path / "sharegpt.jsonl", [{"conversations": []}]))
    assert "line 1: no trace format that is known" in text
    assert "workload make" in text


def test_a_file_without_line_ends_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    with path.open("wb") as file:
        file.truncate(50 * MAX_LINE_BYTES)  # 3 GiB of zeros, none of them on the disk
    assert "line 1: longer than 64 MiB" in refusal(path)


def test_the_published_mooncake_trace_passes() -> None:
    facts = check_trace(TRACES.need(MOONCAKE_CONVERSATION), 16)
    assert (facts.requests, facts.prompt_tokens, facts.output_tokens) == (12031, 144_793_823, 4_122_048)
    assert facts.max_tokens == 126_527


def test_facts_of_a_trace_are_the_same_with_and_without_unknown_keys(tmp_path: Path) -> None:
    rows = [row | {"note": "x"} for row in GOOD["tokens"]]
    plain = check_trace(write_rows(tmp_path / "plain.jsonl", GOOD["tokens"]), 16)
    more = check_trace(write_rows(tmp_path / "more.jsonl", rows), 16)
    assert json.dumps(more.__dict__ | {"sha256": ""}) == json.dumps(plain.__dict__ | {"sha256": ""})
