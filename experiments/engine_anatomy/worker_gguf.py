"""Write a structural twin as GGUF, the file that llama.cpp reads: the same weights, widened to float32, nothing else.

Runs under llama.cpp's Python: ``python -m experiments.engine_anatomy.worker_gguf REQUEST.json RESULT.json`` in the
repository's root. Reads ``{model (a folder), out}``, writes the file ``out`` and then ``{tensors, bytes}`` into
RESULT.json. Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, names: ``worker_gguf_layout``.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from experiments.engine_anatomy.worker_gguf_layout import ARCHITECTURES, gguf_name, interleaved, refusal
from experiments.engine_anatomy.worker_safetensors import tensors


def weights(folder: Path, config: dict[str, Any]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """GGUF's name and values of every tensor. A tied output is left out: llama.cpp takes the embedding."""
    heads = {
        "self_attn.q_proj": config["num_attention_heads"],
        "self_attn.k_proj": config["num_key_value_heads"],
    }
    for name, values in tensors(folder):
        turned = next((count for part, count in heads.items() if part in name), None)
        if turned and config["model_type"] == "llama":
            values = interleaved(values, turned)
        yield gguf_name(name), np.ascontiguousarray(values)


def add_tokenizer(writer: gguf.GGUFWriter, tokenizer: dict[str, Any], entries: int) -> None:
    """Vocabulary, types and merges; numbers without an entry get a name that no text has."""
    texts = [f"[PAD{number}]" for number in range(entries)]
    types = [gguf.TokenType.UNUSED] * entries
    for text, number in tokenizer["model"]["vocab"].items():
        texts[number], types[number] = text, gguf.TokenType.NORMAL
    for token in tokenizer["added_tokens"]:
        texts[token["id"]], types[token["id"]] = token["content"], gguf.TokenType.CONTROL
    merges = [each if isinstance(each, str) else " ".join(each) for each in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(texts)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_add_bos_token(False)


def add_shape(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    """The architecture's numbers, from config.json."""
    heads = config["num_attention_heads"]
    size = config.get("head_dim") or config["hidden_size"] // heads
    rotary = config.get("rope_parameters") or {}
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_dimension_count(size)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config.get("rope_theta") or rotary.get("rope_theta") or 10_000.0)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for role in ("bos", "eos"):
        number = config.get(f"{role}_token_id")
        if number is not None:
            first = number[0] if isinstance(number, list) else number
            getattr(writer, f"add_{role}_token_id")(first)


def main(request_path: str, result_path: str) -> None:
    """Write the file that the request names."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    folder = Path(request["model"])
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    if why := refusal(config, tokenizer):
        sys.exit(why)
    writer = gguf.GGUFWriter(request["out"], ARCHITECTURES[config["model_type"]])
    writer.add_name(folder.name)
    add_shape(writer, config)
    add_tokenizer(writer, tokenizer, config["vocab_size"])
    number = 0
    for name, values in weights(folder, config):
        writer.add_tensor(name, values)
        number += 1
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    told = {"tensors": number, "bytes": Path(request["out"]).stat().st_size}
    Path(result_path).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3])
