"""Write a structural twin: a checkpoint with the original's architecture, depth and vocabulary, narrow and random.

Runs under an engine's Python: ``python -m experiments.cold_start.worker_make_twin REQUEST.json RESULT.json`` in the
repository's root. Reads ``{directory, config, tensor_std, seed, shards, tokenizer{entries, special_tokens, merges,
file_bytes}}`` and writes config.json, generation_config.json, safetensors shards and the tokenizer into ``directory``,
then ``{tensors, parameters, tensor_bytes, tokenizer_bytes}`` into RESULT.json. Equal requests give equal bytes.
"""

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.core_model_loading import revert_weight_conversion

from experiments.cold_start.worker_twin_tensors import make_tensor, normal_quantiles
from experiments.cold_start.worker_twin_tokenizer import TokenizerRequest, write_tokenizer

# Transformers' tokenizer class of these adds its end token, a further entry, unless it is there under this name.
END_TEXTS = {"qwen2": "<|endoftext|>", "qwen2_moe": "<|endoftext|>"}
UNSAID_LENGTH = 2048  # tokens; of configs that do not say how many positions they have (Falcon-7B)


def published_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor of the published checkpoint, in the model's order; no memory is allocated."""
    described = AutoConfig.for_model(**config)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(described)
    # Transformers 5 joins a layer's experts in memory; published, which is what engines load, each is a tensor.
    published = revert_weight_conversion(model, model.state_dict())
    # A tied tensor is published once, under the name of the one it is tied to.
    tied = set(model._tied_weights_keys or ()) if described.tie_word_embeddings else set()
    return {name: tuple(tensor.shape) for name, tensor in published.items() if name not in tied}


def write_shards(folder: Path, shapes: dict[str, tuple[int, ...]], shards: int, seed: int, std: float) -> int:
    """Write the tensors, in order, into ``shards`` files of about equal size and their index; return all bytes."""
    sizes = {name: 2 * math.prod(shape) for name, shape in shapes.items()}
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
    begin_end = {key: config[key] for key in ("bos_token_id", "eos_token_id") if key in config}
    tokenizer = TokenizerRequest(
        **request["tokenizer"],
        bos_ids=_ids(config.get("bos_token_id")),
        eos_ids=_ids(config.get("eos_token_id")),
        pad_ids=_ids(config.get("pad_token_id")),
        end_text=END_TEXTS.get(config["model_type"], "<|end_of_text|>"),
        max_length=config.get("max_position_embeddings") or config.get("max_seq_len") or UNSAID_LENGTH,
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


def _ids(published: int | list[int] | None) -> tuple[int, ...]:
    """A token id of a config, which may be one, several or none."""
    if published is None:
        return ()
    return (published,) if isinstance(published, int) else tuple(published)


if __name__ == "__main__":
    main(*sys.argv[1:3])
