"""How many parameters a published config describes, by the formula of its architecture.

Exact for the models of ``models.yaml`` (a test compares with the model class on the meta device); a twin's shape is
searched with it, which takes too many tries to build a model for each.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from harness.errors import HarnessError

Config = Mapping[str, Any]
TIED_UNLESS_SAID = frozenset({"falcon", "gemma", "mpt", "opt"})  # default of their Transformers config classes
MIXED = frozenset({"deepseek_v2", "granitemoehybrid"})  # their layers differ


class Heads(NamedTuple):
    """The attention of a config."""

    query: int
    key_value: int
    size: int  # elements of one head


def parameter_count(config: Config) -> int:
    """Parameters of the published checkpoint; a tied embedding counts once.

    Raises:
        HarnessError: an architecture whose formula is not known here.
    """
    layer = LAYERS.get(config["model_type"])
    if layer is None:
        known = ", ".join(sorted(LAYERS))
        raise HarnessError(f"cannot count the parameters of model_type '{config['model_type']}'; known: {known}")
    hidden = hidden_size(config)
    norm = hidden * (2 if config["model_type"] in ("falcon", "opt") else 1)  # LayerNorms have a bias, MPT's have none
    embedding = _int(config, "vocab_size") * hidden * (1 if is_tied(config) else 2)
    if config["model_type"] == "opt":
        embedding += (
            _int(config, "max_position_embeddings") + 2
        ) * hidden  # learned positions, two of them for padding
    depth = layer_count(config)
    alike = config["model_type"] not in MIXED
    return embedding + norm + (depth * layer(config, 0) if alike else sum(layer(config, i) for i in range(depth)))


def hidden_size(config: Config) -> int:
    """Width of the residual stream."""
    return _int(config, "d_model" if config["model_type"] == "mpt" else "hidden_size")


def layer_count(config: Config) -> int:
    """Number of decoder layers."""
    return _int(config, "n_layers" if config["model_type"] == "mpt" else "num_hidden_layers")


def is_tied(config: Config) -> bool:
    """Whether the output layer is the embedding."""
    return bool(config.get("tie_word_embeddings", config["model_type"] in TIED_UNLESS_SAID))


def heads(config: Config) -> Heads:
    """The attention heads; of latent attention (DeepSeek) the size is that of a value head."""
    query = _int(config, "n_heads" if config["model_type"] == "mpt" else "num_attention_heads")
    if config["model_type"] == "falcon":
        key_value = _int(config, "num_kv_heads") if config["new_decoder_architecture"] else 1
        if not config["new_decoder_architecture"] and not config["multi_query"]:
            key_value = query
    else:
        key_value = int(config.get("num_key_value_heads") or query)
    size = config.get("v_head_dim") or config.get("head_dim") or hidden_size(config) // query
    return Heads(query, key_value, int(size))


def _int(config: Config, key: str) -> int:
    return int(config[key])


def _attention(config: Config) -> int:
    """Query, key, value and output matrices."""
    query, key_value, size = heads(config)
    return hidden_size(config) * size * (2 * query + 2 * key_value)


def _query_key_value_width(config: Config) -> int:
    query, key_value, size = heads(config)
    return (query + 2 * key_value) * size


def _gated(config: Config, width: int) -> int:
    """Gate, up and down matrices of one feed-forward block."""
    return 3 * hidden_size(config) * width


def _llama(config: Config, _: int) -> int:
    return _attention(config) + _gated(config, _int(config, "intermediate_size")) + 2 * hidden_size(config)


def _qwen2(config: Config, index: int) -> int:
    return _llama(config, index) + _query_key_value_width(config)  # biases


def _qwen2_moe(config: Config, _: int) -> int:
    hidden, experts = hidden_size(config), _int(config, "num_experts")
    routed = experts * (_gated(config, _int(config, "moe_intermediate_size")) + hidden)
    shared = _gated(config, _int(config, "shared_expert_intermediate_size")) + hidden
    return _attention(config) + _query_key_value_width(config) + routed + shared + 2 * hidden


def _olmoe(config: Config, _: int) -> int:
    query, key_value, size = heads(config)
    hidden = hidden_size(config)
    routed = _int(config, "num_experts") * (_gated(config, _int(config, "intermediate_size")) + hidden)
    return _attention(config) + (query + key_value) * size + routed + 2 * hidden  # norms of query and key


def _deepseek_v2(config: Config, index: int) -> int:
    hidden, query, latent = hidden_size(config), _int(config, "num_attention_heads"), _int(config, "kv_lora_rank")
    plain, rotary, value = (
        _int(config, "qk_nope_head_dim"),
        _int(config, "qk_rope_head_dim"),
        _int(config, "v_head_dim"),
    )
    attention = hidden * query * (plain + rotary) + query * value * hidden
    attention += hidden * (latent + rotary) + latent + latent * query * (plain + value)
    if index < _int(config, "first_k_dense_replace"):
        return attention + _gated(config, _int(config, "intermediate_size")) + 2 * hidden
    experts = _int(config, "n_routed_experts")
    blocks = (experts + _int(config, "n_shared_experts")) * _gated(config, _int(config, "moe_intermediate_size"))
    return attention + blocks + experts * hidden + 2 * hidden


def _gpt_oss(config: Config, _: int) -> int:
    query = heads(config).query
    hidden, width, experts = hidden_size(config), _int(config, "intermediate_size"), _int(config, "num_local_experts")
    attention = _attention(config) + _query_key_value_width(config) + hidden + query  # biases and sinks
    return attention + experts * (_gated(config, width) + 2 * width + hidden) + experts * (hidden + 1) + 2 * hidden


def _granite_hybrid(config: Config, index: int) -> int:
    hidden, experts = hidden_size(config), _int(config, "num_local_experts")
    block = _gated(config, _int(config, "shared_intermediate_size")) + 2 * hidden
    block += experts * (_gated(config, _int(config, "intermediate_size")) + hidden)
    if config["layer_types"][index] == "attention":
        return block + _attention(config)
    inner = _int(config, "mamba_expand") * hidden
    convolved = inner + 2 * _int(config, "mamba_n_groups") * _int(config, "mamba_d_state")
    projected = inner + convolved + _int(config, "mamba_n_heads")
    mamba = hidden * projected + convolved * _int(config, "mamba_d_conv") + inner * hidden + inner
    return block + mamba + 3 * _int(config, "mamba_n_heads") + (convolved if config["mamba_conv_bias"] else 0)


def _falcon(config: Config, _: int) -> int:
    hidden = hidden_size(config)
    norms = 2 if config["new_decoder_architecture"] and config.get("num_ln_in_parallel_attn") != 1 else 1
    width = int(config.get("ffn_hidden_size") or 4 * hidden)
    return _attention(config) + 2 * hidden * width + norms * 2 * hidden


def _opt(config: Config, _: int) -> int:
    hidden, width = hidden_size(config), _int(config, "ffn_dim")
    return _attention(config) + 4 * hidden + 2 * hidden * width + width + hidden + 4 * hidden


def _mpt(config: Config, _: int) -> int:
    hidden = hidden_size(config)
    return _attention(config) + 2 * hidden * _int(config, "expansion_ratio") * hidden + 2 * hidden


LAYERS: Mapping[str, Callable[[Config, int], int]] = {  # model_type → parameters of one layer
    "deepseek_v2": _deepseek_v2,
    "falcon": _falcon,
    "gemma": _llama,
    "gpt_oss": _gpt_oss,
    "granite": _llama,
    "granitemoehybrid": _granite_hybrid,
    "llama": _llama,
    "mistral": _llama,
    "mpt": _mpt,
    "olmoe": _olmoe,
    "opt": _opt,
    "qwen2": _qwen2,
    "qwen2_moe": _qwen2_moe,
}
