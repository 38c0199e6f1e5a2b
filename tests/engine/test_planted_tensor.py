"""Where a fault is planted: a named matrix, or the attention's output of the middle layer, whatever it is called."""

import re
from pathlib import Path

import pytest

from harness.engine.planted_tensor import PlantedTensor, planted_tensor
from harness.errors import HarnessError
from tests.engine.safetensors_bytes import safetensors


def checkpoint(folder: Path, name: str, layers: int, files: int = 1) -> Path:
    """Layers with a matrix of this name and others, spread over files."""
    for file in range(files):
        tensors: dict[str, tuple[str, list[int]]] = {}
        for layer in range(file, layers, files):
            tensors[name.format(layer)] = ("BF16", [4, 4])
            tensors[f"model.layers.{layer}.mlp.down_proj.weight"] = ("BF16", [4, 8])
            tensors[f"model.layers.{layer}.norm.weight"] = ("BF16", [4])
        (folder / f"model-{file}.safetensors").write_bytes(safetensors(tensors))
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.{}.self_attn.o_proj.weight",
        "model.decoder.layers.{}.self_attn.out_proj.weight",
        "transformer.h.{}.self_attention.dense.weight",
        "transformer.blocks.{}.attn.out_proj.weight",
    ],
)
def test_the_middle_layers_attention_output_is_chosen_by_the_layers_numbers(tmp_path: Path, name: str):
    found = planted_tensor(checkpoint(tmp_path, name, layers=12, files=2), None)
    assert found == PlantedTensor(name.format(6), "model-0.safetensors")


def test_a_named_matrix_is_found_in_its_file(tmp_path: Path):
    folder = checkpoint(tmp_path, "model.layers.{}.self_attn.o_proj.weight", layers=4, files=2)
    name = "model.layers.3.mlp.down_proj.weight"
    assert planted_tensor(folder, name) == PlantedTensor(name, "model-1.safetensors")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("model.layers.1.mlp.down_proj", "no weight matrix of .*; nearest: model.layers.1.mlp.down_proj.weight"),
        ("model.layers.1.norm.weight", "no weight matrix of "),  # a vector
        ("", "no weight matrix of "),
    ],
)
def test_what_is_no_matrix_is_refused_with_the_nearest(tmp_path: Path, name: str, said: str):
    folder = checkpoint(tmp_path, "model.layers.{}.self_attn.o_proj.weight", layers=2)
    with pytest.raises(HarnessError, match=rf"--tensor {re.escape(name)}: {said}"):
        planted_tensor(folder, name)


def test_a_checkpoint_without_an_attention_output_asks_for_a_name(tmp_path: Path):
    with pytest.raises(HarnessError, match="name one with --tensor"):
        planted_tensor(checkpoint(tmp_path, "model.layers.{}.mixer.weight", layers=2), None)


def test_a_checkpoint_of_pickles_is_refused(tmp_path: Path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(HarnessError, match="needs a checkpoint in safetensors files"):
        planted_tensor(tmp_path, None)
