"""Files and sizes of a checkpoint, read from the headers of its safetensors files: no tensor is read.

Format: 8 bytes, the header's length (little endian); the header, JSON: tensor name → ``dtype``, ``shape`` and
``data_offsets`` [begin, end) into the bytes after it. Source: the format's description in the safetensors repository.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engine import pytorch_weights
from harness.errors import HarnessError

MAX_HEADER_BYTES = 100_000_000  # the format's own limit
# MXFP4 checkpoints (gpt-oss) pack two 4-bit weights into each byte of these tensors.
PACKED_SUFFIX = "_blocks"


@dataclass(frozen=True)
class TensorSizes:
    """What the tensors of a checkpoint amount to."""

    tensor_bytes: int  # without headers
    parameters: int | None  # elements; a packed byte holds two; None = the format does not say without unpickling


def checkpoint_sizes(folder: Path) -> TensorSizes:
    """Sizes of all tensors of the checkpoint in ``folder``.

    Where there is a shard index, only the files it names count: some publishers put a second copy of the weights, in
    another layout, beside them.

    Raises:
        HarnessError: a file or the index is damaged or cut off; names it.
    """
    names = weight_files(folder)
    if any(name.endswith(".bin") for name in names):
        return TensorSizes(sum(pytorch_weights.tensor_bytes(folder / name) for name in names), None)
    sizes = [_file_sizes(folder / name) for name in names]
    return TensorSizes(sum(size for size, _ in sizes), sum(parameters for _, parameters in sizes))


def weight_files(folder: Path) -> list[str]:
    """Names of the files that make up the checkpoint, sorted: safetensors, or PyTorch's where there are none."""
    index, pattern = folder / "model.safetensors.index.json", "*.safetensors"
    if not index.exists() and not any(folder.glob(pattern)):
        index, pattern = folder / pytorch_weights.INDEX, pytorch_weights.PATTERN
    if not index.exists():
        return sorted(path.name for path in folder.glob(pattern))
    try:
        return sorted({str(name) for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _damaged(index, "it is no index of shards") from None


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Name → shape of the tensors of one safetensors file. Raises HarnessError: it is damaged."""
    header, _ = _read(path)
    try:
        return {name: tuple(map(_length, tensor["shape"])) for name, tensor in header.items() if name != "__metadata__"}
    except (KeyError, TypeError, ValueError):
        raise _damaged(path, "its header does not describe tensors") from None


def _file_sizes(path: Path) -> tuple[int, int]:
    """Bytes and elements of the tensors of one safetensors file."""
    header, data_bytes = _read(path)
    tensor_bytes = parameters = 0
    try:
        for name, tensor in header.items():
            if name == "__metadata__":
                continue
            begin, end = tensor["data_offsets"]
            if not 0 <= begin <= end <= data_bytes:
                raise _damaged(path, f"tensor {name!r} ends beyond the file")
            tensor_bytes += end - begin
            packed = tensor["dtype"] == "U8" and name.endswith(PACKED_SUFFIX)
            parameters += math.prod(map(_length, tensor["shape"])) * (2 if packed else 1)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _damaged(path, "its header does not describe tensors") from None
    return tensor_bytes, parameters


def _length(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not the length of a dimension")
    return value


def _read(path: Path) -> tuple[dict[str, Any], int]:
    """The header, and the number of bytes after it."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            data_bytes = path.stat().st_size - 8 - length
            if data_bytes < 0 or length > MAX_HEADER_BYTES:
                raise _damaged(path, f"it has no header of {length} bytes")
            header = json.loads(file.read(length))
    except (ValueError, RecursionError):  # not JSON, not UTF-8
        raise _damaged(path, "its header is not JSON") from None
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read: {error.strerror}") from None
    if not isinstance(header, dict):
        raise _damaged(path, "its header is not a mapping")
    return header, data_bytes


def _damaged(path: Path, why: str) -> HarnessError:
    return HarnessError(f"{path}: not a complete safetensors file ({why}); place or make the model again")
