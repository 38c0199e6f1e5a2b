"""Write a model as vLLM's tensorizer load format reads it: ``models/<folder>-tensorized``, made by the CUDA engine.

Written from vLLM 0.10.1.1's source (``model_executor/model_loader/tensorizer.py``); it has not run on a GPU yet.
"""

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from harness.engine.default_pin import default_pin
from harness.engine.environment import Engine, ensure_engine
from harness.engine.model_files import describe, model_file_names, read_manifest, verify
from harness.engine.model_store import ModelFiles
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError
from harness.record.atomic import write_json
from harness.spec.pin import load_pin

WORKER = "experiments.cold_start.worker_tensorize"
MANIFEST = "tensorized.json"
TENSORS = "model.tensors"  # the name that vLLM's loader expects in a folder
TIME_LIMIT_S = 1800.0  # it starts an engine and writes the whole checkpoint


def tensorizing_engine(announce: Callable[[str], None], dry_run: bool = False) -> Engine | None:
    """The engine that can write the format, made first if it is not there; None in a dry run, which makes nothing.

    Raises:
        HarnessError: this machine's engine cannot, and why.
    """
    pin = load_pin(default_pin())
    if pin.device != "cuda":
        raise HarnessError(
            f"--tensorize needs an NVIDIA GPU: engine {pin.name} repacks weights while it loads them, so that what it "
            "would write does not start; nothing was made"
        )
    if dry_run:
        return None
    engine = ensure_engine(pin, announce=announce)
    if engine.installed_version("tensorizer") is None:
        raise HarnessError(f"--tensorize: engine {pin.name} lacks the package tensorizer; add it to {pin.lock}")
    return engine


def tensorize(files: ModelFiles, engine: Engine, announce: Callable[[str], None]) -> Path:
    """Write the format of ``files`` beside them; returns the folder. One made from the same files is only verified.

    Raises:
        HarnessError: the worker failed (its last line is quoted), or the folder was changed by hand.
    """
    folder = files.path.with_name(f"{files.path.name}-tensorized")
    try:
        with FileLock(folder.with_name(f".{folder.name}.lock"), timeout=TIME_LIMIT_S):
            return _tensorized(folder, files, engine, announce)
    except Timeout:
        raise HarnessError(f"{folder}: another process has been making it for {TIME_LIMIT_S:.0f} s") from None
    except OSError as error:
        raise HarnessError(f"{error.filename or folder}: cannot be written: {error.strerror or error}") from None


def _tensorized(folder: Path, files: ModelFiles, engine: Engine, announce: Callable[[str], None]) -> Path:
    made_from = {"files_sha256": files.files_sha256, "engine": engine.pin.name}
    if (folder / MANIFEST).exists():
        document = read_manifest(folder / MANIFEST)
        verify(folder, model_file_names(folder, besides=MANIFEST), document["files"], f"delete {folder} and repeat")
        if document.get("made_from") == made_from:
            return folder
    announce(f"{files.name}: writing {folder}")
    making = folder.with_name(f".{folder.name}.making-{secrets.token_hex(4)}")
    try:
        for leftover in folder.parent.glob(f".{folder.name}.making*"):
            shutil.rmtree(leftover, ignore_errors=True)
        making.mkdir()
        for name in model_file_names(files.path):
            if not name.endswith((".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json")):
                shutil.copyfile(files.path / name, making / name)
        _run_worker(files, making / TENSORS, engine)
        present = describe(making, model_file_names(making), with_time=True)
        write_json(making / MANIFEST, {"schema_version": 1, "made_from": made_from, "files": present})
        (folder / MANIFEST).unlink(missing_ok=True)  # first: half a folder must not look complete
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder


def _run_worker(files: ModelFiles, target: Path, engine: Engine) -> None:
    environment = engine.pin.environment | {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}  # see the worker
    run_worker(engine.python, WORKER, (files.path, target), environment, f"{files.name}: tensorizing", TIME_LIMIT_S)
