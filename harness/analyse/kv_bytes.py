"""How many bytes a model's KV cache takes: keys and values of every layer and key-value head, two bytes each (bf16)."""

from typing import Any

from harness.errors import HarnessError
from harness.spec.published_config import PublishedConfig

_ELEMENT_BYTES = 2
_ATTENTION = {"full_attention", "attention", "sliding_attention"}


def kv_bytes(name: str, config: PublishedConfig, block_size: int, cache_blocks: int | None) -> dict[str, Any]:
    """Bytes of one block of ``block_size`` tokens, and of ``cache_blocks`` of them (None: without limit).

    A replay has one group of full attention: ``assumed`` says where the model has less.

    Raises:
        HarnessError: its layers do not all keep keys and values per head.
    """
    extra = config.model_extra or {}
    kinds = set(extra.get("layer_types") or ())
    if extra.get("kv_lora_rank"):
        raise HarnessError(f"--model {name}: it keeps one latent vector a token (MLA), no keys and values of heads")
    if kinds - _ATTENTION:
        odd = ", ".join(sorted(kinds - _ATTENTION))
        raise HarnessError(f"--model {name}: it has layers without a KV cache that grows ({odd}); replays assume none")
    head_size = extra.get("head_dim") or config.width // config.heads
    block = 2 * config.layers * config.key_value_heads * head_size * _ELEMENT_BYTES * block_size
    window = extra.get("sliding_window")
    slides = "sliding_attention" in kinds or (window and not kinds and extra.get("use_sliding_window", True))
    return {
        "name": name,
        "layers": config.layers,
        "key_value_heads": config.key_value_heads,
        "head_size": head_size,
        "dtype": "bfloat16",
        "block_bytes": block,
        "cache_bytes": None if cache_blocks is None else block * cache_blocks,
        "assumed": f"full attention in every layer (the model has windows of {window} tokens)" if slides else None,
    }
