"""The rule that narrows a published config into a twin's."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engine.parameter_count import LAYERS, heads, hidden_size, parameter_count
from harness.engine.twin import TENSOR_STD, recipe_sha256, twin_config, twin_request
from harness.engine.twin_shape import HEAD_SIZES, narrow
from harness.errors import HarnessError
from harness.spec.models import Model, find_model, load_models

MODELS = load_models().models
WIDTHS = {
    *("hidden_size", "d_model", "word_embed_proj_dim", "num_attention_heads", "n_heads", "num_key_value_heads"),
    *("num_kv_heads", "head_dim", "intermediate_size", "moe_intermediate_size", "shared_expert_intermediate_size"),
    *("shared_intermediate_size", "ffn_dim", "ffn_hidden_size", "mamba_n_heads"),
}
# The embedding of the least hidden size, 32, is larger than a hundredth of the model.
TOO_SMALL = {"opt-125m"}


def twin_bytes(config: dict[str, Any], keys: dict[str, Any]) -> int:
    return 2 * parameter_count(config | keys)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_twin_has_a_hundredth_of_the_originals_bytes(name: str):
    model = MODELS[name]
    share = 2 * parameter_count(twin_config(model)) / model.checkpoint.tensor_bytes
    assert 0.0085 < share < (0.015 if name in TOO_SMALL else 0.0115)


def test_the_twins_keep_the_order_of_the_originals_sizes_where_these_differ_by_a_third():
    sizes = [(m.checkpoint.tensor_bytes, 2 * parameter_count(twin_config(m))) for m in MODELS.values()]
    assert all(small < large for a, small in sizes for b, large in sizes if 1.34 * a < b)


@given(name=st.sampled_from(sorted(MODELS)), scale=st.floats(0.0002, 1.0))
@settings(max_examples=40, deadline=None)
def test_a_twin_only_narrows_widths_into_what_the_engine_can_run(name: str, scale: float):
    config = MODELS[name].config.as_dict()
    keys = narrow(config, None, scale)
    assert set(keys) <= WIDTHS & set(config)
    assert all(0 < value <= config[key] for key, value in keys.items())
    twin, hidden = config | keys, keys.get("hidden_size", keys.get("d_model"))
    query, key_value, size = heads(twin)
    assert hidden % 32 == 0
    assert query % key_value == 0
    assert query // key_value <= heads(config).query // heads(config).key_value
    assert size in HEAD_SIZES
    if not config.get("head_dim") and not config.get("v_head_dim"):
        assert query * size == hidden
    if "ffn_hidden_size" in config:
        assert twin["ffn_hidden_size"] == 4 * hidden
    if "mamba_n_heads" in config:
        assert twin["mamba_n_heads"] * twin["mamba_d_head"] == twin["mamba_expand"] * hidden
    if "word_embed_proj_dim" in config:
        assert twin["word_embed_proj_dim"] == hidden


@given(name=st.sampled_from(sorted(MODELS)), scale=st.floats(0.02, 0.5))
@settings(max_examples=40, deadline=None)
def test_any_larger_scale_is_met_within_a_quarter(name: str, scale: float):
    config = MODELS[name].config.as_dict()
    share = twin_bytes(config, narrow(config, None, scale)) / (2 * parameter_count(config))
    small = name in {"opt-125m", "qwen-0.5b", "qwen2.5-0.5b-instruct", "qwen2.5-1.5b-instruct"}
    assert abs(math.log(share / scale)) < math.log(1.5 if small else 1.25)


def test_the_whole_size_gives_the_original_back():
    for name in ("qwen-7b", "opt-6.7b", "llama2-13b-hf", "granite4.0-h-32b", "qwen-14.3b"):
        config = MODELS[name].config.as_dict()
        assert config | narrow(config, None, 1.0) == config


@pytest.mark.parametrize("name", ["llama3.1-8b-instruct", "mistral-7b", "yi-9b", "granite3.3-8b-instruct"])
def test_query_heads_share_a_key_value_head_as_in_the_original(name: str):
    config = MODELS[name].config.as_dict()
    groups = [h.query // h.key_value for h in (heads(config), heads(twin_config(MODELS[name])))]
    assert groups[0] == groups[1]


def test_multi_query_attention_keeps_its_one_key_value_head():
    twin = twin_config(MODELS["falcon-7b"])
    assert heads(twin).key_value == 1
    assert twin["num_attention_heads"] > 1


def test_every_architecture_of_the_models_can_be_counted():
    assert {model.config.model_type for model in MODELS.values()} == set(LAYERS)
    with pytest.raises(HarnessError, match="'bert'; known: deepseek_v2, falcon"):
        narrow({"model_type": "bert", "hidden_size": 64}, None)


def test_a_quantized_original_has_a_twin_whose_config_has_no_such_key():
    model = MODELS["gpt-oss-20b"]
    twin = twin_config(model)
    assert "quantization_config" in model.config.as_dict()
    assert "quantization_config" not in twin
    assert (twin["num_local_experts"], twin["num_hidden_layers"], twin["vocab_size"]) == (32, 24, 201088)


def test_a_twin_says_the_type_its_weights_have():
    assert MODELS["opt-6.7b"].config.as_dict()["torch_dtype"] == "float16"
    assert twin_config(MODELS["opt-6.7b"])["torch_dtype"] == "bfloat16"


def test_a_declared_shape_holds_at_the_scale_it_was_declared_for():
    model = find_model("llama3-3b")
    assert model.twin
    assert twin_config(model).items() >= model.twin.items()
    assert hidden_size(twin_config(model, 0.1)) > model.twin["hidden_size"]


def test_a_padded_vocabulary_gets_no_entries_that_nothing_merges_into():
    assert twin_request(find_model("qwen-7b"), 0)["tokenizer"]["entries"] == 151_646  # of 151,936
    assert twin_request(find_model("llama3-3b"), 0)["tokenizer"]["entries"] == 128_256


def test_seed_scale_and_config_are_part_of_a_twins_recipe():
    model = find_model("opt-125m")
    other = Model.model_validate(model.model_dump(mode="json") | {"twin": {"ffn_dim": 64}})
    recipes = {
        recipe_sha256(model, 0),
        recipe_sha256(model, 1),
        recipe_sha256(model, 0, 0.04),
        recipe_sha256(other, 0),
    }
    assert len(recipes) == 4
    assert twin_request(model, 0)["tensor_std"] == TENSOR_STD
