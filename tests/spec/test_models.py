import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.spec.models import MODELS_YAML, find_model, load_models
from tests.models_text import entries

PAPER_MODELS = 25

# Where the published architecture and the paper's configuration file (which the figures draw) do not agree.
PAPER_SAYS_OTHERWISE = {
    "qwen-14.3b": {"vocabulary": 152064},  # of the dense 14B model; the logged size fits both
    "granite4.0-h-32b": {"ffn_width": 1536},  # of the shared expert
}


def edited(tmp_path: Path, old: str, new: str) -> Path:
    text = entries("llama3-3b")
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


def test_the_models_are_the_paper_s_figure_1_s_and_those_of_the_other_studies():
    models = load_models().models
    of_the_paper = [name for name, model in models.items() if model.compiled_graph_kb is not None]
    assert len(of_the_paper) == PAPER_MODELS
    assert all(models[name].tokenizer_mb and models[name].parameters_billion for name in of_the_paper)
    assert models.keys() - set(of_the_paper) == {
        "opt-6.7b",
        "opt-125m",
        "qwen2.5-0.5b-instruct",
        "qwen2.5-1.5b-instruct",
        "llama3-8b",
    }
    assert len({model.hub_id for model in models.values()}) == len(models)


# layers, key-value heads, heads, width, feed-forward width, vocabulary, experts, experts per token: numbers of the
# paper's configuration file.
PAPER = {
    "qwen-0.5b": (24, 16, 16, 1024, 2816, 151936, 0, 0),
    "qwen-1.8b": (24, 16, 16, 2048, 5504, 151936, 0, 0),
    "qwen-4b": (40, 20, 20, 2560, 6912, 151936, 0, 0),
    "qwen-7b": (32, 32, 32, 4096, 11008, 151936, 0, 0),
    "qwen-14b": (40, 40, 40, 5120, 13696, 152064, 0, 0),
    "qwen-14.3b": (24, 16, 16, 2048, 1408, 152064, 60, 4),
    "llama2-7b-hf": (32, 32, 32, 4096, 11008, 32000, 0, 0),
    "llama2-13b-hf": (40, 40, 40, 5120, 13824, 32000, 0, 0),
    "llama3-3b": (28, 8, 24, 3072, 8192, 128256, 0, 0),
    "llama3.1-8b-instruct": (32, 8, 32, 4096, 14336, 128256, 0, 0),
    "falcon-7b": (32, 1, 71, 4544, 18176, 65024, 0, 0),
    "falcon-11b": (60, 8, 32, 4096, 16384, 65024, 0, 0),
    "yi-6b": (32, 4, 32, 4096, 11008, 64000, 0, 0),
    "yi-9b": (48, 4, 32, 4096, 11008, 64000, 0, 0),
    "mpt-7b": (32, 32, 32, 4096, 16384, 50432, 0, 0),
    "mistral-7b": (32, 8, 32, 4096, 14336, 32000, 0, 0),
    "gemma-7b": (28, 16, 16, 3072, 24576, 256000, 0, 0),
    "gpt-oss-20b": (24, 8, 64, 2880, 2880, 201088, 32, 4),
    "deepseek-v2-lite-16b": (27, 16, 16, 2048, 1408, 102400, 64, 6),
    "deepseek-r1-distill-llama-8b": (32, 8, 32, 4096, 14336, 128256, 0, 0),
    "deepseek-r1-distill-qwen-7b": (28, 4, 28, 3584, 18944, 152064, 0, 0),
    "granite3.3-8b-instruct": (40, 8, 32, 4096, 12800, 49159, 0, 0),
    "granite4.0-h-3b": (40, 8, 32, 2048, 8192, 100352, 0, 0),
    "granite4.0-h-32b": (40, 8, 32, 4096, 1536, 100352, 72, 10),
    "olmoe-7b": (16, 16, 16, 2048, 1024, 50304, 64, 8),
}


@pytest.mark.parametrize("name", sorted(PAPER))
def test_a_model_has_the_shape_that_the_paper_recorded_except_where_its_source_says_why_not(name: str):
    config = find_model(name).config
    names = ("layers", "key_value_heads", "heads", "width", "ffn_width", "vocabulary", "experts")
    ours = {fact: getattr(config, fact) for fact in names} | {"per_token": config.num_experts_per_tok or 0}
    theirs = dict(zip(ours, PAPER[name], strict=True))
    assert {fact: value for fact, value in theirs.items() if ours[fact] != value} == PAPER_SAYS_OTHERWISE.get(name, {})


