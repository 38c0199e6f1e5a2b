"""The draft that a speculative case needs: the target itself, another model, or random heads made for the target.

What is made lies in ``caches/heads/<8 hex>/``: over the target's files, what is wanted, and the worker that makes it.
"""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from experiments.model_free.sources import sources_sha256
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles, ensure_model
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError
from harness.progress import say
from harness.spec.features import SPECULATIVE_SIZE, Speculation
from harness.workspace import Workspace

WORKER = "experiments.engine_anatomy.worker_heads"
SOURCES = ("engine_anatomy/worker_heads.py",)
TARGET, RANDOM, NOISED = "target", "random", "noised"
_LIMIT_S = 600.0


def named_draft(speculation: Speculation | None, engine: Engine, workspace: Workspace) -> ModelFiles | None:
    """The draft if it is a model of models.yaml; None: it is none, or there is no draft.

    Raises:
        HarnessError: the model is unknown, or cannot be made.
    """
    if speculation is None or speculation.draft in (None, TARGET, RANDOM, NOISED):
        return None
    return ensure_model(str(speculation.draft), lambda: engine.python, workspace.models, announce=say)


def draft_of(
    speculation: Speculation, target: ModelFiles, named: ModelFiles | None, engine: Engine, workspace: Workspace
) -> Path | None:
    """The folder of the draft, made if it is not there; None: the method needs none. ``named``: as ``named_draft``.

    Raises:
        HarnessError: the worker failed, or the draft cannot be written.
    """
    if speculation.draft is None:
        return None
    if speculation.draft == TARGET:
        return target.path
    if named is not None:
        return named.path
    try:
        return _made(speculation, target, engine, workspace)
    except OSError as error:
        where = error.filename or workspace.caches
        raise HarnessError(f"{where}: a draft cannot be put there ({error.strerror or error})") from None


def _made(speculation: Speculation, target: ModelFiles, engine: Engine, workspace: Workspace) -> Path:
    wanted = _wanted(speculation)
    identity = json.dumps([wanted, target.files_sha256, sources_sha256(SOURCES)], sort_keys=True)
    folder = workspace.caches / "heads" / hashlib.sha256(identity.encode()).hexdigest()[:8]
    if not folder.is_dir():
        say(f"making a {wanted['kind']} draft for {target.name} …")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="heads-") as scratch:
            request = Path(scratch) / "request.json"
            request.write_text(json.dumps(wanted | {"target": str(target.path.resolve())}), encoding="utf-8")
            environment = {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
            run_worker(engine.python, WORKER, (request, folder), environment, "making a draft", _LIMIT_S)
    return folder


def _wanted(speculation: Speculation) -> dict[str, Any]:
    noised = speculation.draft == NOISED
    return {
        "kind": NOISED if noised else speculation.config["method"],
        "heads": speculation.config[SPECULATIVE_SIZE],
        "noise": speculation.noise,
        "seed": speculation.seed,
    }
