"""The model folders: ``models/<name>`` holds real weights, ``models/<name>-twin`` a structural twin.

``ensure_model`` gives a verified folder. Real weights are placed by the user and never written to: their manifest
lies beside them (``<name>.snapshot.json``), so that ``models/<name>`` may be a link to a read-only place. Twins are
made when absent, incomplete or made from another recipe.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from harness.engine.model_files import (
    combined_sha256,
    describe,
    model_file_names,
    read_manifest,
    verify,
)
from harness.engine.twin import MANIFEST, make_twin, recipe_sha256
from harness.errors import HarnessError
from harness.record.atomic import write_json
from harness.spec.models import Model, find_model
from harness.workspace import Workspace

MODELS_DIR = Workspace().models
LOCK_WAIT_S = 900.0  # longer than another process's making of one twin
# Keys of a config.json that tell whether the weights in a folder are this model's.
SHAPE = ("model_type", "num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")


@dataclass(frozen=True)
class ModelFiles:
    """A verified model folder, ready for an engine."""

    path: Path
    name: str
    twin: bool
    revision: str | None  # commit of the hub repository, where the download left it; a twin has none
    files_sha256: str  # over names and contents of all files


def real_folder(name: str, models_dir: Path) -> Path:
    """Where real weights of ``name`` belong."""
    return models_dir / name


def twin_folder(name: str, models_dir: Path) -> Path:
    """Where the twin of ``name`` belongs."""
    return models_dir / f"{name}-twin"


def has_real_weights(name: str, models_dir: Path) -> bool:
    """Whether the user has placed anything for ``name``: a partial download is refused later, not silently ignored."""
    folder = real_folder(name, models_dir)
    return folder.is_dir() and any(folder.iterdir())


def ensure_model(
    name: str,
    engine_python: Callable[[], Path],
    models_dir: Path = MODELS_DIR,
    synthetic: bool | None = None,
    seed: int | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> ModelFiles:
    """The files of ``name``, verified; a twin is made (seconds) when it is needed and not there.

    ``engine_python`` is asked only when a twin has to be made. ``synthetic``: True = the twin, False = real weights,
    None = real weights if the user placed them, else the twin. ``seed`` of the twin: None = that of the twin that is
    there, else 0. ``announce`` gets one line for each thing that takes time.

    Raises:
        HarnessError: unknown model; no or incomplete real weights; a file that was changed by hand, by name.
    """
    model = find_model(name)
    if synthetic is None:
        synthetic = not has_real_weights(name, models_dir)
    try:
        if not synthetic:
            return _ensure_real(name, model, models_dir, announce)
        folder = twin_folder(name, models_dir)
        models_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(models_dir / ".lock", timeout=LOCK_WAIT_S):
            return _ensure_twin(folder, name, model, engine_python, seed, announce)
    except Timeout:
        raise HarnessError(f"{models_dir}: another process has been making models for {LOCK_WAIT_S:.0f} s") from None
    except OSError as error:
        raise HarnessError(f"{error.filename or models_dir}: cannot be used for models: {error.strerror}") from None


def _ensure_twin(
    folder: Path,
    name: str,
    model: Model,
    engine_python: Callable[[], Path],
    seed: int | None,
    announce: Callable[[str], None],
) -> ModelFiles:
    manifest = folder / MANIFEST
    why = ""
    if manifest.exists():
        document = read_manifest(manifest)
        cure = f"delete {folder} to have it made again"
        files = verify(folder, model_file_names(folder, besides=MANIFEST), document["files"], cure)
        seed = document.get("seed", 0) if seed is None else seed
        if document.get("recipe_sha256") == recipe_sha256(model, seed):
            return ModelFiles(folder, name, twin=True, revision=None, files_sha256=combined_sha256(files))
        why = " again: its recipe or seed has changed"
    elif folder.exists():
        why = " again: its making was interrupted"
    announce(f"making the structural twin of {name} in {folder}{why}")
    make_twin(folder, name, model, seed or 0, engine_python())
    files = read_manifest(manifest)["files"]
    return ModelFiles(folder, name, twin=True, revision=None, files_sha256=combined_sha256(files))


def _ensure_real(name: str, model: Model, models_dir: Path, announce: Callable[[str], None]) -> ModelFiles:
    folder = real_folder(name, models_dir)
    _check_real(folder, name, model)
    manifest = models_dir / f"{name}.snapshot.json"
    names = model_file_names(folder)
    if manifest.exists():
        known = read_manifest(manifest)["files"]
        files = verify(folder, names, known, f"if this is intended, delete {manifest}")
    else:
        announce(f"hashing the weights of {name} in {folder} (once)")
        known, files = {}, describe(folder, names, with_time=True)
    if files != known:
        write_json(manifest, {"schema_version": 1, "name": name, "files": files})
    return ModelFiles(folder, name, False, _hub_revision(folder), combined_sha256(files))


def _check_real(folder: Path, name: str, model: Model) -> None:
    """Raise unless ``folder`` holds the complete published weights of this model."""
    help_line = (
        f"place {model.hub_id} there (e.g. `hf download {model.hub_id} --local-dir {folder}`) or use --synthetic"
    )
    if (folder / MANIFEST).exists():
        raise HarnessError(f"{folder} holds a structural twin, not real weights; rename it to {folder.name}-twin")
    if not (folder / "config.json").exists() or not any(folder.glob("*.safetensors")):
        raise HarnessError(f"{folder}: no complete real weights of {name}; {help_line}")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        index = folder / "model.safetensors.index.json"
        shards = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values() if index.exists() else ()
        differing = [key for key, value in model.config.as_dict().items() if key in SHAPE and config[key] != value]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HarnessError(f"{folder}: config.json or the shard index is damaged ({error!r}); {help_line}") from None
    if missing := sorted(shard for shard in set(shards) if not (folder / shard).exists()):
        raise HarnessError(f"{folder / missing[0]} is missing, the download is incomplete; {help_line}")
    if differing:
        key, wanted = differing[0], model.config.as_dict()[differing[0]]
        raise HarnessError(f"{folder}/config.json: {key} is {config[key]}, but {name} has {wanted}; {help_line}")


def _hub_revision(folder: Path) -> str | None:
    """The commit that ``hf download --local-dir`` noted beside the files; None where the files came another way."""
    note = folder / ".cache" / "huggingface" / "download" / "config.json.metadata"
    first = note.read_text(encoding="utf-8").partition("\n")[0].strip() if note.exists() else ""
    return first if re.fullmatch(r"[0-9a-f]{40}", first) else None
