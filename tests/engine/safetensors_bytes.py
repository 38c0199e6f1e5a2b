"""Small safetensors files for tests, written by hand: the format is read by hand too."""

import json
import math

WIDTH = {"BF16": 2, "F32": 4, "U8": 1}


def safetensors(tensors: dict[str, tuple[str, list[int]]]) -> bytes:
    """A file with these tensors (name → dtype and shape), all zeros."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, (dtype, shape) in tensors.items():
        size = math.prod(shape) * WIDTH[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(offset)
