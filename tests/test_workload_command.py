"""``python3 harness workload``: what it writes, prints and refuses. Tokenizing is faked: one number for each word."""

import json
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.cli import workload as cli_workload
from harness.commands import workload as workload_command
from harness.engine.tokenizer_choice import Tokenizer
from harness.traces.check import check_trace
from harness.workspace import Workspace
from tests.checkout import Call

FACTS = {"chat_template": True, "sha256": "0" * 64, "vocabulary": 9, "revision": None}


def fake_tokenize(tokenizer: Tokenizer, dialogues: Path, tokens: Path, _: Path) -> dict[str, Any]:
    rows = []
    for number, line in enumerate(dialogues.read_text().splitlines(), start=1):
        history: list[int] = []
        for turn, (question, answer) in enumerate(json.loads(line)["turns"], start=1):
            prompt, said = ([zlib.crc32(word.encode()) >> 1 for word in text.split()] for text in (question, answer))
            history += prompt
            rows.append([number, turn, list(history), said])
            history += said
    tokens.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tokenizer.facts | FACTS


@pytest.fixture
def call(typed: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    fake = Tokenizer("nowhere", {"name": "tokenizer-of-words", "trained": None})
    monkeypatch.setattr(workload_command, "tokenize", fake_tokenize)
    monkeypatch.setattr(workload_command, "engine_python", lambda *_: Path("python"))
    monkeypatch.setattr(workload_command, "default_tokenizer", lambda *_: fake)
    monkeypatch.setattr(cli_workload, "Workspace", lambda: Workspace(tmp_path / "checkout"))
    monkeypatch.setenv("COLUMNS", "200")
    return partial(typed, "workload")


def sharegpt(*texts: str) -> dict[str, Any]:
    return {"conversations": [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [sharegpt("a b c", "d e", "f", "g"), {"id": 7}, sharegpt("a b c", "x"), sharegpt("a", "b", "c"), {}]
    path = tmp_path / "sharegpt.json"
    path.write_text(json.dumps(rows))
    return path


def test_both_traces_facts_and_a_figure_are_made_and_nothing_else(call, data: Path, tmp_path: Path) -> None:
    done = call("make", "--data", data, "--out", tmp_path / "out", "--block-size", 2)
    assert done.code == 0
    out = tmp_path / "out"
    names = ["multi_turn_trace.jsonl", "single_turn_trace.jsonl", "workload.json", "workload.pdf", "workload.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "sharegpt.json"]
    document = json.loads((out / "workload.json").read_text())
    assert document["source"]["kind"] == "sharegpt"
    assert document["tokenizer"]["name"] == "tokenizer-of-words"
    assert document["counts"]["conversations"] == 3
    assert document["counts"]["bad_rows_by_reason"] == {"no conversation": {"rows": 2, "first": ["row 2", "row 5"]}}
    assert document["chaining"] == {"further_turns": 1, "begin_with_prompt_and_answer_before": 1, "share": 1.0}
    for kind, requests in (("single_turn", 3), ("multi_turn", 4)):
        facts = document["traces"][kind]
        assert facts["requests"] == requests
        assert facts["sha256"] == check_trace(out / facts["file"], 2).sha256
    single = (out / "single_turn_trace.jsonl").read_text()
    assert all(row in (out / "multi_turn_trace.jsonl").read_text() for row in single.splitlines())
    assert "2 rows, no conversation: not used (row 2, row 5)" in done.err
    assert "1 row, its last question has no answer" in done.err
    assert "tokenizer-of-words" in done.out
    assert str(tmp_path) not in (out / "workload.json").read_text()


def test_equal_input_gives_equal_bytes_and_another_seed_other_arrivals(call, data: Path, tmp_path: Path) -> None:
    for name, *options in (("a", "--seed", 1), ("b", "--seed", 1), ("c", "--seed", 2, "--skip-plots")):
        assert call("make", "--data", data, "--out", tmp_path / name, *options).code == 0
    one, same, other = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in "abc")
    assert one == same
    assert all(one[name] != content for name, content in other.items())


def test_without_data_the_generator_is_used_and_named(call, tmp_path: Path) -> None:
    command = ("make", "--max-conversations", 50, "--skip-plots", "--json")
    done = call(*command, "--out", tmp_path / "made", "--seed", 3)
    document = json.loads(done.out.splitlines()[-1])
    assert document == json.loads((tmp_path / "made" / "workload.json").read_text())
    assert (document["source"]["kind"], document["source"]["shape"]) == ("generated", "taskmaster4")
    assert document["counts"]["conversations"] == 50
    assert not (tmp_path / "made" / "workload.pdf").exists()
    assert call("generate", "--out", tmp_path / "made.jsonl", "--conversations", 50, "--seed", 3).code == 0
    assert call(*command, "--data", tmp_path / "made.jsonl", "--out", tmp_path / "again", "--seed", 3).code == 0
    for name in ("single_turn_trace.jsonl", "multi_turn_trace.jsonl"):  # the file holds what would be made anyway
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "made" / name).read_bytes()


def test_only_the_first_usable_conversations_are_taken(call, data: Path, tmp_path: Path) -> None:
    call("make", "--data", data, "--out", tmp_path / "out", "--max-conversations", 2, "--skip-plots")
    counts = json.loads((tmp_path / "out" / "workload.json").read_text())["counts"]
    assert counts["conversations"] == 2
    assert counts["bad_rows"] == 1  # as far as was read


@pytest.mark.parametrize("content", ["[]", "[{}, 1]", '[{"conversations"', '{"a": 1}\nx\n'])
def test_a_file_from_which_nothing_comes_is_an_error_with_the_reasons(call, tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    done = call("make", "--data", path, "--out", tmp_path / "out")
    assert done.code == 2
    assert "no dialogue in it can be used" in done.error
    assert [each.name for each in tmp_path.iterdir()] == ["bad.json"]


def test_what_exists_is_never_overwritten(call, data: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "note.txt").write_text("mine")
    for out in (kept, data):
        done = call("make", "--data", data, "--out", out)
        assert done.code == 2
        assert "is not an empty folder; name a new one" in done.error
    assert "exists already" in call("generate", "--out", data).error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "sharegpt.json"]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert call("make", "--data", data, "--out", empty, "--skip-plots").code == 0


def test_a_tokenizer_that_cannot_be_had_is_refused_before_anything_is_read(call, tmp_path: Path) -> None:
    models = tmp_path / "checkout" / "models"
    twin = models / "llama3-3b-twin"
    twin.mkdir(parents=True)
    (twin / "twin.json").write_text("{}")
    (twin / "tokenizer.json").write_text("{}")
    for model, said in (
        (twin, "is a structural twin: its tokenizer's merges are random"),
        ("llama3-3b", "the real files of llama3-3b are not here"),
        (tmp_path, "no tokenizer files (tokenizer.json"),
        ("no such/thing/at all", "no folder, name of models.yaml or hub id"),
    ):
        done = call("make", "--data", tmp_path / "absent", "--out", tmp_path / "out", "--model", model)
        assert done.code == 2
        assert said in done.error
    assert not (tmp_path / "out").exists()


def test_a_mooncake_trace_is_sent_to_replay_in_one_line(call, tmp_path: Path) -> None:
    path = tmp_path / "mooncake.jsonl"
    path.write_text('{"timestamp": 0, "input_length": 9, "output_length": 1, "hash_ids": [0]}\n')
    done = call("make", "--data", path, "--out", tmp_path / "out")
    assert done.code == 2
    assert "replay it directly" in done.error


def test_wrong_options_are_said_in_one_line_also_for_programs(call, data: Path, tmp_path: Path) -> None:
    done = call("make", "--data", data, "--out", tmp_path / "out", "--arrival-rate", "nan")
    assert done.code == 2
    assert "'--arrival-rate'" in done.error
    done = call("make", "--data", tmp_path / "absent", "--out", tmp_path / "out", "--json")
    assert done.code == 2
    assert "No such file" in json.loads(done.out.splitlines()[-1])["error"]
