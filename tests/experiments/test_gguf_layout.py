"""Names, order and types of a checkpoint's tensors as GGUF has them; what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.engine_anatomy.worker_gguf_layout import GPT2, gguf_name, interleaved, refusal
from experiments.engine_anatomy.worker_safetensors import tensors, widened

TOKENIZER = {"model": {"type": "BPE"}, "pre_tokenizer": {**GPT2, "trim_offsets": True}}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("lm_head.weight", "output.weight"),
        ("model.norm.weight", "output_norm.weight"),
        ("model.layers.0.self_attn.q_proj.bias", "blk.0.attn_q.bias"),
        ("model.layers.23.mlp.down_proj.weight", "blk.23.ffn_down.weight"),
        ("model.layers.7.post_attention_layernorm.weight", "blk.7.ffn_norm.weight"),
    ],
)
def test_every_tensor_has_llama_cpp_s_name(name: str, wanted: str) -> None:
    assert gguf_name(name) == wanted


def test_a_tensor_that_llama_cpp_does_not_have_is_no_silent_loss() -> None:
    with pytest.raises(KeyError):
        gguf_name("model.layers.0.self_attn.q_norm.weight")


@given(heads=st.integers(1, 4), pairs=st.integers(1, 4), width=st.integers(1, 3))
def test_rotated_pairs_stand_next_to_each_other(heads: int, pairs: int, width: int) -> None:
    size = 2 * pairs
    rows = np.arange(heads * size * width, dtype=np.float32).reshape(heads * size, width)
    turned = interleaved(rows, heads)
    assert sorted(map(tuple, turned)) == sorted(map(tuple, rows))
    for head in range(heads):
        for pair in range(pairs):
            at, first = head * size + 2 * pair, head * size + pair
            assert (turned[at] == rows[first]).all()
            assert (turned[at + 1] == rows[first + pairs]).all()


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=8))
def test_bfloat16_is_widened_without_loss(values: list[float]) -> None:
    whole = np.array(values, dtype="<f4")
    upper = (whole.view("<u4") >> 16).astype("<u2")  # rounded towards zero: a bfloat16 exactly
    wide = widened(upper.tobytes(), "BF16")
    assert ((wide.view("<u4") >> 16) == upper).all()
    assert (wide.view("<u4") & 0xFFFF == 0).all()


def test_all_files_of_a_checkpoint_are_read(tmp_path: Path) -> None:
    for number in (1, 2):
        values = np.full((2, 3), number, dtype="<f4")
        header = json.dumps(
            {"__metadata__": {}, f"t{number}": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
        )
        content = len(header).to_bytes(8, "little") + header.encode() + values.tobytes()
        (tmp_path / f"model-{number}.safetensors").write_bytes(content)
    found = dict(tensors(tmp_path))
    assert {name: (values.shape, values[0, 0]) for name, values in found.items()} == {
        "t1": ((2, 3), 1.0),
        "t2": ((2, 3), 2.0),
    }


def test_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="dtype I64 is not read here"):
        widened(b"", "I64")


@pytest.mark.parametrize(
    ("config", "tokenizer", "reason"),
    [
        ({"model_type": "mamba"}, TOKENIZER, "model_type mamba"),
        ({"model_type": "llama", "rope_scaling": {"rope_type": "llama3"}}, TOKENIZER, "rope_scaling"),
        ({"model_type": "qwen2"}, TOKENIZER | {"pre_tokenizer": {"type": "Sequence"}}, "GPT-2's splitting"),
        ({"model_type": "qwen2"}, TOKENIZER | {"pre_tokenizer": None}, "GPT-2's splitting"),
        ({"model_type": "qwen2"}, TOKENIZER | {"model": {"type": "Unigram"}}, "GPT-2's splitting"),
    ],
)
def test_what_llama_cpp_would_do_otherwise_is_refused(config: dict, tokenizer: dict, reason: str) -> None:
    assert reason in (refusal(config, tokenizer) or "")


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_a_plain_model_of_both_engines_is_not_refused(kind: str) -> None:
    assert refusal({"model_type": kind, "rope_scaling": None}, TOKENIZER) is None
