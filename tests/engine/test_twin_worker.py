"""The twin worker under the real engine's Python, with a model small enough for seconds."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.engine.twin import make_twin
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


@pytest.mark.parametrize("name", sorted(load_models().models))
def test_the_full_width_architecture_has_the_stated_checkpoint_bytes(name: str):
    program = (
        "import json, math, sys\n"
        "from experiments.cold_start.worker_make_twin import published_shapes\n"
        "print(2 * sum(math.prod(shape) for shape in published_shapes(json.loads(sys.argv[1])).values()))"
    )
    model = find_model(name)
    assert under_engine(program, json.dumps(model.config.as_dict())) == model.checkpoint.tensor_bytes
