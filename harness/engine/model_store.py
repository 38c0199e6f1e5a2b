"""The model folders: ``models/<name>`` holds real weights, ``models/<name>-twin`` a structural twin.

``ensure_model`` gives a verified folder. Twins are made when absent, incomplete or made from another recipe; real
weights never are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.engine.model_files import (
    Facts,
    combined_sha256,
    describe,
    model_file_names,
    read_manifest,
    verify,
)
from harness.engine.real_weights import (
    check_real,
    has_real_weights,
    hub_revision,
    real_folder,
    snapshot_manifest,
    write_snapshot,
)
from harness.engine.safetensors_header import checkpoint_sizes
from harness.engine.twin import MANIFEST, make_twin, recipe_sha256
from harness.engine.twin_shape import DEFAULT_SCALE
from harness.errors import HarnessError
from harness.spec.models import Model, find_model
from harness.workspace import Workspace

MODELS_DIR = Workspace().models
LOCK_WAIT_S = 900.0  # longer than another process's making of one twin
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model")  # the first that is there is the one an engine reads


@dataclass(frozen=True)
class ModelFiles:
    """A verified model folder, ready for an engine. The sizes are measured on the files, not taken from models.yaml."""

    path: Path
    name: str
    twin: bool
    revision: str | None  # commit of the hub repository, where the download left it; a twin has none
    files_sha256: str  # over names and contents of all files
    tokenizer_bytes: int | None = None  # size of tokenizer.json, else tokenizer.model; None = neither is there
    tensor_bytes: int | None = None  # of the checkpoint, without its files' headers
    parameters: int | None = None  # elements of its tensors

    @property
    def record(self) -> dict[str, Any]:
        """The model, as the runs of studies state it."""
        return {"name": self.name, "twin": self.twin, "files_sha256": self.files_sha256}


def twin_folder(name: str, models_dir: Path) -> Path:
    """Where the twin of ``name`` belongs."""
    return models_dir / f"{name}-twin"


def ensure_model(
    name: str,
    engine_python: Callable[[], Path],
    models_dir: Path = MODELS_DIR,
    synthetic: bool | None = None,
    seed: int | None = None,
    announce: Callable[[str], None] = lambda _: None,
    scale: float | None = None,
) -> ModelFiles:
    """The files of ``name``, verified; a twin is made (seconds) when it is needed and not there.

    ``engine_python`` is asked only when a twin has to be made. ``synthetic``: True = the twin, False = real weights,
    None = real weights if they are there, else the twin. ``seed`` and ``scale`` of the twin: None = those of the twin
    that is there, else 0 and ``DEFAULT_SCALE``. ``announce`` gets one line for each thing that takes time.

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
        with FileLock(models_dir / f".{folder.name}.lock", timeout=LOCK_WAIT_S):
            files = _ensure_twin(folder, name, model, engine_python, seed, scale, announce)
    except Timeout:
        raise HarnessError(f"{folder}: another process has been making it for {LOCK_WAIT_S:.0f} s") from None
    except OSError as error:
        raise HarnessError(f"{error.filename or models_dir}: cannot be used for models: {error.strerror}") from None
    return _measured(folder, name, True, None, files)


def scale_to_make(name: str, models_dir: Path, seed: int | None, scale: float | None) -> float | None:
    """The scale at which ``ensure_model`` would make the twin of ``name``; None = it is there as asked for.

    Raises:
        HarnessError: unknown model, or its manifest is damaged.
    """
    manifest = twin_folder(name, models_dir) / MANIFEST
    if not manifest.exists():
        return DEFAULT_SCALE if scale is None else scale
    document = read_manifest(manifest)
    seed, scale = _asked(document, seed, scale)
    return None if _is_as_asked(document, find_model(name), seed, scale) else scale


def _asked(document: Facts, seed: int | None, scale: float | None) -> tuple[int, float]:
    """Seed and scale that are asked for: where none is named, those of the twin that is there."""
    if seed is None:
        seed = document.get("seed", 0)
    return seed, document.get("scale", DEFAULT_SCALE) if scale is None else scale


def _is_as_asked(document: Facts, model: Model, seed: int, scale: float) -> bool:
    return bool(document.get("recipe_sha256") == recipe_sha256(model, seed, scale))


def _ensure_twin(
    folder: Path,
    name: str,
    model: Model,
    engine_python: Callable[[], Path],
    seed: int | None,
    scale: float | None,
    announce: Callable[[str], None],
) -> dict[str, Facts]:
    """The twin's files, from its manifest; it is made first where it is not there as asked for."""
    manifest = folder / MANIFEST
    why = ""
    if manifest.exists():
        document = read_manifest(manifest)
        cure = f"delete {folder} to have it made again"
        files = verify(folder, model_file_names(folder, besides=MANIFEST), document["files"], cure)
        seed, scale = _asked(document, seed, scale)
        if _is_as_asked(document, model, seed, scale):
            return files
        why = " again: its recipe, seed or scale has changed"
    elif folder.exists():
        why = " again: its making was interrupted"
    announce(f"making the structural twin of {name} in {folder}{why}")
    make_twin(folder, name, model, seed or 0, engine_python(), DEFAULT_SCALE if scale is None else scale)
    return dict(read_manifest(manifest)["files"])


def _ensure_real(name: str, model: Model, models_dir: Path, announce: Callable[[str], None]) -> ModelFiles:
    folder = real_folder(name, models_dir)
    check_real(folder, name, model)
    manifest = snapshot_manifest(name, models_dir)
    names = model_file_names(folder)
    if manifest.exists():
        known = read_manifest(manifest)["files"]
        files = verify(folder, names, known, f"if this is intended, delete {manifest}")
    else:
        announce(f"hashing the weights of {name} in {folder} (once)")
        known, files = {}, describe(folder, names, with_time=True)
    if files != known:
        write_snapshot(name, models_dir, files)
    return _measured(folder, name, False, hub_revision(folder), files)


def _measured(folder: Path, name: str, twin: bool, revision: str | None, files: dict[str, Facts]) -> ModelFiles:
    """The verified folder with the sizes of what is in it."""
    sizes = checkpoint_sizes(folder)
    return ModelFiles(
        path=folder,
        name=name,
        twin=twin,
        revision=revision,
        files_sha256=combined_sha256(files),
        tokenizer_bytes=next((files[file]["bytes"] for file in TOKENIZER_FILES if file in files), None),
        tensor_bytes=sizes.tensor_bytes,
        parameters=sizes.parameters,
    )
