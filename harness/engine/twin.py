"""Make a structural twin: let a worker write it under the engine's Python, then describe it in ``twin.json``."""

import hashlib
import json
import secrets
import shutil
from pathlib import Path
from typing import Any

from harness.engine.model_files import describe, model_file_names
from harness.engine.study_worker import run_worker
from harness.engine.twin_shape import DEFAULT_SCALE, narrow
from harness.errors import HarnessError
from harness.record.atomic import write_json
from harness.spec.models import Model
from harness.workspace import ROOT

WORKER = "experiments.cold_start.worker_make_twin"
WORKER_FILES = (
    "worker_make_twin.py",
    "worker_twin_tensors.py",
    "worker_twin_tokenizer.py",
    "worker_twin_vocabulary.py",
)
MANIFEST = "twin.json"
TIME_LIMIT_S = 600.0  # making takes seconds; a worker that hangs must not hang its caller
# Transformers initialises with 0.02; at that, narrow twins all give the same tokens whatever their weights are.
TENSOR_STD = 0.12
BYTE_ENTRIES = 256  # of a byte-level tokenizer


def twin_config(model: Model, scale: float = DEFAULT_SCALE) -> dict[str, Any]:
    """The twin's config.json: the original's, narrow, with weights in bfloat16 and not quantised.

    Why not quantised: what unpacks the published 4-bit experts has no CPU kernel. The key must be absent: vLLM 0.32
    fails on null.
    """
    original = model.config.as_dict()
    declared = dict(model.twin or {}) if scale == DEFAULT_SCALE else {}
    narrower = declared or narrow(original, model.checkpoint.tensor_bytes, scale)
    dtype = {key: "bfloat16" for key in ("torch_dtype", "dtype") if key in original}
    return {key: value for key, value in (original | narrower | dtype).items() if key != "quantization_config"}


def twin_request(model: Model, seed: int, scale: float = DEFAULT_SCALE) -> dict[str, Any]:
    """Everything that decides a twin's bytes, except the programs that write them; the worker's input."""
    return {
        "config": twin_config(model, scale),
        "tensor_std": TENSOR_STD,
        "seed": seed,
        "shards": model.checkpoint.files or 1,
        "tokenizer": _tokenizer(model),
    }


def _tokenizer(model: Model) -> dict[str, Any]:
    """What the tokenizer must have; an unknown file size is the paper's rounded one, or left to the worker."""
    known = model.tokenizer
    entries = model.config.vocab_size
    if known.merges and known.special_tokens:
        # A published embedding can be padded: every entry that is neither a byte nor special needs a merge.
        entries = min(entries, BYTE_ENTRIES + known.merges + known.special_tokens)
    rounded = round(model.tokenizer_mb * 1e6) if model.tokenizer_mb else None
    return {
        "entries": entries,
        "special_tokens": known.special_tokens,
        "merges": known.merges,
        "file_bytes": known.file_bytes or rounded,
    }


def recipe_sha256(model: Model, seed: int, scale: float = DEFAULT_SCALE) -> str:
    """Identity of how a twin is made: the request and the source of the worker. Another recipe, another twin."""
    digest = hashlib.sha256(json.dumps(twin_request(model, seed, scale), sort_keys=True).encode())
    for name in WORKER_FILES:
        digest.update((ROOT / "experiments" / "cold_start" / name).read_bytes())
    return digest.hexdigest()


def make_twin(
    folder: Path, name: str, model: Model, seed: int, engine_python: Path, scale: float = DEFAULT_SCALE
) -> None:
    """Make the twin in ``folder``, which a fresh one replaces as a whole once it is complete.

    ``scale``: the twin's checkpoint bytes as a share of the original's.

    Raises:
        HarnessError: the worker failed (its last line is quoted), or the folder cannot be written.
    """
    # On the same file system, so that the rename is atomic; a name of its own, because the worker of a making that was
    # killed can still be writing.
    making = folder.with_name(f".{folder.name}.making-{secrets.token_hex(4)}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for leftover in folder.parent.glob(f".{folder.name}.making*"):
            shutil.rmtree(leftover, ignore_errors=True)
        making.mkdir()
        request = twin_request(model, seed, scale)
        result = _run_worker(making, name, request, engine_python)
        files = describe(making, model_file_names(making), with_time=False)
        recipe = {"recipe_sha256": recipe_sha256(model, seed, scale), "scale": scale}
        write_json(making / MANIFEST, _manifest(name, model, request, result) | recipe | {"files": files})
        if folder.exists():
            (folder / MANIFEST).unlink(missing_ok=True)  # first: half a folder must not look complete
            shutil.rmtree(folder)
        making.rename(folder)
    except OSError as error:
        why = error.strerror or error
        raise HarnessError(f"{error.filename or folder}: cannot make the twin of {name}: {why}") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _run_worker(making: Path, name: str, request: dict[str, Any], engine_python: Path) -> dict[str, Any]:
    """Let the worker write the files into ``making``; return what it counted."""
    request_file, result_file = making / ".request.json", making / ".result.json"
    request_file.write_text(json.dumps(request | {"directory": str(making.resolve())}), encoding="utf-8")
    # Nothing of the original is needed, so nothing is asked from a hub; no bytecode is written into the engine.
    environment = {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    what = f"making the twin of {name}"
    run_worker(engine_python, WORKER, (request_file, result_file), environment, what, TIME_LIMIT_S)
    result: dict[str, Any] = json.loads(result_file.read_text(encoding="utf-8"))
    request_file.unlink()
    result_file.unlink()
    return result


def _manifest(name: str, model: Model, request: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """What ``twin.json`` says besides the files: what was kept, what was changed, from which seed. No time stamps."""
    original, twin, wanted = model.config.as_dict(), request["config"], request["tokenizer"]
    changed = [key for key in original if key in twin and twin[key] != original[key]]
    return {
        "schema_version": 1,
        "name": name,
        "twin_of": model.hub_id,
        "what": "random weights in the original's structure; times of a start are comparable, outputs mean nothing",
        "seed": request["seed"],
        "tensor_std": TENSOR_STD,
        "kept": {key: value for key, value in sorted(twin.items()) if key not in changed},
        "narrowed": {key: {"original": original[key], "twin": twin[key]} for key in changed},
        "left_out": {key: value for key, value in original.items() if key not in twin},
        "tokenizer": wanted
        | {"file_bytes": {"original": wanted["file_bytes"], "twin": result["tokenizer_bytes"]}},  # null = unknown
        "checkpoint": {
            "tensors": result["tensors"],
            "parameters": result["parameters"],
            "tensor_bytes": {"original": model.checkpoint.tensor_bytes, "twin": result["tensor_bytes"]},
        },
    }
