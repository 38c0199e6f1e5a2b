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
from harness.progress import say
from harness.spec.features import SPECULATIVE_SIZE, Speculation
from harness.workspace import Workspace

WORKER = "experiments.engine_anatomy.worker_heads"
SOURCES = ("engine_anatomy/worker_heads.py",)
TARGET, RANDOM, NOISED = "target", "random", "noised"
_LIMIT_S = 600.0


def draft_of(speculation: Speculation, target: ModelFiles, engine: Engine, workspace: Workspace) -> Path | None:
    """The folder of the draft, made if it is not there; None: the method needs none.

    Raises:
        HarnessError: the worker failed, or the model is unknown.
    """
    if speculation.draft is None:
        return None
    if speculation.draft == TARGET:
        return target.path
    if speculation.draft not in (RANDOM, NOISED):
        return ensure_model(speculation.draft, lambda: engine.python, workspace.models, announce=say).path
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
