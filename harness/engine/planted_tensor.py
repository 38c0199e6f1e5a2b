"""Which weight matrix of a checkpoint a fault is planted into."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from harness.engine.safetensors_header import tensor_shapes, weight_files
from harness.errors import HarnessError

# The attention's output matrix: every token passes it, and it writes to the residual stream without a norm behind it.
_OUTPUT = re.compile(r"att.*\.(o_proj|out_proj|dense|c_proj)\.weight$")
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True)
class PlantedTensor:
    """A tensor, and the file of the model's folder that has it."""

    name: str
    file: str


def planted_tensor(folder: Path, name: str | None) -> PlantedTensor:
    """The tensor called ``name``; None: the attention's output matrix of the middle layer.

    Raises:
        HarnessError: no safetensors checkpoint, no matrix of that name (the nearest are named), or none to choose.
    """
    files: dict[str, str] = {}
    for file in weight_files(folder):
        if not file.endswith(".safetensors"):
            raise HarnessError(f"{folder}: --plant needs a checkpoint in safetensors files; leave it out")
        shapes = tensor_shapes(folder / file)
        files |= {tensor: file for tensor, shape in shapes.items() if len(shape) >= 2}
    if name is None:
        outputs = sorted(filter(_OUTPUT.search, files), key=_natural)
        if not outputs:
            raise HarnessError(f"{folder}: no attention output matrix to plant a fault into; name one with --tensor")
        name = outputs[len(outputs) // 2]
    if name not in files:
        near = ", ".join(difflib.get_close_matches(name, files, n=3, cutoff=0.3)) or next(iter(files), "none")
        raise HarnessError(f"--tensor {name}: no weight matrix of {folder.name}; nearest: {near}")
    return PlantedTensor(name, files[name])


def _natural(name: str) -> list[tuple[int, str]]:
    """Layers in the order of their numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _NUMBER.split(name)]
