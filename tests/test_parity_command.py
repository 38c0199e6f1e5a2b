"""``python3 harness parity``: what it makes, stores, says and exits with.

Both engines are faked by a small table of weights, which a fault can really be planted into. Real ones:
tests/engine/test_real_parity.py. Over 300 lines: one short call of the same command per claim, over the same fakes.
"""

import json
import math
import os
import random
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cli import parity as cli_parity
from harness.commands.parity import command as parity_command
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.engine.patch_set import patches_sha256
from harness.errors import HarnessError
from harness.measure import parity, replay
from harness.measure.inherited import INHERITED
from harness.record.parity_run import read_parity_facts, read_parity_run
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.traces.puzzles import make_puzzles
from harness.workspace import Workspace
from tests.checkout import Call, Done
from tests.engine.safetensors_bytes import safetensors

MATRIX = "model.layers.0.self_attn.o_proj.weight"
VOCABULARY, LISTED = 50, 5
NOISE = {"float64": 0.0, "float32": 1e-6, "bfloat16": 1e-2}


class Fakes:
    """A "model": the next token's log-probabilities are rows of a table, chosen by the last token."""

    def __init__(self) -> None:
        self.twin = True
        self.asked: list[str] = []
        self.fails_in: set[tuple[str, str]] = set()  # worker, dtype
        self.tells_nan_in: set[tuple[str, str]] = set()
        self.no_number = math.nan
        self.stopped = False

    def __call__(
        self,
        _python: Path,
        module: str,
        paths: tuple[Path, Path],
        environment: Mapping[str, str],
        *_: object,
        inherited: Mapping[str, str],
    ) -> None:
        name = module.rpartition("worker_parity_")[2]
        asked = json.loads(paths[0].read_text())
        assert environment["OMP_NUM_THREADS"] == ("1" if self.twin else str(len(os.sched_getaffinity(0))))
        self.asked.append(name)
        self.inherited = inherited
        if self.stopped:
            raise KeyboardInterrupt
        if (name, asked.get("dtype")) in self.fails_in:
            where = f"{asked['model']} under {_python}"
            by = f"{Path.home()}/cache/x.py on {os.uname().nodename}"
            raise HarnessError(f"{name} failed (exit 1): RuntimeError: this engine cannot load {where}, {by}")
        told = {"plant": _plant, "vllm": _vllm, "reference": _reference}[name](asked)
        if (name, asked.get("dtype")) in self.tells_nan_in:
            told[{"vllm": "answers", "reference": "references"}[name]][1]["log_p"][2][0] = self.no_number
        paths[1].write_text(json.dumps(told))


def _plant(asked: dict[str, Any]) -> dict[str, Any]:
    assert asked["tensor"] == MATRIX
    Path(asked["out"]).mkdir()
    (Path(asked["out"]) / "factor").write_text(str(asked["factor"]))
    return {"shape": [VOCABULARY, VOCABULARY]}


def _table(factor: float, noise: float, seed: int) -> Any:
    """Log-probabilities [last token, next token] of weights of which some are scaled."""
    weights = np.random.default_rng(0).normal(0, 2, (VOCABULARY, VOCABULARY))
    weights[:, ::2] *= factor
    logits = weights + np.random.default_rng(seed).normal(0, noise or 0.0, weights.shape)
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def _vllm(asked: dict[str, Any]) -> dict[str, Any]:
    planted = Path(asked["model"]) / "factor"
    table = _table(float(planted.read_text()) if planted.exists() else 1.0, NOISE[asked["dtype"]], seed=1)
    answers = []
    for text in asked["texts"]:
        prompt = [random.Random(text).randrange(VOCABULARY)]
        tokens, ids, log_p = [], [], []
        for _ in range(asked["tokens"]):
            order = np.argsort(-table[(prompt + tokens)[-1]])[:LISTED].tolist()
            log_p.append([float(table[(prompt + tokens)[-1], each]) for each in order])
            ids.append(order)
            tokens.append(order[0])
        answers.append({"prompt": prompt, "tokens": tokens, "ids": ids, "log_p": log_p})
    return {"vllm": "0.32.0", "torch": "2", "transformers": "5", "chat": False, "answers": answers}


