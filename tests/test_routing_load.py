"""The routing figure's load: made once per what decides it, the same bytes each time, one schedule for all."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.commands.routing import load as routing_load
from harness.commands.routing.load import MadeLoad, make_load
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.errors import HarnessError
from harness.record.load import LoadParameters, read_load
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.traces.arrivals import request_times
from harness.traces.rows import TokenRow, read_trace
from harness.workspace import Workspace

SMALL = LoadParameters(max_conversations=30, num_prompts=40, min_messages=6, min_output_tokens=2, max_output_tokens=5)
MODEL = ModelFiles(Path("nowhere"), "toy", True, None, "0" * 64)


def fake_worker(_: Path, module: str, paths: tuple[Path, Path], *__: Any) -> None:
    assert module == routing_load.WORKER
    asked = json.loads(paths[0].read_text())
    rows = [json.loads(line) for line in Path(asked["rows"]).read_text().splitlines()]
    with Path(asked["out"]).open("w") as out:
        for row in rows:
            ids = [len(word) for word in row["prompt"].split()]
            trace = {
                "request_id": f"r{row['request']}",
                "session_id": f"c{row['conversation']}",
                "turn": row["piece"] + 1,
                "arrival_s": row["arrival_s"],
                "prompt_token_ids": ids,
                "output_token_ids": [1] * row["output_tokens"],
            }
            out.write(json.dumps(trace) + "\n")
    paths[1].write_text(json.dumps({"prompt_tokens": [len(row["prompt"].split()) for row in rows]}))


class Making:
    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.said: list[str] = []
        self.engine = Engine(load_pin(DEFAULT_CPU_PIN), root / "engine")

    def __call__(
        self, parameters: LoadParameters = SMALL, data: Path | None = None, model: ModelFiles = MODEL
    ) -> MadeLoad:
        return make_load(parameters, data, model, self.engine, self.said.append, self.workspace)


@pytest.fixture
def making(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Making:
    monkeypatch.setattr(routing_load, "run_worker", fake_worker)
    return Making(tmp_path / "one")


def contents(made: MadeLoad) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in made.folder.iterdir()}


def test_a_load_is_made_once_and_elsewhere_again_byte_for_byte(making: Making, tmp_path: Path) -> None:
    made, again, elsewhere = making(), making(), Making(tmp_path / "two")()
    assert sorted(contents(made)) == ["load.json", "load.jsonl", "tokens.jsonl"]
    assert made == again
    assert len(making.said) == 1
    assert contents(made) == contents(elsewhere)
    assert made.folder.name == elsewhere.folder.name


def test_file_and_trace_hold_the_same_requests_at_the_clients_times(making: Making) -> None:
    made = making()
    rows = read_load(made.load)
    trace = [row for _, row in read_trace(made.tokens) if isinstance(row, TokenRow)]
    assert len(rows) == len(trace) == 40
    for row, token_row in zip(rows, trace, strict=True):
        assert row.prompt_tokens == token_row.prompt_tokens
        assert row.output_tokens == token_row.output_tokens
        assert (token_row.session_id, token_row.turn) == (f"c{row.conversation}", row.piece + 1)
    assert [row.arrival_s for row in trace] == request_times(40, SMALL.request_rate, SMALL.seed)


def test_the_facts_say_what_was_made_of_what(making: Making) -> None:
    facts = making().facts
    rows = read_load(making().load)
    assert facts["prompts"] == 40
    assert facts["conversations"] == len({row.conversation for row in rows})
    assert facts["prompt_tokens"]["max"] == max(row.prompt_tokens or 0 for row in rows)
    assert facts["prompt_tokens"]["sum"] == facts["trace"]["prompt_tokens"]
    assert facts["output_tokens"]["sum"] == facts["trace"]["output_tokens"]
    assert facts["model"] == {"name": "toy", "twin": True, "files_sha256": "0" * 64}
    assert str(making.workspace.root) not in json.dumps(facts)


@pytest.mark.parametrize("changed", [{"seed": 1}, {"num_prompts": 41}, {"request_rate": float("inf")}])
def test_what_decides_the_bytes_decides_the_folder(making: Making, changed: dict[str, Any]) -> None:
    assert making().folder != making(replace(SMALL, **changed)).folder


def test_how_it_is_sent_and_where_the_model_lies_do_not(making: Making) -> None:
    other = replace(SMALL, max_concurrency=3, stream=False, ignore_eos=False, timeout_s=1.0)
    assert making().folder == making(other, model=replace(MODEL, path=Path("elsewhere"))).folder
    assert making().folder != making(model=replace(MODEL, files_sha256="1" * 64)).folder


def test_somebodys_dialogues_are_taken_and_bad_rows_told(making: Making, tmp_path: Path) -> None:
    data = tmp_path / "mine.jsonl"
    said = [{"from": ("human", "gpt")[n % 2], "value": f"text {n}"} for n in range(6)]
    data.write_text("".join(json.dumps(row) + "\n" for row in ({"conversations": said}, {"id": 1})))
    made = making(replace(SMALL, num_prompts=3), data)
    assert made.facts["source"]["file"] == "mine.jsonl"
    assert made.facts["conversations"] == 1
    assert read_load(made.load)[0].prompt == "User: text 0\nAssistant:"
    assert any("no conversation" in line for line in making.said)


def test_too_few_or_no_dialogues_leave_nothing_behind(making: Making, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no such file"):
        making(data=tmp_path / "nowhere.json")
    with pytest.raises(HarnessError, match="are wanted"):
        making(replace(SMALL, num_prompts=10_000))
    assert list(making.workspace.root.rglob("*.jsonl")) == []


def test_damaged_facts_are_said_with_their_cure(making: Making) -> None:
    (making().folder / "load.json").write_text("{")
    with pytest.raises(HarnessError, match="remove its folder and repeat"):
        making()
