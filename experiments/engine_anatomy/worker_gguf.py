"""Write a structural twin as GGUF, the file that llama.cpp reads: the same weights, widened to float32, nothing else.

Runs under llama.cpp's Python: ``python -m experiments.engine_anatomy.worker_gguf REQUEST.json RESULT.json`` in the
repository's root. Reads ``{model (a folder), out}``, writes the file ``out`` and then ``{tensors, bytes}`` into
RESULT.json. Key and tensor names: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and the ``gguf`` package.

What llama.cpp cannot be told is refused here: another architecture, scaled rotary positions, another tokenizer than
byte-level BPE with GPT-2's splitting, which all twins have.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from experiments.engine_anatomy.worker_safetensors import tensors

ARCHITECTURES = {"llama": "llama", "qwen2": "qwen2"}  # model_type → GGUF's name of it
GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
BLOCK = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def gguf_name(name: str) -> str:
    """``model.layers.3.self_attn.q_proj.bias`` → ``blk.3.attn_q.bias``. Raises KeyError: llama.cpp has no such one."""
    stem, _, last = name.rpartition(".")
    if stem in TOP:
        return f"{TOP[stem]}.{last}"
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{BLOCK[part]}.{last}"


def interleaved(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Query or key rows in llama.cpp's order for Llama: rotated pairs stand next to each other, not in two halves.

    ``rows``: (heads × head size, …). Other architectures keep Hugging Face's order (GGUF's "NEOX" rotation).
    """
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


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


def check(config: dict[str, Any], tokenizer: dict[str, Any]) -> None:
    """End with one line if llama.cpp would compute or split something else."""
    if config["model_type"] not in ARCHITECTURES:
        sys.exit(f"model_type {config['model_type']}: only {', '.join(ARCHITECTURES)} are written as GGUF here")
    scaling = config.get("rope_scaling") or {}
    if scaling.get("rope_type", scaling.get("type", "default")) != "default":
        sys.exit(f"rope_scaling {scaling}: only unscaled rotary positions are written as GGUF here")
    splits = tokenizer["pre_tokenizer"] or {}
    if tokenizer["model"]["type"] != "BPE" or {key: splits.get(key) for key in GPT2} != GPT2:
        sys.exit("the tokenizer is no byte-level BPE with GPT-2's splitting: llama.cpp would split otherwise")


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
    check(config, tokenizer)
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
