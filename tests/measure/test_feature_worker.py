"""The feature worker without an engine: what it asks of vLLM, and what it makes of the answers."""

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

MODULES = [f"experiments.engine_anatomy.worker_{name}" for name in ("feature", "feature_drafts", "heads")]


class Llm:
    """What vLLM's engine is to the worker; ``asked``: of each call, how many log-probabilities of each prompt."""

    def __init__(self, **_: Any) -> None:
        self.asked: list[list[int | None]] = []
        self.llm_engine = SimpleNamespace(vllm_config=SimpleNamespace(parallel_config=SimpleNamespace(world_size=1)))

    def generate(self, _: list[Any], sampling: list[Any], **__: Any) -> list[Any]:
        """One token each, with log-probabilities where they are asked for."""
        self.asked.append([each.logprobs for each in sampling])
        known = {4: SimpleNamespace(logprob=-0.1), 9: SimpleNamespace(logprob=-0.3)}
        told = [[known] if each.logprobs else None for each in sampling]
        return [SimpleNamespace(outputs=[SimpleNamespace(token_ids=[4], logprobs=each)]) for each in told]


class Published:
    """vLLM's publisher of what was drafted."""

    def observe(self, stats: Any, engine_idx: int = 0) -> None:
        """Nothing."""


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The workers' modules, imported over stand-ins of the engine's packages."""
    metrics = ModuleType("vllm.v1.spec_decode.metrics")
    monkeypatch.setattr(Published, "observe", Published.observe)
    metrics.SpecDecodingProm = Published  # type: ignore[attr-defined]
    vllm, torch, tensors = ModuleType("vllm"), ModuleType("torch"), ModuleType("safetensors.torch")
    vllm.LLM, vllm.SamplingParams = Llm, SimpleNamespace  # type: ignore[attr-defined]
    torch.Tensor, torch.Generator = list, object  # type: ignore[attr-defined]
    tensors.load_file = tensors.save_file = None  # type: ignore[attr-defined]
    for module in (vllm, torch, tensors, metrics, *map(ModuleType, ("vllm.v1", "vllm.v1.spec_decode", "safetensors"))):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield {name.rpartition(".worker_")[2]: importlib.import_module(name) for name in MODULES}
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("told", [1, 3])
def test_every_case_warms_up_on_all_prompts_whatever_it_tells(workers: dict[str, Any], told: int):
    asked = {"arguments": {}, "prompts": [[1], [2], [3]], "told": told, "output_tokens": 1,
             "make_pipeline_buffers": False}  # fmt: skip
    featured = workers["feature"].Featured(asked)
    answers = featured.warmed_up()
    assert featured.llm.asked == [[2] * told + [None] * (3 - told)]
    assert answers == [{"tokens": [4], "nll": [0.1], "gaps": [pytest.approx(0.2)], "runners_up": [9]}] * told


TOLD = {"tokens": [1, 2, 3], "nll": [0.1, 0.2, 0.3], "gaps": [1.0, 1e-5, 2.0], "runners_up": [7, 8, 9]}


@pytest.mark.parametrize(
    ("answer", "gaps", "runners_up"),
    [
        ([1, 2, 3], [1.0, 1e-5, 2.0], [7, 8, 9]),
        ([1, 8, 5], [1.0, 1e-5], [7, 2]),  # the two best are swapped: the other one is second now
        ([1, 6, 5], [1.0], [7]),  # what is second to another token was not told
    ],
)
def test_what_the_warm_up_told_holds_as_far_as_the_prefix_is_the_same(
    workers: dict[str, Any], answer: list[int], gaps: list[float], runners_up: list[int]
):
    line = workers["feature"]._line(answer, TOLD)
    assert (line["tokens"], line["gaps"], line["runners_up"]) == (answer, gaps, runners_up)


def test_drafts_are_counted_by_the_places_that_they_had(workers: dict[str, Any]):
    drafted = workers["feature_drafts"].DRAFTED
    drafted.count()
    for places in ([2, 1, 0], [3, 3, 3]):
        Published().observe(SimpleNamespace(num_draft_tokens_per_pos=places), engine_idx=0)
    assert drafted.by_position == [5, 4, 3]
    before = {"steps": 1, "accepted_by_position": [], "drafted_by_position": [1, 1, 0]}
    after = {"steps": 4, "accepted_by_position": [1, 0, 0], "drafted_by_position": [5, 4, 3]}
    assert workers["feature"]._difference(before, after) == {
        "steps": 3, "accepted_by_position": [1, 0, 0], "drafted_by_position": [4, 3, 3]
    }  # fmt: skip


def test_a_random_draft_has_the_targets_width_also_of_opt_or_says_that_it_is_not_told(workers: dict[str, Any]):
    opt = {"model_type": "opt", "hidden_size": 8, "vocab_size": 9, "num_attention_heads": 2, "ffn_dim": 32}
    assert workers["heads"].Shapes(opt, None).inner == 32
    assert workers["heads"]._llama(opt, "LlamaForCausalLM", 1)["intermediate_size"] == 32
    with pytest.raises(ValueError, match=r"no random draft fits a bloom: its config\.json has no intermediate_size"):
        workers["heads"].inner_size({"model_type": "bloom"})
