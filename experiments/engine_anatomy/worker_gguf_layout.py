"""How GGUF names and orders a checkpoint's tensors, and what llama.cpp cannot be told. Numpy alone.

Source: llama.cpp's conversion scripts and the ``gguf`` package's tensor map.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def refusal(config: dict[str, Any], tokenizer: dict[str, Any]) -> str | None:
    """Why llama.cpp would compute or split something else, in one line; None: it would not."""
    if config["model_type"] not in ARCHITECTURES:
        return f"model_type {config['model_type']}: only {', '.join(ARCHITECTURES)} are written as GGUF here"
    scaling = config.get("rope_scaling") or {}
    if scaling.get("rope_type", scaling.get("type", "default")) != "default":
        return f"rope_scaling {scaling}: only unscaled rotary positions are written as GGUF here"
    splits = tokenizer["pre_tokenizer"] or {}
    if tokenizer["model"]["type"] != "BPE" or {key: splits.get(key) for key in GPT2} != GPT2:
        return "the tokenizer is no byte-level BPE with GPT-2's splitting: llama.cpp would split otherwise"
    return None
