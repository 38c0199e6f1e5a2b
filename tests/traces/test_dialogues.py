"""Every way to write ShareGPT is read alike; every row that is no dialogue is counted with its reason and its place."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.traces import json_array
from harness.traces.dialogues import KEYS, UNANSWERED, Dialogue, Tally, read_dialogues

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
TURNS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4)
DIALOGUES = st.lists(st.builds(Dialogue, TURNS.map(tuple), st.none() | TEXTS), min_size=1, max_size=5)
HUMANS, MACHINES = ("human", "user", "User"), ("gpt", "chatgpt", "bard", "bing", "assistant", "GPT")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dialogues")


def row(*said: tuple[str, Any], key: str = "conversations") -> dict[str, Any]:
    return {"id": "x", key: [{"from": role, "value": text} for role, text in said]}


GOOD = row(("human", "hello"), ("gpt", "hi"))


def read(path: Path) -> tuple[list[Dialogue], Tally]:
    tally = Tally()
    return list(read_dialogues(path, tally)), tally


def write(path: Path, rows: list[Any], array: bool, indent: int | None = None) -> Path:
    if array:
        path.write_text(json.dumps(rows, indent=indent), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows), encoding="utf-8")
    return path


@settings(max_examples=50)
@given(dialogues=DIALOGUES, data=st.data())
def test_both_spellings_in_either_layout_give_the_same_dialogues(
    folder: Path, dialogues: list[Dialogue], data: st.DataObject
) -> None:
    def message(roles: tuple[str, ...], text: str) -> dict[str, str]:
        who, what = data.draw(st.sampled_from([("from", "value"), ("role", "content")]))
        return {who: data.draw(st.sampled_from(roles)), what: text}

    rows = []
    for dialogue in dialogues:
        said = [message(("system",), dialogue.system)] if dialogue.system else []
        for question, answer in dialogue.turns:
            said += [message(HUMANS, question), message(MACHINES, answer)]
        rows.append({data.draw(st.sampled_from(KEYS)): said, "model": "m"})
    for array, indent in ((False, None), (True, None), (True, 2)):
        found, tally = read(write(folder / "dialogues", rows, array, indent))
        assert found == dialogues
        assert (tally.bad, tally.shortened) == ({}, {})


BAD = {
    "no conversation": [{"id": "x"}, row(), {"conversations": None}, {"items": "text"}],
    "does not begin with the human": [row(("gpt", "hi"), ("human", "hello")), row(("system", "be brief"))],
    "roles out of order": [
        row(("human", "a"), ("human", "b"), ("gpt", "c")),
        row(("human", "a"), ("gpt", "b"), ("gpt", "c")),
        row(("human", "a"), ("system", "b"), ("gpt", "c")),
    ],
    "empty text": [row(("human", " \n"), ("gpt", "b")), row(("human", "a"), ("gpt", ""))],
    "no answer": [row(("human", "a"))],
    "unknown role": [row(("human", "a"), ("tool", "b")), row(("human", "a"), ("function\x1b[1m", "b"))],
    "text that is not text": [row(("human", "a"), ("gpt", 7)), row(("human", [{"type": "text"}]), ("gpt", "b"))],
    "a message without role or text": [row(("human", None)), {"messages": [{"role": "user"}]}],
    "a message that is no object": [{"conversations": ["hello"]}],
    "text that is no Unicode": [row(("human", "\ud83d"), ("gpt", "b"))],
    "not a JSON object but a list": [[GOOD]],
    "not a JSON object but null": [None],
    "not a JSON object but a number": [1.5],
}


@pytest.mark.parametrize("array", [True, False])
@pytest.mark.parametrize(("reason", "rows"), BAD.items())
def test_a_row_that_is_no_dialogue_is_counted_with_its_reason_and_place(
    tmp_path: Path, reason: str, rows: list[Any], array: bool
) -> None:
    path = tmp_path / "dialogues"
    mixed = [GOOD, *rows, GOOD]
    text = [json.dumps(each) for each in mixed]  # half characters as \u escapes, as files have them
    path.write_text(f"[{','.join(text)}]" if array else "\n".join(text) + "\n")
    found, tally = read(path)
    assert len(found) == 2
    places = [f"{'row' if array else 'line'} {number}" for number in range(2, 2 + len(rows))]
    assert tally.bad == {reason: {"rows": len(rows), "first": places[:3]}}
    assert tally.bad_rows == len(rows)
    (told,) = tally.lines()
    assert told.isprintable()
    assert reason in told
    assert places[0] in told


def test_a_last_question_without_answer_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = [GOOD, row(("human", "a"), ("gpt", "b"), ("human", "c"))]
    found, tally = read(write(tmp_path / "dialogues", rows, array=False))
    assert found[1] == Dialogue((("a", "b"),))
    assert tally.shortened == {UNANSWERED: {"rows": 1, "first": ["line 2"]}}
    assert tally.bad == {}


def test_no_more_than_three_places_of_a_reason_are_named(tmp_path: Path) -> None:
    found, tally = read(write(tmp_path / "dialogues", [GOOD, *[{}] * 1000], array=False))
    assert len(found) == 1
    assert tally.lines() == ["1000 rows, no conversation: not used (line 2, line 3, line 4, …)"]


@pytest.mark.parametrize("before", [0, 2])
@given(data=st.data())
def test_an_array_that_breaks_off_anywhere_gives_what_stands_before_and_is_called_truncated(
    folder: Path, before: int, data: st.DataObject
) -> None:
    last = json.dumps(row(("human", 'ä "quoted" [{'), ("gpt", "h\u00e9")))
    cut = data.draw(st.integers(0, len(last)))
    path = folder / "cut"
    path.write_text("[" + "".join(json.dumps(GOOD) + "," for _ in range(before)) + last[:cut], encoding="utf-8")
    found, tally = read(path)
    complete = cut == len(last)
    assert len(found) == before + complete
    (reason,) = tally.bad
    assert reason == "truncated, and with it everything behind it"
    assert tally.bad[reason]["first"] == [f"row {before + complete + 1}"]


@pytest.mark.parametrize(
    "broken",
    [
        "NaN",
        "{'a': 1}",
        "{} {}",
        "",
        "{}, ]",
        '{"a": ' + "9" * 5000 + "}",
        '{"a":' * 100_000,
        '{"a": "\n"}',
        "{,}]]]]]]]]",
    ],
    ids=lambda text: text[:10],
)
def test_an_array_that_is_no_json_at_one_place_says_that_the_rest_is_lost(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "broken"
    path.write_text(f"[{json.dumps(GOOD)}, {broken}, {json.dumps(GOOD)}]")
    found, tally = read(path)
    lost = [reason for reason in tally.bad if reason.endswith(", and with it everything behind it")]
    assert len(lost) == 1
    assert lost[0].startswith("not JSON")
    assert found == [Dialogue((("hello", "hi"),))]


def test_what_stands_behind_the_array_is_said(tmp_path: Path) -> None:
    path = tmp_path / "more"
    path.write_text(json.dumps([GOOD]) + "\n[]")
    found, tally = read(path)
    assert len(found) == 1
    assert tally.bad_rows == 1


def test_a_byte_that_is_not_utf_8_costs_its_own_row_only(tmp_path: Path) -> None:
    text = json.dumps([GOOD, row(("human", "XX"), ("gpt", "b")), GOOD]).encode()
    path = tmp_path / "latin"
    path.write_bytes(text.replace(b"XX", b"\xe4\xf6"))
    found, tally = read(path)
    assert len(found) == 2
    assert tally.bad == {"text that is no Unicode": {"rows": 1, "first": ["row 2"]}}


@pytest.mark.parametrize("array", [True, False])
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, array: bool) -> None:
    path = write(tmp_path / "marked", [GOOD, GOOD], array)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    found, tally = read(path)
    assert (len(found), tally.bad) == (2, {})


@settings(max_examples=40)
@given(rows=st.lists(TURNS, min_size=1, max_size=6), chunk=st.integers(1, 30))
def test_an_array_reads_the_same_whatever_piece_of_it_is_in_memory(
    folder: Path, rows: list[list[tuple[str, str]]], chunk: int
) -> None:
    path = write(folder / "chunks", [*rows, 12345, -1.5e-7, True], array=True, indent=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "CHUNK", chunk)
        assert list(json_array.array_items(path)) == json.loads(path.read_text(encoding="utf-8"))


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "CHUNK", 1 << 16)
    path = tmp_path / "large"
    item = json.dumps(row(("human", "question " * 50), ("gpt", "answer " * 100)))
    with path.open("w") as file:
        file.write("[" + item)
        file.writelines(f",\n{item}" for _ in range(2_000))
        file.write("]")
    assert path.stat().st_size > 20 * json_array.CHUNK
    tracemalloc.start()
    assert sum(1 for _ in read_dialogues(path, Tally())) == 2_001
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * json_array.CHUNK


def test_a_row_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "MAX_LINE_BYTES", 100_000)
    monkeypatch.setattr(json_array, "CHUNK", 1000)
    path = tmp_path / "endless"
    path.write_text('[{"conversations": "' + "a" * 1_000_000)
    _, tally = read(path)
    assert len(tally.bad) == 1
    assert next(iter(tally.bad)).startswith("longer than")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("hello", "begins with neither [ nor {"),
        ('{"timestamp": 0, "input_length": 1, "output_length": 1, "hash_ids": [0]}\n', "a Mooncake trace"),
        ('[{"hash_ids": [0]}]', "a Mooncake trace"),
        ('{"prompt_token_ids": [0]}\n', "a trace of tokens already"),
    ],
)
def test_a_file_of_something_else_is_refused_in_one_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "other"
    path.write_text(content)
    with pytest.raises(HarnessError, match=said.replace("[", r"\[")):
        read(path)


def test_a_mooncake_trace_is_sent_to_replay(tmp_path: Path) -> None:
    path = tmp_path / "mooncake.jsonl"
    path.write_text('{"hash_ids": [0]}\n')
    with pytest.raises(HarnessError, match=r"replay it directly: replay --trace mooncake\.jsonl"):
        read(path)
