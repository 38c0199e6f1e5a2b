"""Make a structural twin: let a worker write it under the engine's Python, then describe it in ``twin.json``."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from harness.engine.model_files import describe, model_file_names
from harness.errors import HarnessError
from harness.record.atomic import write_json
from harness.spec.models import Model
from harness.workspace import ROOT

WORKER = "experiments.cold_start.worker_make_twin"
WORKER_FILES = ("worker_make_twin.py", "worker_twin_tokenizer.py")
MANIFEST = "twin.json"
TIME_LIMIT_S = 600.0  # making takes seconds; a worker that hangs must not hang its caller
# Transformers initialises with 0.02; at that, narrow twins all give the same tokens whatever their weights are.
TENSOR_STD = 0.12


def twin_request(model: Model, seed: int) -> dict[str, Any]:
    """Everything that decides a twin's bytes, except the programs that write them; the worker's input."""
    return {
        "config": model.twin_config,
        "tensor_std": TENSOR_STD,
        "seed": seed,
        "shards": model.checkpoint.files,
        "tokenizer": {"entries": model.config.vocab_size, **model.tokenizer.model_dump()},
    }


def recipe_sha256(model: Model, seed: int) -> str:
    """Identity of how a twin is made: the request and the source of the worker. Another recipe, another twin."""
    digest = hashlib.sha256(json.dumps(twin_request(model, seed), sort_keys=True).encode())
    for name in WORKER_FILES:
        digest.update((ROOT / "experiments" / "cold_start" / name).read_bytes())
    return digest.hexdigest()


def make_twin(folder: Path, name: str, model: Model, seed: int, engine_python: Path) -> None:
    """Make the twin in ``folder``, which a fresh one replaces as a whole once it is complete.

    Raises:
        HarnessError: the worker failed (its last line is quoted), or the folder cannot be written.
    """
    making = folder.with_name(f".{folder.name}.making")  # on the same file system, so that the rename is atomic
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(making, ignore_errors=True)  # what an interrupted making left
        making.mkdir()
        result = _run_worker(making, name, twin_request(model, seed), engine_python)
        files = describe(making, model_file_names(making), with_time=False)
        write_json(making / MANIFEST, _manifest(name, model, seed, result) | {"files": files})
        if folder.exists():
            shutil.rmtree(folder)
        making.rename(folder)
    except OSError as error:
        raise HarnessError(f"{error.filename or folder}: cannot make the twin of {name}: {error.strerror}") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _run_worker(making: Path, name: str, request: dict[str, Any], engine_python: Path) -> dict[str, Any]:
    """Let the worker write the files into ``making``; return what it counted."""
    request_file, result_file = making / ".request.json", making / ".result.json"
    request_file.write_text(json.dumps(request | {"directory": str(making.resolve())}), encoding="utf-8")
    command = [str(engine_python), "-m", WORKER, str(request_file.resolve()), str(result_file.resolve())]
    # Nothing of the original is needed, so nothing is asked from a hub; no bytecode is written into the engine.
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise HarnessError(f"making the twin of {name} took more than {TIME_LIMIT_S:.0f} s; try again") from None
    if done.returncode != 0 or not result_file.exists():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise HarnessError(f"making the twin of {name} failed (exit {done.returncode}, {engine_python}): {last}")
    result: dict[str, Any] = json.loads(result_file.read_text(encoding="utf-8"))
    request_file.unlink()
    result_file.unlink()
    return result


def _manifest(name: str, model: Model, seed: int, result: dict[str, Any]) -> dict[str, Any]:
    """What ``twin.json`` says besides the files: what was kept, what was narrowed, from which seed. No time stamps."""
    original = model.config.as_dict()
    return {
        "schema_version": 1,
        "name": name,
        "twin_of": model.hub_id,
        "what": "random weights in the original's structure; times of a start are comparable, outputs mean nothing",
        "seed": seed,
        "tensor_std": TENSOR_STD,
        "recipe_sha256": recipe_sha256(model, seed),
        "kept": {key: value for key, value in sorted(original.items()) if key not in model.twin},
        "narrowed": {key: {"original": original[key], "twin": narrow} for key, narrow in model.twin.items()},
        "tokenizer": {
            "entries": model.config.vocab_size,
            "special_tokens": model.tokenizer.special_tokens,
            "merges": model.tokenizer.merges,
            "file_bytes": {"original": model.tokenizer.file_bytes, "twin": result["tokenizer_bytes"]},
        },
        "checkpoint": {
            "tensors": result["tensors"],
            "parameters": result["parameters"],
            "tensor_bytes": {"original": model.checkpoint.tensor_bytes, "twin": result["tensor_bytes"]},
        },
    }
