"""What a fake hub holds of a real entry of models.yaml: its config, and weights of a few bytes."""

import json
from pathlib import Path

import pytest
from huggingface_hub import constants
from safetensors_bytes import safetensors

from harness.spec.models import find_model

NAME = "llama3-3b"
HUB_ID = find_model(NAME).hub_id


def files_of_model(name: str = NAME) -> dict[str, bytes]:
    """The files of the model's repository: what an engine reads, and what it does not."""
    shards = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    index = {"metadata": {}, "weight_map": {"a": shards[0], "b": shards[1]}}
    return {
        "config.json": json.dumps(find_model(name).config.as_dict()).encode(),
        "tokenizer.json": b"{}",
        "model.safetensors.index.json": json.dumps(index).encode(),
        **{shard: safetensors({shard: ("BF16", [32])}) for shard in shards},
        "pytorch_model.bin": b"a pickle",
        "original/consolidated.00.pth": b"a pickle",
        "README.md": b"",
    }


def use_hub(monkeypatch: pytest.MonkeyPatch, url: str, home: Path) -> None:
    """Let this process and its children ask ``url``, and keep away from the user's login and caches."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub-cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", url)
    monkeypatch.setenv("HF_HOME", str(home / "hf-home"))
