"""The offline default tokenizer: trained once, by our script, on text that ships with Python; kept in models/."""

import hashlib
import json
import platform
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.engine.model_files import describe, model_file_names, read_manifest, verify
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError
from harness.record.atomic import write_json
from harness.workspace import ROOT

WORKER = "experiments.prefix_sharing.worker_train_tokenizer"
NAME = "tokenizer-python-docs"
MANIFEST = "trained.json"
FILES = ("tokenizer.json", "tokenizer_config.json")
WHAT = "byte-level BPE, trained on the documentation that ships with Python: its language reference and docstrings"
TIME_LIMIT_S = 600.0


def ensure_trained_tokenizer(models_dir: Path, engine_python: Path, announce: Callable[[str], None]) -> Path:
    """The tokenizer's folder, ``models/tokenizer-python-docs-<8 hex of what it was trained on>``; made if absent.

    Raises:
        HarnessError: it was changed by hand, or cannot be trained or written.
    """
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(models_dir / f".{NAME}.lock", timeout=TIME_LIMIT_S):
            found = next((each for each in sorted(models_dir.glob(f"{NAME}-*")) if _is_ours(each)), None)
            if found is None:
                announce("training a tokenizer on the documentation that ships with Python (10 s, once)")
                found = _train(models_dir, engine_python)
            return found
    except Timeout:
        raise HarnessError(f"{models_dir}: another process has been training a tokenizer for too long") from None
    except OSError as error:
        raise HarnessError(f"{error.filename or models_dir}: no tokenizer can be put there: {error.strerror}") from None


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """What the folder's manifest says; None for a tokenizer that was not trained here."""
    return read_manifest(folder / MANIFEST) if (folder / MANIFEST).exists() else None


def recipe() -> dict[str, str]:
    """What decides the tokenizer: our script, and the Python whose documentation it reads."""
    source = ROOT.joinpath(*WORKER.split(".")).with_suffix(".py").read_bytes()
    return {"script_sha256": hashlib.sha256(source).hexdigest(), "python": platform.python_version()}


def _is_ours(folder: Path) -> bool:
    """Whether it was made by this recipe. Raises HarnessError if its files are not those that were made."""
    document = manifest_of(folder)
    if document is None or document.get("recipe") != recipe():
        return False
    verify(folder, model_file_names(folder, MANIFEST), document["files"], f"delete {folder} to have it trained again")
    return True


def _train(models_dir: Path, engine_python: Path) -> Path:
    making = models_dir / f".{NAME}.making-{secrets.token_hex(4)}"
    for leftover in models_dir.glob(f".{NAME}.making-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    making.mkdir()
    try:
        request, result = making / ".request.json", making / ".result.json"
        request.write_text(json.dumps({"directory": str(making.resolve())}), encoding="utf-8")
        environment = {"PYTHONDONTWRITEBYTECODE": "1"}
        run_worker(engine_python, WORKER, (request, result), environment, "training the tokenizer", TIME_LIMIT_S)
        facts = json.loads(result.read_text(encoding="utf-8"))
        request.unlink()
        result.unlink()
        folder = models_dir / f"{NAME}-{facts['text_sha256'][:8]}"
        document = {"schema_version": 1, "name": folder.name, "what": WHAT, **facts, "recipe": recipe()}
        write_json(making / MANIFEST, document | {"files": describe(making, list(FILES), with_time=False)})
        shutil.rmtree(folder, ignore_errors=True)  # of another recipe, or half a folder
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder
