"""Count the weight bytes of full-width architectures on the meta device, where tensors have shapes and no memory.

Runs under an engine's Python: ``python -m experiments.cold_start.worker_weight_bytes REQUEST.json RESULT.json`` in the
repository's root. Reads ``{name: config}`` with published configs and writes ``{name: {published, loaded}}``: bytes of
the published checkpoint, and bytes of the weights as vLLM 0.10.1.1 holds them on a Hopper GPU.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

from experiments.cold_start.worker_make_twin import published_shapes

BFLOAT16_BYTES = 2
# MXFP4: 32 values of 4 bits share a scale of 8 bits, so a value takes 17/32 of a byte.
MXFP4_BYTES = (17, 32)
# vLLM 0.10.1.1, layers/quantization/mxfp4.py, the Marlin kernel (the paper's gpt-oss log says that it ran).
MARLIN_HIDDEN_MULTIPLE, MARLIN_FFN_MULTIPLE = 256, 128


def count(config: dict[str, Any]) -> dict[str, int]:
    """Bytes ``published`` and ``loaded`` of one architecture."""
    is_mxfp4 = config.get("quantization_config", {}).get("quant_method") == "mxfp4"
    # Without its quantization the class describes the same tensors, unpacked.
    shapes = published_shapes({key: value for key, value in config.items() if key != "quantization_config"})
    quantized = [name for name, shape in shapes.items() if is_mxfp4 and ".experts." in name and len(shape) == 3]
    plain = BFLOAT16_BYTES * sum(math.prod(shape) for name, shape in shapes.items() if name not in quantized)
    values = sum(math.prod(shapes[name]) for name in quantized)
    padded = values * _padding(config) if quantized else 0.0
    return {"published": plain + _mxfp4(values), "loaded": plain + _mxfp4(round(padded))}


def _mxfp4(values: int) -> int:
    return values * MXFP4_BYTES[0] // MXFP4_BYTES[1]


def _padding(config: dict[str, Any]) -> float:
    """Factor by which Marlin's padding of both widths enlarges the experts' matrices."""
    hidden, ffn = int(config["hidden_size"]), int(config["intermediate_size"])
    padded_hidden = math.ceil(hidden / MARLIN_HIDDEN_MULTIPLE) * MARLIN_HIDDEN_MULTIPLE
    padded_ffn = math.ceil(ffn / MARLIN_FFN_MULTIPLE) * MARLIN_FFN_MULTIPLE
    return padded_hidden * padded_ffn / (hidden * ffn)


def main(request_path: str, result_path: str) -> None:
    """Count every architecture of the request."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    result = {name: count(config) for name, config in request.items()}
    Path(result_path).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3])
