"""Transformers' own greedy answer in the worker of a comparison, beside a model that is a rule and numpy for torch."""

import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

END = 9


class Model:
    """It says 1, 2, 3, …, END; with a repetition penalty in its generation config, nothing but zeros."""

    device = "cpu"

    def __init__(self) -> None:
        self.generation_config = SimpleNamespace(repetition_penalty=1.3, eos_token_id=None)

    def to(self, _: str) -> "Model":
        return self

    def eval(self) -> "Model":
        return self

    def generate(self, given: Any, *, max_new_tokens: int, do_sample: bool, **_: Any) -> Any:
        assert not do_sample
        tokens = given[0].tolist()
        for _ in range(max_new_tokens):
            tokens.append(0 if hasattr(self.generation_config, "repetition_penalty") else tokens[-1] + 1)
            if tokens[-1] in (self.generation_config.eos_token_id or []):
                break
        return np.array([tokens])


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    torch = SimpleNamespace(
        tensor=lambda rows, **_: np.array(rows), ones_like=np.ones_like, float32=None, dtype=None, Tensor=None
    )
    transformers = SimpleNamespace(
        AutoModelForCausalLM=SimpleNamespace(from_pretrained=lambda *_, **__: Model()),
        AutoTokenizer=None,
        GenerationConfig=SimpleNamespace,
    )
    for name, module in {"torch": torch, "transformers": transformers}.items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("text", "reference"):
        monkeypatch.delitem(sys.modules, f"experiments.engine_anatomy.worker_parity_{name}", raising=False)
    found = importlib.import_module("experiments.engine_anatomy.worker_parity_reference")
    for name in ("text", "reference"):  # made with false libraries: nobody else may get them
        monkeypatch.delitem(sys.modules, f"experiments.engine_anatomy.worker_parity_{name}")
    return found


def own(worker: ModuleType, folder: Path, tokens: Sequence[int], best: Sequence[int], limit: int) -> list[int]:
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": END, "repetition_penalty": 1.3}))
    model = worker.load({"model": str(folder), "dtype": "float32", "device": "cpu"})
    found: list[int] = worker.own_answer(
        model, {"prompt": [1], "tokens": list(tokens)}, list(best), limit, [END], grows=True
    )
    return found


def test_a_penalty_of_the_models_generation_config_is_not_one_sides_alone(worker: ModuleType, tmp_path: Path):
    assert own(worker, tmp_path, [2, 7, 8], best=[2, 3, 8], limit=5) == [2, 3, 4, 5, 6]


def test_it_ends_with_an_end_token(worker: ModuleType, tmp_path: Path):
    assert own(worker, tmp_path, [2, 3], best=[2, 7], limit=20) == [2, 7, 8, END]


@pytest.mark.parametrize("best", [[8, END, 4, 5], [8, END, 6, 5]])
def test_it_ends_where_an_end_token_was_though_vllm_went_on(worker: ModuleType, tmp_path: Path, best: list[int]):
    assert own(worker, tmp_path, [8, END, 4, 5], best, limit=4) == [8, END]
