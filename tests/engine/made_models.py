"""A models folder, with a fake engine that makes twins and with weights as a hub would leave them."""

import json
import sys
from pathlib import Path

from harness.engine.model_store import ModelFiles, ensure_model
from harness.spec.models import find_model
from tests.engine.safetensors_bytes import safetensors

NAME = "llama3-3b"

# Stands for an engine's Python: called as `python -m WORKER REQUEST RESULT`; counts its calls in CALLS.
FAKE_PYTHON = """\
import json, os, sys
from pathlib import Path
request, result = json.loads(Path(sys.argv[3]).read_text()), Path(sys.argv[4])
with open(os.environ["CALLS"], "a") as calls:
    calls.write(sys.argv[2] + "\\n")
folder = Path(request["directory"])
(folder / "config.json").write_text(json.dumps(request["config"]))
(folder / "tokenizer.json").write_text("tokenizer")
header = b'{"a": {"dtype": "U8", "shape": [2, 1], "data_offsets": [0, 2]}}'
weights = b"%d%d" % (request["seed"], request.get("scale", 0.01) > 0.01)
(folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + weights)
if os.environ.get("FAIL") == "message":
    print("Traceback", file=sys.stderr)
    sys.exit("ValueError: no rule for tensor 'x'")
if os.environ.get("FAIL") == "killed":
    os.kill(os.getpid(), 9)
result.write_text(json.dumps({"tensors": 1, "parameters": 1, "tensor_bytes": 2, "tokenizer_bytes": 3}))
"""


class Store:
    def __init__(self, folder: Path) -> None:
        self.models = folder / "models"
        self.twin = self.models / f"{NAME}-twin"
        self.real = self.models / NAME
        self.calls = folder / "calls"
        self.python = folder / "python"
        self.python.write_text(f"#!{sys.executable} -S\n{FAKE_PYTHON}")
        self.python.chmod(0o755)
        self.said: list[str] = []

    def ensure(self, synthetic: bool | None = True, seed: int | None = None, scale: float | None = None) -> ModelFiles:
        return ensure_model(NAME, lambda: self.python, self.models, synthetic, seed, self.said.append, scale)

    @property
    def made(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0

    def place_real_weights(self) -> None:
        self.real.mkdir(parents=True)
        config = find_model(NAME).config.as_dict()
        (self.real / "config.json").write_text(json.dumps(config))
        shards = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
        for shard in shards:
            (self.real / shard).write_bytes(safetensors({shard: ("BF16", [16])}))
        index = {"metadata": {}, "weight_map": {"a": shards[0], "b": shards[1]}}
        (self.real / "model.safetensors.index.json").write_text(json.dumps(index))


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"~")  # same size
