"""The numbers that the paper draws its models against."""

import json
from typing import get_args

import pytest

from harness.analyse.dataset import paper_hardware
from harness.analyse.paper_facts import paper_facts
from harness.spec.figure import Axis
from tests.beside import RECORDED


def test_facts_are_numbers_of_known_axes() -> None:
    facts = paper_facts()
    assert facts["llama3-3b"] == {"size_b": 3.0, "tokenizer_mb": 8.7, "graph_kb": 979.0}
    for numbers in facts.values():  # of a model that the paper does not have: none
        assert set(numbers) <= set(get_args(Axis))
        assert all(number > 0 for number in numbers.values())


def test_every_model_of_the_paper_has_the_papers_numbers() -> None:
    facts = paper_facts()
    models = json.loads(RECORDED.need("models_config.json").read_text(encoding="utf-8"))
    for model, entry in models.items():
        numbers = (entry["size"], entry["tokenizer_size"], entry["compiled_graph_sizes"])
        assert facts[model] == dict(zip(("size_b", "tokenizer_mb", "graph_kb"), numbers, strict=True)), model


@pytest.mark.parametrize(
    ("gpu", "is_it"), [("NVIDIA H100 NVL", True), ("NVIDIA H100 PCIe", False), ("NVIDIA H100 80GB HBM3", False)]
)
def test_only_an_h100_nvl_is_the_gpu_of_the_papers_first_machine(gpu: str, is_it: bool) -> None:
    _, named = paper_hardware("node0")
    assert (named in gpu) == is_it
