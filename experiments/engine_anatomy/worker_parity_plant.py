"""A copy of a model folder in which one weight matrix is scaled: the fault that the comparison must find.

``python -m experiments.engine_anatomy.worker_parity_plant IN OUT``. IN: {"model": folder, "file": the safetensors file
in it that has the tensor, "tensor", "factor", "out": the copy's folder, which is made}. OUT: {"shape"}.

The tensor is stored in float32: in bfloat16 most weights times 1.01 would be rounded to something else. All other files
are links to the model's.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def plant(asked: dict[str, Any]) -> list[int]:
    """Make the copy; the tensor's shape."""
    model, out = Path(asked["model"]), Path(asked["out"])
    out.mkdir()
    for path in sorted(model.iterdir()):
        if path.is_file() and path.name != asked["file"]:
            (out / path.name).symlink_to(path.resolve())
    with safe_open(model / asked["file"], framework="pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(model / asked["file"])
    scaled = tensors[asked["tensor"]].to(torch.float32) * asked["factor"]
    save_file({**tensors, asked["tensor"]: scaled}, out / asked["file"], metadata=metadata)
    return list(scaled.shape)


def main(request_path: str, result_path: str) -> None:
    """Make what is asked, then write the result."""
    asked = json.loads(Path(request_path).read_text(encoding="utf-8"))
    result = {"shape": plant(asked)}
    Path(f"{result_path}.new").write_text(json.dumps(result), encoding="utf-8")
    os.replace(f"{result_path}.new", result_path)


if __name__ == "__main__":
    main(*sys.argv[1:])
