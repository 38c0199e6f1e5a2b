"""The tensors of a safetensors checkpoint as float32, with numpy alone: environments without torch read it, too.

Format: https://huggingface.co/docs/safetensors (8 bytes length, a JSON header, the tensors' bytes).
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def tensors(folder: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Name and values of every tensor, file by file, in the order of the files' headers.

    Raises:
        ValueError: a type that is neither float32, float16 nor bfloat16.
    """
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
            for name, facts in header.items():
                if name == "__metadata__":
                    continue
                begin, end = facts["data_offsets"]
                file.seek(8 + length + begin)
                yield name, widened(file.read(end - begin), facts["dtype"]).reshape(facts["shape"])


def widened(content: bytes, dtype: str) -> NDArray[np.float32]:
    """Values as float32, exactly: bfloat16 is a float32 without its lower half."""
    if dtype == "BF16":
        halves = np.frombuffer(content, dtype="<u2")
        return (halves.astype("<u4") << 16).view("<f4")
    if dtype == "F16":
        return np.frombuffer(content, dtype="<f2").astype("<f4")
    if dtype == "F32":
        return np.frombuffer(content, dtype="<f4")
    raise ValueError(f"dtype {dtype} is not read here")
