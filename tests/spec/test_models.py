import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.spec.models import MODELS_YAML, find_model, load_models

LOGGED_GIB = {"llama3-3b": 6.0160}  # what vLLM said it loaded, in the paper's recorded runs


def edited(tmp_path: Path, old: str, new: str) -> Path:
    text = MODELS_YAML.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} must occur once"
    path = tmp_path / "models.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def line_of(path: Path, start: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip().startswith(start))


def test_every_entry_of_models_yaml_is_valid_and_every_known_fact_has_a_source():
    for name, model in load_models().models.items():
        assert re.fullmatch(r"[a-z0-9.-]+", name)
        assert all(len(source) > 10 for source in model.sources.values())


def test_the_figure_2_model_has_the_shape_that_the_paper_recorded():
    config = find_model("llama3-3b").config.as_dict()
    assert (config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"]) == (28, 3072, 8192)
    assert (config["num_attention_heads"], config["num_key_value_heads"], config["vocab_size"]) == (24, 8, 128256)


@pytest.mark.parametrize("name", sorted(n for n, m in load_models().models.items() if m.config.model_type == "llama"))
def test_stated_checkpoint_bytes_follow_from_the_stated_shapes_and_fit_the_recorded_log(name: str):
    model = find_model(name)
    c = model.config.as_dict()
    h, kv = c["hidden_size"], c["num_key_value_heads"] * c["head_dim"]
    layer = 2 * h * c["num_attention_heads"] * c["head_dim"] + 2 * h * kv + 3 * h * c["intermediate_size"] + 2 * h
    embeddings = c["vocab_size"] * h * (1 if c["tie_word_embeddings"] else 2)
    assert model.checkpoint.tensor_bytes == 2 * (c["num_hidden_layers"] * layer + embeddings + h)
    assert model.checkpoint.tensor_bytes == pytest.approx(LOGGED_GIB[name] * 2**30, rel=0.02)


@pytest.mark.parametrize("name", sorted(load_models().models))
def test_a_twin_keeps_everything_but_its_narrow_keys_and_the_grouping_of_its_heads(name: str):
    model = find_model(name)
    original, twin = model.config.as_dict(), model.twin_config
    assert twin.keys() == original.keys()
    assert {key for key in original if original[key] != twin[key]} == model.twin.keys()
    assert twin["num_attention_heads"] * original["num_key_value_heads"] == (
        original["num_attention_heads"] * twin["num_key_value_heads"]
    )


def test_an_unknown_model_is_refused_with_the_nearest_known_name_first(tmp_path: Path):
    document = yaml.safe_load(MODELS_YAML.read_text(encoding="utf-8"))
    entry = document["models"]["llama3-3b"]
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"models": {"aaa": entry, "falcon-7b": entry, "llama3-3b": entry}}))
    with pytest.raises(HarnessError, match=r"unknown model 'llama-3b'; known, nearest first: llama3-3b, .*aaa"):
        find_model("llama-3b", path)


@settings(max_examples=20)  # each reads the file
@given(st.text(max_size=20).filter(lambda name: name not in load_models().models))
def test_no_other_text_names_a_model_and_the_answer_always_lists_all_known_ones(name: str):
    with pytest.raises(HarnessError) as caught:
        find_model(name)
    assert all(known in str(caught.value) for known in load_models().models)


def test_broken_yaml_is_answered_with_file_and_line(tmp_path: Path):
    path = edited(tmp_path, "architectures: [LlamaForCausalLM]", "architectures: [LlamaForCausalLM")
    with pytest.raises(HarnessError, match=r"models\.yaml:\d+: not valid YAML"):
        load_models(path)


@pytest.mark.parametrize(
    ("old", "new", "field", "starts"),
    [
        ("num_hidden_layers: 28", "num_hidden_layers: many", "config.num_hidden_layers", "num_hidden_layers"),
        ("revision: null", "revision: main", "revision", "revision"),
        ("gated: true", "gatd: true", "gated", "llama3-3b"),
        ("files: 2", "files: 0", "checkpoint.files", "files"),
        ("head_dim: 32", "head_dim: -32", "twin.head_dim", "head_dim: -32"),
    ],
)
def test_a_wrong_fact_is_answered_with_file_line_entry_and_field(
    tmp_path: Path, old: str, new: str, field: str, starts: str
):
    path = edited(tmp_path, old, new)
    with pytest.raises(HarnessError) as caught:
        load_models(path)
    assert f"{path}:{line_of(path, starts)}: field 'models.llama3-3b.{field}'" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("hidden_size: 192", "hidden_size: 4096", "twin.hidden_size: 4096 is wider than the original's 3072"),
        ("hidden_size: 192", "vocab_size: 192", "a twin keeps the original's vocab_size"),
        ("hidden_size: 192", "hiden_size: 192", "'config' has no such key"),
        ("tokenizer_mb: the paper", "tokeniser_mb: the paper", "no source for tokenizer_mb"),
        ("compiled_graph_kb: 979", "compiled_graph_kb: null", "names compiled_graph_kb, which is no known fact"),
    ],
)
def test_an_entry_that_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str, complaint: str):
    with pytest.raises(HarnessError, match=re.escape(complaint)):
        load_models(edited(tmp_path, old, new))
