"""How engines are started to be compared: same shape, neutral sampling, and gaps in the place of a model's maker."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.commands.compare_engines import serve as engines_serve
from harness.commands.compare_engines.asked import ComparisonAsked, LoadAsked
from harness.commands.compare_engines.runs import Comparing
from harness.commands.compare_engines.serve import Engines, engine_definition, set_up_engines
from harness.engine.environment import Installed
from harness.engine.model_store import ModelFiles
from harness.errors import HarnessError
from harness.measure import served_engines
from harness.measure.served_engines import KINDS, Serving, Shape, neutral_view, options_of
from harness.spec.pin import DEFAULT_CPU_PIN, load_build
from harness.workspace import Workspace

SHAPE = Shape(threads=1, slots=2, context=64, eager=False)


def asked(*serve: str) -> ComparisonAsked:
    return ComparisonAsked((), serve, "qwen2.5-0.5b-instruct", None, False, None)


def model_at(folder: Path, **config: Any) -> ModelFiles:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_text("weights")
    return type("Model", (), {"path": folder, "name": "m", "twin": True, "files_sha256": "0" * 64})  # type: ignore[return-value]


def serving(model: ModelFiles, scratch: Path) -> Serving:
    return Serving(model, model.path.name, 1, SHAPE, 1.0, 1.0, scratch, scratch)


def test_no_engine_takes_defaults_of_sampling_from_the_model(tmp_path: Path) -> None:
    model = model_at(tmp_path / "m", eos_token_id=1)
    told = {"eos_token_id": [1, 2], "pad_token_id": 0, "repetition_penalty": 1.3, "temperature": 0.7}
    (model.path / "generation_config.json").write_text(json.dumps(told))
    engine = Installed(load_build(DEFAULT_CPU_PIN), tmp_path / "engine")
    vllm = served_engines._vllm(engine, serving(model, tmp_path)).words
    assert vllm[vllm.index("--generation-config") + 1] == "vllm"
    command = served_engines._transformers(engine, serving(model, tmp_path))
    view = command.cwd / "m"
    assert command.words[:4] == [str(engine.python), str(engine.python.with_name("transformers")), "serve", "m"]
    assert json.loads((view / "generation_config.json").read_text()) == {"eos_token_id": [1, 2], "pad_token_id": 0}
    assert (view / "model.safetensors").read_text() == "weights"
    assert json.loads((model.path / "generation_config.json").read_text()) == told  # the model is as it was


def test_without_a_generation_config_the_end_token_is_the_model_s(tmp_path: Path) -> None:
    view = neutral_view(model_at(tmp_path / "m", eos_token_id=7, vocab_size=9).path, tmp_path / "view")
    assert json.loads((view / "generation_config.json").read_text()) == {"eos_token_id": 7}


def test_an_engine_s_identity_has_its_patches_environment_options_and_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = load_build(DEFAULT_CPU_PIN)
    vllm = engine_definition("vllm", Installed(build, tmp_path), SHAPE)
    assert len(vllm["patches_sha256"]) == 64
    assert vllm["environment"] == build.environment
    for kind in KINDS:
        assert options_of(kind, SHAPE) != options_of(kind, replace(SHAPE, threads=2))
    assert options_of("vllm", SHAPE) != options_of("vllm", replace(SHAPE, eager=True))
    before = options_of("llama.cpp", SHAPE)
    sources = tmp_path / "sources"
    sources.mkdir()
    for name in served_engines._LLAMA_SOURCES:
        (sources / name).write_text((served_engines._STUDY / name).read_text())
    monkeypatch.setattr(served_engines, "_STUDY", sources)
    assert options_of("llama.cpp", SHAPE) == before
    (sources / "worker_llama_server.py").write_text("changed")
    assert options_of("llama.cpp", SHAPE) != before


def test_the_context_is_of_the_load_and_the_model_not_of_what_is_still_missing(tmp_path: Path) -> None:
    def context(load: LoadAsked, **config: Any) -> int:
        folder = tmp_path / f"m{len(list(tmp_path.iterdir()))}"
        engines = Engines(model_at(folder, **config))
        return Comparing(replace(asked("llama.cpp"), load=load), engines, None, {}, Workspace(tmp_path)).shape.context

    load = LoadAsked(prompt_words=10, output_tokens=8)
    assert context(load) == context(replace(load, repeats=9)) == context(replace(load, seed=5))
    assert context(load, max_position_embeddings=50) == 50


def test_generated_prompts_are_in_the_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sha256() -> str:
        comparing = Comparing(asked(), Engines(), None, {}, Workspace(tmp_path))
        return str(comparing.definition["load"]["prompts_sha256"])

    before = sha256()
    assert sha256() == before
    words = tmp_path / "words.txt"
    words.write_text("other words")
    monkeypatch.setattr("harness.commands.compare_engines.prompts._WORDS", words)
    assert sha256() != before


def fail(*_: object, **__: object) -> Any:
    raise HarnessError("no network")


def test_vllm_is_not_installed_for_others_unless_the_twin_must_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = model_at(tmp_path / "m")
    monkeypatch.setattr(engines_serve, "set_up", fail)
    monkeypatch.setattr(engines_serve, "ensure_installed", lambda *_: None)
    monkeypatch.setattr(engines_serve, "ensure_model", lambda *_, **__: there)
    found = set_up_engines(asked("vllm", "llama.cpp"), Workspace(tmp_path))
    assert (list(found.installed), found.model, found.gaps) == (["llama.cpp"], there, {"vllm": "no network"})
    monkeypatch.setattr(engines_serve, "ensure_model", lambda _, python, *__, **___: python())
    found = set_up_engines(asked("vllm", "llama.cpp"), Workspace(tmp_path))
    assert (found.installed, found.model) == ({}, None)
    assert found.gaps == {"vllm": "no network", "llama.cpp": "the model's twin cannot be made: no network"}
    named = replace(asked("vllm"), pin=DEFAULT_CPU_PIN)
    assert set_up_engines(named, Workspace(tmp_path)).gaps == {"vllm": "no network"}
