"""A load's prompts are counted as the engine's own tokenizer counts them, and its tokens begin with one another."""

import json
import subprocess
from pathlib import Path

import pytest

from harness.commands.routing.load import MadeLoad, make_load
from harness.engine.environment import engine_of
from harness.engine.model_store import ensure_model
from harness.record.load import LoadParameters, LoadRow, read_load
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.traces.rows import TokenRow, read_trace
from harness.workspace import Workspace

pytestmark = [pytest.mark.engine, pytest.mark.beside]
# What /v1/completions does, by hand: text to ids with the tokenizer's special ones.
COUNT = """
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], local_files_only=True)
rows = map(json.loads, open(sys.argv[2]))
print(json.dumps([tokenizer.encode(row["prompt"]) for row in rows]), len(tokenizer))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[MadeLoad, list[list[int]], int]:
    engine = engine_of(load_pin(DEFAULT_CPU_PIN))
    model = ensure_model("qwen2.5-0.5b-instruct", lambda: engine.python, Workspace().models, synthetic=True)
    parameters = LoadParameters(50, 40, 8, 2, 9)
    load = make_load(parameters, None, model, engine, print, Workspace(tmp_path_factory.mktemp("load")))
    command = [str(engine.python), "-c", COUNT, str(model.path), str(load.load)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    ids, vocabulary = out.rsplit(maxsplit=1)
    return load, json.loads(ids), int(vocabulary)


def requests(load: Path) -> list[TokenRow]:
    return [row for _, row in read_trace(load) if isinstance(row, TokenRow)]


def test_prompts_have_the_tokens_that_the_server_computes(made: tuple[MadeLoad, list[list[int]], int]) -> None:
    load, ids, _ = made
    rows: list[LoadRow] = read_load(load.load)
    assert [row.prompt_token_ids for row in requests(load.tokens)] == ids
    assert [row.prompt_tokens for row in rows] == [len(each) for each in ids]


def test_answers_are_found_in_no_prompt_and_no_other_answer(made: tuple[MadeLoad, list[list[int]], int]) -> None:
    load, _, vocabulary = made
    trace, rows = requests(load.tokens), read_load(load.load)
    assert [row.output_tokens for row in trace] == [row.output_tokens for row in rows]
    first = [row.output_token_ids[0] for row in trace]
    assert min(first) >= vocabulary
    assert len(set(first)) == len(trace)


def test_a_pieces_tokens_are_the_beginning_of_the_next_ones(made: tuple[MadeLoad, list[list[int]], int]) -> None:
    trace = requests(made[0].tokens)
    before: dict[str | None, list[int]] = {}
    further = 0
    for row in trace:
        prompt = before.get(row.session_id, [])
        further += bool(prompt)
        assert row.prompt_token_ids[: len(prompt)] == prompt
        before[row.session_id] = row.prompt_token_ids
    assert further > 20
