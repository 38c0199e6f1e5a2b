"""The twin worker under the real engine's Python, with a model small enough for seconds."""

import json
import math
import os
import statistics
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.engine.parameter_count import parameter_count
from harness.engine.twin import make_twin, twin_config
from harness.spec.models import Model, find_model, load_models
from harness.spec.pin import DEFAULT_CPU_PIN
from harness.workspace import ROOT

ENGINE_PYTHON = ROOT / "engines" / DEFAULT_CPU_PIN / "bin" / "python"

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not ENGINE_PYTHON.exists(), reason=f"no engine at {ENGINE_PYTHON.relative_to(ROOT)}"),
]

LOOK = """\
import json, sys
from pathlib import Path
from safetensors import safe_open
from transformers import AutoTokenizer
folder = Path(sys.argv[1])
tensors = {}
for file in sorted(folder.glob("*.safetensors")):
    with safe_open(file, "pt") as opened:
        for name in opened.keys():
            tensor = opened.get_tensor(name)
            values = tensor.double()
            tensors[name] = [str(tensor.dtype), list(tensor.shape), values.mean().item(), values.std().item()]
tokenizer = AutoTokenizer.from_pretrained(folder)
ids = tokenizer(sys.argv[2], add_special_tokens=False).input_ids
print(json.dumps({"tensors": tensors, "entries": len(tokenizer), "bos": tokenizer.bos_token_id,
                  "eos": tokenizer.eos_token_id, "back": tokenizer.decode(ids)}))
"""


def tiny() -> Model:
    """llama3-3b with 2 layers and 4000 entries."""
    entry = find_model("llama3-3b").model_dump(mode="json")
    entry["config"] |= {"num_hidden_layers": 2, "vocab_size": 4000, "bos_token_id": 3984, "eos_token_id": 3985}
    entry["tokenizer"] = {"file_bytes": 270_000, "special_tokens": 16, "merges": 6_500}
    return Model.model_validate(entry)


def under_engine(program: str, *arguments: str) -> Any:
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(ENGINE_PYTHON), "-c", program, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_a_twin_is_reproducible_byte_for_byte_and_loads_as_what_it_stands_for(tmp_path: Path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        make_twin(tmp_path / name, "tiny", tiny(), seed, ENGINE_PYTHON)
    contents = {n: {file.name: file.read_bytes() for file in (tmp_path / n).iterdir()} for n in "abc"}
    assert contents["a"] == contents["b"]
    differing = {file for file in contents["a"] if contents["a"][file] != contents["c"][file]}
    assert {"tokenizer.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"} < differing
    assert "config.json" not in differing

    text = "Grüße, 日本 🦙 bacodu\n\tthe  end"
    seen = under_engine(LOOK, str(tmp_path / "a"), text)
    assert (seen["entries"], seen["bos"], seen["eos"], seen["back"]) == (4000, 3984, 3985, text)
    assert len(seen["tensors"]) == 2 * 9 + 2
    assert "lm_head.weight" not in seen["tensors"]  # tied: published once
    assert seen["tensors"]["model.embed_tokens.weight"][1] == [4000, 192]
    for name, (dtype, shape, mean, std) in seen["tensors"].items():
        assert dtype == "torch.bfloat16"
        if len(shape) == 2:
            assert (mean, std) == (pytest.approx(0.0, abs=0.003), pytest.approx(0.12, rel=0.03)), name
        else:
            assert (mean, std) == (1.0, 0.0), name


DESCRIBE = """\
import json, math, sys
from experiments.cold_start.worker_make_twin import published_shapes
shapes = {name: published_shapes(config) for name, config in json.loads(sys.argv[1]).items()}
parameters = {name: sum(math.prod(shape) for shape in found.values()) for name, found in shapes.items()}
print(json.dumps({"parameters": parameters, "names": {name: list(found) for name, found in shapes.items()}}))
"""


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """Parameters and tensor names of every original, by its model class, and of every twin (``NAME twin``)."""
    configs = {}
    for name, model in load_models().models.items():
        original = {key: value for key, value in model.config.as_dict().items() if key != "quantization_config"}
        configs |= {name: original, f"{name} twin": twin_config(model)}
    found: dict[str, Any] = under_engine(DESCRIBE, json.dumps(configs))
    return found


@pytest.mark.parametrize("name", sorted(load_models().models))
def test_the_formula_counts_what_the_model_class_has(described: dict[str, Any], name: str):
    model = find_model(name)
    assert described["parameters"][name] == parameter_count(model.config.as_dict())
    assert described["parameters"][f"{name} twin"] == parameter_count(twin_config(model))


@pytest.mark.parametrize("name", sorted(load_models().models))
def test_a_twin_has_every_tensor_of_its_original(described: dict[str, Any], name: str):
    assert described["names"][f"{name} twin"] == described["names"][name]


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("qwen-14.3b", "model.layers.23.mlp.experts.59.down_proj.weight"),
        ("olmoe-7b", "model.layers.15.mlp.experts.63.gate_proj.weight"),
        ("deepseek-v2-lite-16b", "model.layers.26.mlp.experts.63.up_proj.weight"),
        ("deepseek-v2-lite-16b", "model.layers.0.self_attn.kv_a_proj_with_mqa.weight"),
        ("granite4.0-h-32b", "model.layers.39.block_sparse_moe.input_linear.weight"),
        ("granite4.0-h-3b", "model.layers.0.mamba.A_log"),
        ("gpt-oss-20b", "model.layers.0.mlp.experts.gate_up_proj"),
        ("opt-125m", "model.decoder.embed_positions.weight"),
    ],
)
def test_tensors_have_their_published_names_not_those_in_memory(described: dict[str, Any], name: str, tensor: str):
    assert tensor in described["names"][name]


VALUES = """\
import json, sys
from experiments.cold_start.worker_twin_tensors import make_tensor, normal_quantiles
quantiles = normal_quantiles(0.12)
made = {name: make_tensor(name, (64,), 0, quantiles).double() for name in json.loads(sys.argv[1])}
print(json.dumps({name: values.tolist() for name, values in made.items()}))
"""


def test_every_vector_has_a_rule_by_its_name():
    ones = (
        "a.input_layernorm.weight a.norm_1.weight a.ln_f.weight a.self_attn_layer_norm.weight a.q_norm.weight a.mamba.D"
    )
    zeros = "a.q_proj.bias a.mlp.experts.down_proj_bias a.ln_f.bias a.router.bias"
    names = [*ones.split(), *zeros.split(), "a.mamba.A_log", "a.mamba.dt_bias", "a.self_attn.sinks"]
    values = under_engine(VALUES, json.dumps(names))
    assert all(set(values[name]) == {1.0} for name in [*ones.split(), "a.mamba.dt_bias"])
    assert all(set(values[name]) == {0.0} for name in zeros.split())
    assert values["a.mamba.A_log"] == pytest.approx([math.log(n) for n in range(1, 65)], rel=0.004)
    assert 0.05 < statistics.stdev(values["a.self_attn.sinks"]) < 0.2
    with pytest.raises(subprocess.CalledProcessError) as failure:
        under_engine(VALUES, json.dumps(["a.gate.scale"]))
    assert "no rule for the values of tensor 'a.gate.scale'" in failure.value.stderr
