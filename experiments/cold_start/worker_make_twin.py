"""Write a structural twin: a checkpoint with the original's architecture, depth and vocabulary, narrow and random.

Runs under an engine's Python: ``python -m experiments.cold_start.worker_make_twin REQUEST.json RESULT.json`` in the
repository's root. Reads ``{directory, config, tensor_std, seed, shards, tokenizer{entries, special_tokens, merges,
file_bytes}}`` and writes config.json, generation_config.json, safetensors shards and the tokenizer into ``directory``,
then ``{tensors, parameters, tensor_bytes, tokenizer_bytes}`` into RESULT.json. Equal requests give equal bytes.
"""

import hashlib
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

from experiments.cold_start.worker_twin_tokenizer import TokenizerRequest, write_tokenizer

QUANTILES = 1 << 16  # a weight is one of this many equally likely values of the normal distribution


def published_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor of the published checkpoint, in the model's order; no memory is allocated."""
    described = AutoConfig.for_model(**config)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(described)
    # A tied tensor is published once, under the name of the one it is tied to.
    tied = set(model._tied_weights_keys or ()) if config.get("tie_word_embeddings") else set()
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if name not in tied}


def normal_quantiles(std: float) -> npt.NDArray[np.int16]:
    """The middle values of QUANTILES equally likely slices of N(0, std²), as the 16 bits of a bfloat16."""
    normal = statistics.NormalDist(0.0, std)
    values = [normal.inv_cdf((index + 0.5) / QUANTILES) for index in range(QUANTILES)]
    bits: npt.NDArray[np.int16] = torch.tensor(values).to(torch.bfloat16).view(torch.int16).numpy()
    return bits


def make_tensor(name: str, shape: tuple[int, ...], seed: int, quantiles: npt.NDArray[np.int16]) -> torch.Tensor:
    """The bfloat16 tensor called ``name``: a norm's weight is ones, a bias zeros, a matrix drawn from ``quantiles``.

    Each tensor has its own generator, keyed by seed and name, so that none depends on the order of making. Only the
    raw bits of Philox are used: numpy promises them for ever, which it does not for its distributions.

    Raises:
        ValueError: a vector that is neither a norm nor a bias; it needs a rule of its own, not a guess.
    """
    if len(shape) >= 2:
        key = int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16], "little")
        count = int(np.prod(shape))
        bits = np.random.Philox(key=key).random_raw((count + 3) // 4).astype("<u8").view("<u2")[:count]
        return torch.from_numpy(quantiles[bits]).view(torch.bfloat16).reshape(shape)
    if name.endswith("norm.weight"):
        return torch.ones(shape, dtype=torch.bfloat16)
    if name.endswith(".bias"):
        return torch.zeros(shape, dtype=torch.bfloat16)
    raise ValueError(f"no rule for the values of tensor '{name}' of shape {shape}")


def write_shards(folder: Path, shapes: dict[str, tuple[int, ...]], shards: int, seed: int, std: float) -> int:
    """Write the tensors, in order, into ``shards`` files of about equal size and their index; return all bytes."""
    sizes = {name: 2 * int(np.prod(shape)) for name, shape in shapes.items()}
    total, before = sum(sizes.values()), 0
    groups: list[list[str]] = [[] for _ in range(shards)]
    for name, size in sizes.items():
        groups[min(before * shards // total, shards - 1)].append(name)
        before += size
    groups = [group for group in groups if group]  # one tensor can be larger than a shard's share
    quantiles = normal_quantiles(std)
    weight_map: dict[str, str] = {}
    for number, group in enumerate(groups, start=1):
        file = f"model-{number:05}-of-{len(groups):05}.safetensors" if len(groups) > 1 else "model.safetensors"
        tensors = {name: make_tensor(name, shapes[name], seed, quantiles) for name in group}
        save_file(tensors, folder / file, metadata={"format": "pt"})
        os.chmod(folder / file, 0o644)  # safetensors writes through a private temporary file
        weight_map |= dict.fromkeys(group, file)
    if len(groups) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
        write_json(folder / "model.safetensors.index.json", index)
    return total


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write indented JSON with a final newline."""
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def main(request_path: str, result_path: str) -> None:
    """Make the twin that the request describes."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    folder, config, seed = Path(request["directory"]), request["config"], request["seed"]
    begin_end = {key: config[key] for key in ("bos_token_id", "eos_token_id")}
    tokenizer = TokenizerRequest(
        **request["tokenizer"],
        bos_id=config["bos_token_id"],
        eos_id=config["eos_token_id"],
        max_length=config["max_position_embeddings"],
        seed=seed,
    )
    write_json(folder / "config.json", dict(sorted(config.items())))
    write_json(folder / "generation_config.json", {"_from_model_config": True, **begin_end})
    tokenizer_bytes = write_tokenizer(folder, tokenizer)
    shapes = published_shapes(config)
    tensor_bytes = write_shards(folder, shapes, request["shards"], seed, request["tensor_std"])
    result = {
        "tensors": len(shapes),
        "parameters": tensor_bytes // 2,
        "tensor_bytes": tensor_bytes,
        "tokenizer_bytes": tokenizer_bytes,
    }
    write_json(Path(result_path), result)


if __name__ == "__main__":
    main(*sys.argv[1:3])