def test_a_twin_s_declared_shape_keeps_everything_else_and_the_grouping_of_its_heads():
    declared = {name: model for name, model in load_models().models.items() if model.twin}
    assert "llama3-3b" in declared
    for model in declared.values():
        original, twin = model.config.as_dict(), model.config.as_dict() | model.twin
        assert {key for key in original if original[key] != twin[key]} == model.twin.keys()
        assert twin["num_attention_heads"] * original["num_key_value_heads"] == (
            original["num_attention_heads"] * twin["num_key_value_heads"]
        )


def test_a_config_keeps_its_own_key_names_and_gets_none_that_it_does_not_have():
    document = yaml.safe_load(MODELS_YAML.read_text(encoding="utf-8"))["models"]
    for name, model in load_models().models.items():
        assert model.config.as_dict() == document[name]["config"]


def test_unknown_facts_are_null_and_need_no_source(tmp_path: Path):
    entry = yaml.safe_load(entries("llama3-3b"))["models"]["llama3-3b"]
    entry |= dict.fromkeys(("parameters_billion", "tokenizer_mb", "compiled_graph_kb", "loaded_gib"))
    entry["checkpoint"]["files"] = None
    entry["tokenizer"] = dict.fromkeys(("file_bytes", "special_tokens", "merges"))
    del entry["twin"]
    path = tmp_path / "models.yaml"
    for fact in ("parameters_billion", "tokenizer_mb", "compiled_graph_kb", "loaded_gib", "tokenizer"):
        path.write_text(yaml.safe_dump({"models": {"llama3-3b": entry}}))
        with pytest.raises(HarnessError, match=rf"llama3-3b.*'sources' names .*{fact}.*no known fact"):
            load_models(path)
        del entry["sources"][fact]
    path.write_text(yaml.safe_dump({"models": {"llama3-3b": entry}}))
    assert find_model("llama3-3b", path).tokenizer.merges is None


def test_a_file_that_changed_is_read_again(tmp_path: Path):
    path = edited(tmp_path, "gated: true", "gated: true")
    assert find_model("llama3-3b", path).gated
    path.write_text(path.read_text(encoding="utf-8").replace("gated: true", "gated: false"), encoding="utf-8")
    assert not find_model("llama3-3b", path).gated


def test_an_unknown_model_is_refused_with_the_nearest_known_name_first(tmp_path: Path):
    entry = yaml.safe_load(entries("llama3-3b"))["models"]["llama3-3b"]
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"models": {"aaa": entry, "falcon-7b": entry, "llama3-3b": entry}}))
    with pytest.raises(HarnessError, match=r"unknown model 'llama-3b'; known, nearest first: llama3-3b, .*aaa"):
        find_model("llama-3b", path)


@settings(max_examples=50)
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
        ("num_hidden_layers: 28", "hidden_layers: 28", "config", "config:"),
        ("hub_id: meta-llama/", "hub_id: https://hub/", "hub_id", "hub_id: https"),
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
        ("hidden_size: 192", "rope_scaling: 192", "in 'config' is no width that a twin could narrow"),
        ("hidden_size: 192", "use_cache: 1", "twin.use_cache: True in 'config' is no width"),
        ("hidden_size: 192", "vocab_size: 192", "a twin keeps the original's vocab_size"),
        ("hidden_size: 192", "hiden_size: 192", "'config' has no such key"),
        ("tokenizer_mb: the paper", "tokeniser_mb: the paper", "no source for tokenizer_mb"),
        ("compiled_graph_kb: 979", "compiled_graph_kb: null", "names compiled_graph_kb, which is no known fact"),
        ("num_hidden_layers: 28", "hidden_layers: 28", "neither 'num_hidden_layers' nor 'n_layers' is given"),
    ],
)
def test_an_entry_that_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str, complaint: str):
    with pytest.raises(HarnessError, match=re.escape(complaint)):
        load_models(edited(tmp_path, old, new))