def _reference(asked: dict[str, Any]) -> dict[str, Any]:
    same, exact = _table(1.0, NOISE[asked["dtype"]], seed=2), _table(1.0, 0.0, seed=3)
    references = []
    for answer in asked["answers"]:
        last = [*answer["prompt"], *answer["tokens"]][:-1]
        best = [np.argsort(-same[each])[:2].tolist() for each in last]
        differs = next((n for n, each in enumerate(best) if each[0] != answer["tokens"][n]), None)
        own = list(answer["tokens"])
        if differs is not None:
            own[differs:] = [best[differs][0], *[0] * (len(own) - differs - 1)]
        references.append(
            {
                "best": best,
                "best_log_p": [same[each][two].tolist() for each, two in zip(last, best, strict=True)],
                "log_p": [same[each][row].tolist() for each, row in zip(last, answer["ids"], strict=True)],
                "exact": [exact[each][row].tolist() for each, row in zip(last, answer["ids"], strict=True)],
                "tokens": own,
                "texts": ["Answer: 4", "Answer: 5"],
            }
        )
    return {"references": references}


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def call(fakes: Fakes, typed: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    folder = tmp_path / "models" / "opt-125m-twin"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(
        safetensors({MATRIX: ("F32", [VOCABULARY, VOCABULARY]), "model.norm": ("F32", [4])})
    )

    def model(*_: object, **__: object) -> ModelFiles:
        return ModelFiles(folder, "opt-125m", fakes.twin, None, "0" * 64, parameters=2500)

    engine = Engine(load_pin(DEFAULT_CPU_PIN), tmp_path / "engine")
    monkeypatch.setattr(parity, "run_worker", fakes)
    monkeypatch.setattr(parity_command, "installed", lambda _: engine)
    monkeypatch.setattr(parity_command, "ensure_model", model)
    monkeypatch.setattr(cli_parity, "Workspace", lambda: Workspace(tmp_path))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    return partial(typed, "parity")


SMALL = ("opt-125m", "--prompts", 20, "--tokens", 10)


def runs(root: Path) -> list[Path]:
    found = (root / "runs").glob("*/engine_anatomy/parity-*/*")
    return sorted(each for each in found if each.is_dir())


def last_document(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return found


def test_engines_that_agree_hold_in_both_precisions_and_the_verdict_is_printed_first(call, tmp_path: Path):
    done = call(*SMALL)
    assert done.code == 0
    blocks = done.out.split("\n\n")
    assert blocks[0].startswith("parity of opt-125m (structural twin, random weights): vLLM of vllm-0.32.0-cpu against")
    assert blocks[1].startswith("float32                   IDENTICAL")
    assert "identical answers         20 of 20 (100.0 %)" in blocks[1]
    assert "final answers             not compared: a twin's text means nothing" in blocks[1]
    assert blocks[2].startswith("bfloat16                  ")
    assert [read_parity_run(each).facts.parameters["dtype"] for each in runs(tmp_path)] == ["bfloat16", "float32"]


@pytest.mark.parametrize("factor", [1.01, 0.99, 1.0001, 0.0])
def test_a_planted_fault_is_caught_in_float32(call, factor: float):
    done = call(*SMALL, "--dtype", "float32", "--plant", factor, "--json")
    assert done.code == 1
    (found,) = last_document(done)["comparisons"]
    assert found["verdict"] == "different"
    assert found["plant"] == {"tensor": MATRIX, "factor": factor}
    assert found["ratio"] > 10
    assert "planted fault             model.layers.0.self_attn.o_proj.weight × " in done.err


def test_a_fault_below_a_precisions_rounding_is_not_seen_and_its_size_is_said(call):
    done = call(*SMALL, "--dtype", "bfloat16", "--plant", 1.0001, "--json")
    (found,) = last_document(done)["comparisons"]
    assert done.code == 0
    assert found["detectable"] == pytest.approx(found["noise"]["rms"] * math.sqrt(8))


def test_a_comparison_is_made_once(call, fakes: Fakes, tmp_path: Path):
    first = call(*SMALL, "--json")
    assert fakes.asked == ["vllm", "reference"] * 2
    files = {each: each.read_bytes() for each in (tmp_path / "runs").rglob("*.json*")}
    again = call(*SMALL, "--json")
    assert fakes.asked == ["vllm", "reference"] * 2
    assert last_document(again) == last_document(first)
    assert {each: each.read_bytes() for each in (tmp_path / "runs").rglob("*.json*")} == files
    call("opt-125m", "--prompts", 20, "--tokens", 10, "--seed", 1, "--dtype", "float32")
    assert fakes.asked == ["vllm", "reference"] * 3


def test_an_engine_that_fails_is_a_stored_failure_and_the_other_precision_is_compared(call, fakes, tmp_path: Path):
    fakes.fails_in = {("vllm", "float32")}
    done = call(*SMALL, "--json")
    assert done.code == 1
    failed, other = last_document(done)["comparisons"]
    assert failed["verdict"] == "failed"
    assert failed["reasons"] == [
        "vllm: vllm failed (exit 1): RuntimeError: this engine cannot load opt-125m-twin under vllm-0.32.0-cpu, "
        "x.py on host"
    ]
    assert other["verdict"] != "failed"
    folder = next(each for each in runs(tmp_path) if each.name == "1.failed-1")
    assert read_parity_facts(folder).failed_in == "vllm"
    assert sorted(each.name for each in folder.iterdir()) == ["parity.json", "prompts.jsonl"]
    fakes.fails_in = set()
    assert call(*SMALL).code == 0  # tried again


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("worker", "where"), [("vllm", "vLLM's answers"), ("reference", "transformers' references")])
def test_a_log_probability_that_is_no_number_is_a_failed_comparison_that_says_so(
    call, fakes: Fakes, tmp_path: Path, worker: str, where: str, value: float
):
    fakes.tells_nan_in, fakes.no_number = {(worker, "float32")}, value
    done = call(*SMALL, "--json")
    assert done.code == 1
    failed, other = last_document(done)["comparisons"]
    assert failed["verdict"] == "failed"
    (reason,) = failed["reasons"]
    assert f"{where}, 2: log_p at token 3 is {value}: a log-probability that is no number" in reason
    assert other["verdict"] != "failed"
    assert sorted(each.name for each in runs(tmp_path)) == ["1", "1.failed-1"]


def test_the_engines_get_nothing_of_the_shell_but_what_is_allowed(call, fakes: Fakes, monkeypatch):
    for name in ("VLLM_ATTENTION_BACKEND", "HF_TOKEN", "TORCH_LOGS"):
        monkeypatch.setenv(name, "x")
    call(*SMALL, "--dtype", "float32")
    assert "PATH" in fakes.inherited
    assert fakes.inherited.keys() <= {*INHERITED, "CUDA_DEVICE_ORDER"}


def test_another_patch_set_is_another_comparison(call, fakes: Fakes, monkeypatch, tmp_path: Path):
    call(*SMALL, "--dtype", "float32")
    monkeypatch.setattr(replay, "patches_sha256", lambda _: "1" * 64)
    call(*SMALL, "--dtype", "float32")
    assert fakes.asked == ["vllm", "reference"] * 2
    found = [read_parity_facts(each).engine["patches_sha256"] for each in runs(tmp_path)]
    assert sorted(found) == sorted(["1" * 64, patches_sha256(load_pin(DEFAULT_CPU_PIN))])


def test_where_rounding_is_as_large_as_a_preference_a_parting_is_not_decidable(call, monkeypatch):
    monkeypatch.setitem(NOISE, "bfloat16", 1.0)
    done = call(*SMALL, "--dtype", "bfloat16", "--json")
    (found,) = last_document(done)["comparisons"]
    assert found["verdict"] == "not decidable"
    assert found["undecided"] == len(found["first_divergences"]) > 0
    assert found["near_ties"] == found["faults"] == 0
    assert found["tie_tolerance"]["least"] > 1
    assert "NOT DECIDABLE: no more than rounding" in done.err
    assert "(not decidable from 1 on): 4 × the largest noise of the prompt" in done.err
    assert done.code == 0


def test_of_real_weights_the_final_answers_are_compared(call, fakes: Fakes):
    fakes.twin = False
    done = call("opt-125m", "--prompts", 30, "--dtype", "float32", "--json")
    (found,) = last_document(done)["comparisons"]
    assert found["tokens"] == 256  # a twin's 32 would not reach one
    wanted = [each.answer for each in make_puzzles(30, 0)]
    right = [wanted.count("4"), wanted.count("5")]  # what the fakes always answer
    # A number is no answer to the other two kinds: neither engine gave one, which is no agreement.
    finals = {"puzzles": 30, "given": [10, 10], "right": right, "both": 10, "same": 0, "meaningful": True}
    assert found["final_answers"] == finals
    assert (
        f"final answers             right: vLLM {right[0]}, transformers {right[1]} of 30; same 0 of 10 given"
        in done.err
    )


@pytest.mark.parametrize("planted", [(), ("--plant", 1.5)])
def test_nothing_of_this_machine_is_left_in_a_run(call, tmp_path: Path, planted: tuple[object, ...]):
    call(*SMALL, "--dtype", "float32", *planted)
    (folder,) = runs(tmp_path)
    names = ["answers.jsonl", "parity.json", "prompts.jsonl", "references.jsonl"]
    assert sorted(each.name for each in folder.iterdir()) == names
    assert all(str(tmp_path) not in (folder / name).read_text() for name in names)


def test_a_call_that_is_stopped_leaves_no_run(call, fakes: Fakes, tmp_path: Path):
    fakes.stopped = True
    assert call(*SMALL).code == 130
    assert runs(tmp_path) == []
    fakes.stopped = False
    assert call(*SMALL).code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope",), "unknown model 'nope'"),
        (("opt-125m", "--dtype", "int8"), "--dtype 'int8': no such precision; name some of float32, bfloat16, float16"),
        (("opt-125m", "--dtype", ","), "--dtype '': no such precision"),
        (("opt-125m", "--prompts", 0), "--prompts 0: it must be 1 to 1000"),
        (("opt-125m", "--tokens", 0), "--tokens 0: it must be 1 to 4096"),
        (("opt-125m", "--seed", -1), "--seed -1: it must be 0 to 2147483647"),
        (("opt-125m", "--plant", 1), "--plant 1: a factor that changes a matrix, such as 1.01"),
        (("opt-125m", "--plant", "nan"), "--plant nan: a factor that changes a matrix"),
        (("opt-125m", "--tensor", MATRIX), "--tensor says where --plant puts its fault; give --plant FACTOR, too"),
        (
            ("opt-125m", "--plant", 2, "--tensor", "o_proj"),
            "--tensor o_proj: no weight matrix of opt-125m-twin; nearest",
        ),
        (
            ("opt-125m", "--plant", 2, "--tensor", "model.norm"),
            "--tensor model.norm: no weight matrix of opt-125m-twin",
        ),
        (("opt-125m", "--engine", "nope"), "unknown engine pin 'nope'"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_2_and_starts_nothing(
    call, fakes: Fakes, arguments: tuple[object, ...], message: str
):
    done = call(*arguments, "--json")
    assert done.code == 2
    assert message in done.error
    assert message in last_document(done)["error"]
    assert fakes.asked == []


def test_a_damaged_run_is_named(call, tmp_path: Path):
    call(*SMALL, "--dtype", "float32")
    (folder,) = runs(tmp_path)
    (folder / "references.jsonl").write_text("{}\n")
    done = call(*SMALL, "--dtype", "float32")
    assert done.code == 2
    assert "references.jsonl, line 1: missing or unknown keys" in done.error
    assert "move that folder away and repeat" in done.error


def test_a_model_that_does_not_fit_is_refused_before_anything_is_started(call, fakes: Fakes, monkeypatch):
    free = parity_command.memory()
    monkeypatch.setattr(parity_command, "memory", lambda: type(free)(1 << 30, None))
    done = call(*SMALL)
    assert done.code == 2
    assert "opt-125m in float64, which the precision below is judged by, needs 2.5 GB of memory" in done.error
    assert fakes.asked == []
