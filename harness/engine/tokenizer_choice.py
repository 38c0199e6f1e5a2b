"""Which tokenizer a trace is made with: a real one always, named in every output."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engine.environment import ensure_engine
from harness.engine.real_weights import has_real_weights, real_folder
from harness.engine.study_worker import run_worker
from harness.engine.trained_tokenizer import ensure_trained_tokenizer, manifest_of
from harness.engine.twin import MANIFEST as TWIN_MANIFEST
from harness.errors import HarnessError
from harness.spec.models import load_models
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.workspace import Workspace

WORKER = "experiments.prefix_sharing.worker_tokenize"
HUB_ID = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt")
TIME_LIMIT_S = 24 * 3600.0  # a million dialogues take hours


Announce = Callable[[str], None]


@dataclass(frozen=True)
class Tokenizer:
    """Where it is, for the worker, and what it is, for people and records (no path of this machine)."""

    source: str
    facts: dict[str, Any]

    @property
    def on_hub(self) -> bool:
        """Whether it has to be fetched unless the hub's cache has it."""
        return "hub_id" in self.facts


def engine_python(workspace: Workspace, announce: Announce) -> Path:
    """The interpreter that tokenizers run under: the default CPU engine's, which is installed first if it is absent."""
    return ensure_engine(load_pin(DEFAULT_CPU_PIN), workspace, announce).python


def default_tokenizer(python: Path, workspace: Workspace, announce: Announce) -> Tokenizer:
    """The one that is trained here, once, on Python's own documentation. Raises as ``ensure_trained_tokenizer``."""
    folder = ensure_trained_tokenizer(workspace.models, python, announce)
    return _in_folder(folder, folder.name)


def named_tokenizer(model: str, workspace: Workspace) -> Tokenizer:
    """The tokenizer of a model of models.yaml, in a folder, or in a repository of the hub.

    Raises:
        HarnessError: none is there, or only a structural twin's, whose merges are random.
    """
    if model in load_models().models:
        if not has_real_weights(model, workspace.models):
            raise HarnessError(
                f"the real files of {model} are not here (a twin's tokenizer is random): "
                f"`python3 download_models.py {model}`, or leave --model out"
            )
        return _in_folder(real_folder(model, workspace.models), model)
    folder = Path(model)
    if folder.is_dir():
        return _in_folder(folder, folder.resolve().name)
    if not HUB_ID.fullmatch(model) or folder.exists():
        raise HarnessError(f"--model {model}: no folder, name of models.yaml or hub id; name one, or leave it out")
    return Tokenizer(model, {"name": model, "hub_id": model})


def _in_folder(folder: Path, name: str) -> Tokenizer:
    if (folder / TWIN_MANIFEST).exists():
        raise HarnessError(
            f"{folder} is a structural twin: its tokenizer's merges are random, so nothing about text can be learnt "
            "from it; leave --model out, or name real tokenizer files"
        )
    if not any((folder / each).exists() for each in TOKENIZER_FILES):
        wanted = ", ".join(TOKENIZER_FILES[:3])
        raise HarnessError(f"{folder}: no tokenizer files ({wanted}); name a folder that has them")
    trained = manifest_of(folder)
    how = {key: trained[key] for key in ("what", "text_sha256", "python")} if trained else None
    return Tokenizer(str(folder.resolve()), {"name": name, "trained": how})


def tokenize(tokenizer: Tokenizer, dialogues: Path, tokens: Path, python: Path) -> dict[str, Any]:
    """Turn a file of dialogues into ``tokens`` (see the worker); what the tokenizer is, for records.

    Raises:
        HarnessError: the tokenizer cannot be read or fetched, or fails on a dialogue.
    """
    request, result = dialogues.with_suffix(".request.json"), dialogues.with_suffix(".result.json")
    paths = {"dialogues": str(dialogues.resolve()), "out": str(tokens.resolve())}
    request.write_text(json.dumps({"tokenizer": tokenizer.source, **paths}), encoding="utf-8")
    result.unlink(missing_ok=True)
    what = f"tokenizing with {tokenizer.facts['name']}"
    run_worker(python, WORKER, (request, result), {"PYTHONDONTWRITEBYTECODE": "1"}, what, TIME_LIMIT_S)
    facts: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return tokenizer.facts | facts
