"""Choose how narrow a structural twin is, so that its checkpoint has a given share of the original's bytes.

Depth, vocabulary, experts, layer types, tying and everything else of the config stay; what is narrowed are the hidden
size, the heads and the feed-forward widths. A pure function of the published config: equal configs, equal twins.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from harness.engine.parameter_count import Heads, heads, hidden_size, parameter_count

DEFAULT_SCALE = 0.01
BYTES_PER_PARAMETER = 2  # bfloat16
STEP = 32  # widths are multiples of it: what CPU kernels take
# Head sizes of vLLM's CPU attention that a twin can use. Source: vLLM 0.32.0, v1/attention/backends/cpu_attn.py.
HEAD_SIZES = (32, 64, 80, 96, 112, 128)

# The published keys that hold a width, by what they follow. Absent and null keys stay as they are.
HIDDEN_KEYS = ("hidden_size", "d_model", "word_embed_proj_dim")
QUERY_KEYS = ("num_attention_heads", "n_heads")
KEY_VALUE_KEYS = ("num_key_value_heads", "num_kv_heads")
FFN_KEYS = (
    "intermediate_size",
    "moe_intermediate_size",
    "shared_expert_intermediate_size",
    "shared_intermediate_size",
    "ffn_dim",
)

# What a deviation costs, per factor e. Sizes come first: the twins' sizes must keep their proportions.
SIZE_COST, GROUP_COST, FFN_COST, ATTENTION_COST = 8.0, 2.0, 1.0, 1.0
WIDEST_CHANGE = 2.0  # a width may leave its proportion to the hidden size by this factor


def narrow(config: Mapping[str, Any], tensor_bytes: int | None, scale: float = DEFAULT_SCALE) -> dict[str, Any]:
    """The config keys that a twin replaces, and their values, never larger than the original's.

    ``tensor_bytes`` is the size of the published checkpoint; None = as the config has it in bfloat16. The twin's bytes
    are the nearest to ``scale`` of it for which head sizes and proportions allow: a small model with a large vocabulary
    cannot get below its embedding at the least hidden size.

    Raises:
        HarnessError: an architecture whose parameters cannot be counted.
    """
    target = scale * (tensor_bytes or BYTES_PER_PARAMETER * parameter_count(config))
    best: tuple[float, dict[str, Any]] | None = None
    for hidden in range(STEP, hidden_size(config) + 1, STEP):
        least = math.inf
        for attention in _attentions(config, hidden):
            for keys in _with_ffn_widths(_keys(config, hidden, attention), config, hidden, target):
                size = _bytes(config, keys)
                least = min(least, size)
                cost = SIZE_COST * abs(math.log(size / target)) + _shape_cost(config, keys, hidden, attention)
                if best is None or cost < best[0] - 1e-9:  # equal costs: the first, which has the smallest heads
                    best = (cost, keys)
        if least < math.inf and least > 1.5 * target and best is not None:
            break  # wider ones are only larger
    return best[1] if best else {}


def _attentions(config: Mapping[str, Any], hidden: int) -> Iterator[Heads]:
    """The attentions that a hidden size allows, smaller heads first."""
    original = heads(config)
    latent = config.get("v_head_dim")  # latent attention keeps all its sizes
    free = latent or config.get("head_dim")  # else the heads fill the hidden size
    for size in (latent,) if latent else HEAD_SIZES:
        proportional = original.query * original.size * hidden / hidden_size(config) / size
        if size > original.size or (not free and hidden % size):
            continue
        fewest, most = max(1, math.ceil(proportional / WIDEST_CHANGE)), max(1, math.floor(proportional * WIDEST_CHANGE))
        for query in range(fewest, min(most, original.query) + 1) if free else (hidden // size,):
            key_value = _key_value_heads(query, original)
            if query <= original.query and key_value:
                yield Heads(query, key_value, size)


def _key_value_heads(query: int, original: Heads) -> int:
    """The number of key-value heads whose groups are the largest not above the original's; 0 = none."""
    group = original.query // original.key_value
    divisors = (number for number in range(1, query + 1) if query % number == 0 and query // number <= group)
    return min((number for number in divisors if number <= original.key_value), default=0)


def _keys(config: Mapping[str, Any], hidden: int, attention: Heads) -> dict[str, Any]:
    """The narrow keys except the feed-forward widths that can be chosen."""
    new_falcon = config.get("new_decoder_architecture", True)
    values = dict.fromkeys(HIDDEN_KEYS, hidden) | dict.fromkeys(QUERY_KEYS, attention.query)
    # Falcon's first architecture has one key-value head whatever its num_kv_heads says, which repeats the query heads.
    values |= dict.fromkeys(KEY_VALUE_KEYS, attention.key_value if new_falcon else attention.query)
    values |= {"head_dim": attention.size, "ffn_hidden_size": 4 * hidden}  # vLLM's Falcon knows only 4 times hidden
    if "mamba_n_heads" in config:
        values["mamba_n_heads"] = config["mamba_expand"] * hidden // config["mamba_d_head"]
    return {key: value for key, value in values.items() if config.get(key) is not None}


def _with_ffn_widths(
    keys: dict[str, Any], config: Mapping[str, Any], hidden: int, target: float
) -> Iterator[dict[str, Any]]:
    """``keys`` with the feed-forward widths that meet ``target`` bytes best and with the proportional ones."""
    widths = {key: config[key] for key in FFN_KEYS if config.get(key)}
    if not widths:
        yield keys
        return
    lead = max(widths.values())  # the others keep their ratio to it
    proportional = lead * hidden / hidden_size(config) / STEP
    first = max(1, math.ceil(proportional / WIDEST_CHANGE))
    last = max(first, math.floor(min(proportional * WIDEST_CHANGE, lead / STEP)))

    def at(steps: int) -> dict[str, Any]:
        factor = steps * STEP / lead
        return keys | {key: max(STEP, round(width * factor / STEP) * STEP) for key, width in widths.items()}

    smallest, largest = (_bytes(config, at(steps)) for steps in (first, last))
    # Bytes grow linearly with the widths, but for the rounding of the narrower ones.
    wanted = first + (last - first) * (target - smallest) / max(1, largest - smallest)
    choices = {math.floor(wanted), math.ceil(wanted), round(proportional)}
    yield from (at(steps) for steps in sorted({min(max(steps, first), last) for steps in choices}))


def _bytes(config: Mapping[str, Any], keys: Mapping[str, Any]) -> int:
    return BYTES_PER_PARAMETER * parameter_count({**config, **keys})


def _shape_cost(config: Mapping[str, Any], keys: Mapping[str, Any], hidden: int, attention: Heads) -> float:
    """How far the twin's proportions are from the original's."""
    original = heads(config)
    narrowing = hidden / hidden_size(config)
    width = math.log(attention.query * attention.size / (original.query * original.size * narrowing))
    group = math.log(attention.query / attention.key_value / (original.query / original.key_value))
    ffn = max((abs(math.log(keys[key] / (config[key] * narrowing))) for key in FFN_KEYS if key in keys), default=0.0)
    return ATTENTION_COST * abs(width) + GROUP_COST * abs(group) + FFN_COST * ffn
