"""Parity with real engines: transformers judges position by position, and a planted fault is caught."""

import json
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.cli import app as cli
from harness.cli import parity as cli_parity
from harness.engine.environment import Engine, engine_of
from harness.engine.model_store import ModelFiles, ensure_model
from harness.engine.planted_tensor import planted_tensor
from harness.engine.study_worker import run_worker
from harness.record.parity_run import Answer, Reference, lines_of
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.workspace import Workspace

ANSWERS = [
    {"prompt": [5, 77, 1234, 9], "tokens": [11, 12, 2000], "ids": [[11, 3], [12, 4], [2000, 6]], "log_p": [[0, 0]] * 3},
    {"prompt": [8], "tokens": [40], "ids": [[40, 41]], "log_p": [[0, 0]]},
]


@pytest.fixture(scope="module")
def engine() -> Engine:
    found = engine_of(load_pin(DEFAULT_CPU_PIN))
    if found.installed_as() is None:
        pytest.skip("the default engine is not installed: bash run_tests.sh --setup-only")
    return found


@pytest.fixture(scope="module")
def model(engine: Engine) -> ModelFiles:
    return ensure_model("opt-125m", lambda: engine.python, Workspace().models, synthetic=True)


def ask(engine: Engine, worker: str, asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    request, result = folder / f"{worker}.in", folder / f"{worker}.out"
    request.write_text(json.dumps(asked))
    result.unlink(missing_ok=True)
    environment = {**engine.pin.environment, "OMP_NUM_THREADS": "1"}
    run_worker(
        engine.python, f"experiments.engine_anatomy.worker_parity_{worker}", (request, result), environment, "x", 300
    )
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def references(engine: Engine, model: Path, folder: Path) -> list[Reference]:
    asked = {"model": str(model), "dtype": "float32", "exact": "float64", "device": "cpu", "tokens": 3, "grows": True}
    told = ask(engine, "reference", asked | {"answers": ANSWERS}, folder)
    return lines_of(told["references"], Reference, "references")


@pytest.mark.engine
@pytest.mark.beside
def test_a_fault_in_one_matrix_is_far_above_what_rounding_does(engine: Engine, model: ModelFiles, tmp_path: Path):
    found = planted_tensor(model.path, None)
    assert found.name == "model.decoder.layers.6.self_attn.out_proj.weight"
    copy = tmp_path / "planted"
    asked = {"model": str(model.path), "file": found.file, "tensor": found.name, "factor": 1.01, "out": str(copy)}
    assert ask(engine, "plant", asked, tmp_path)["shape"] == [32, 32]
    right, wrong = references(engine, model.path, tmp_path), references(engine, copy, tmp_path)
    for answer, one, other in zip(lines_of(ANSWERS, Answer, "answers"), right, wrong, strict=True):
        assert len(one.log_p) == len(answer.tokens)
        assert all(first >= second for first, second in one.best_log_p)
        noise = max(abs(a - b) for rows in zip(one.log_p, one.exact, strict=True) for a, b in zip(*rows, strict=True))
        fault = max(abs(a - b) for rows in zip(one.log_p, other.log_p, strict=True) for a, b in zip(*rows, strict=True))
        assert 0 < noise < 1e-4
        assert fault > 20 * noise
        assert all(math.exp(value) <= 1 for row in one.exact for value in row)


@pytest.mark.slow
def test_vllm_does_what_transformers_does_and_a_planted_fault_is_caught(
    engine: Engine, model: ModelFiles, monkeypatch, capsys, tmp_path: Path
):
    (tmp_path / "engines").symlink_to(engine.folder.parent)
    (tmp_path / "models").symlink_to(model.path.parent)
    monkeypatch.setattr(cli_parity, "Workspace", lambda: Workspace(tmp_path))

    def parity(*arguments: str) -> tuple[int, dict[str, Any]]:
        call = ["harness", "parity", "opt-125m", "--prompts", "12", "--tokens", "8", *arguments, "--json"]
        monkeypatch.setattr(sys, "argv", call)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out.splitlines()[-1])

    code, document = parity()
    assert code == 0
    single, half = document["comparisons"]
    assert single["faults"] == half["faults"] == 0
    assert single["share_identical"] == 1 or single["near_ties"]
    assert single["ratio"] < 2
    assert half["ratio"] < 2
    assert half["noise"]["rms"] > 1000 * single["noise"]["rms"]
    code, document = parity("--dtype", "float32", "--plant", "1.01")
    assert code == 1
    (found,) = document["comparisons"]
    assert found["verdict"] == "different"
    assert found["ratio"] > 100


@pytest.mark.slow
def test_transformers_answers_greedily_whatever_penalty_the_models_generation_config_has(
    engine: Engine, model: ModelFiles, tmp_path: Path
):
    folder = tmp_path / "penalty"
    shutil.copytree(model.path, folder)
    ends = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(ends | {"repetition_penalty": 5.0, "do_sample": True}))
    asked = {"model": str(folder), "dtype": "float32", "exact": "float64", "device": "cpu", "tokens": 24, "grows": True}
    first = ask(engine, "reference", asked | {"answers": ANSWERS}, tmp_path)["references"]
    own = [
        {"prompt": given["prompt"], "tokens": each["tokens"], "ids": [[token] for token in each["tokens"]]}
        for given, each in zip(ANSWERS, first, strict=True)
    ]
    for answer, judged in zip(
        own, ask(engine, "reference", asked | {"answers": own}, tmp_path)["references"], strict=True
    ):
        assert len(answer["tokens"]) > 12
        assert [best[0] for best in judged["best"]] == answer["tokens"]


@pytest.mark.slow
def test_a_chat_template_is_used_where_there_is_one(engine: Engine, model: ModelFiles, tmp_path: Path):
    folder = tmp_path / "chat"
    shutil.copytree(model.path, folder)
    (folder / "chat_template.jinja").write_text("{% for m in messages %}U{{ m['content'] }}{% endfor %}A")
    prompts = {}
    for where in (model.path, folder):
        asked = {"model": str(where), "dtype": "float32", "tokens": 2, "listed": 5, "texts": ["one", "two three"]}
        told = ask(engine, "vllm", asked, tmp_path)
        assert told["chat"] == (where == folder)
        prompts[where] = [each.prompt for each in lines_of(told["answers"], Answer, "answers")]
    assert prompts[folder] != prompts[model.path]
    assert prompts[folder][0][0] == prompts[folder][1][0]  # the template's first character
    assert prompts[folder][0][-1] == prompts[folder][1][-1]
