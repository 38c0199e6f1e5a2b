"""Real weights: where they belong, whether a folder holds the complete published weights of a model, which commit.

They are placed by the user or by ``download_models.py`` and never written to afterwards: their manifest lies beside
them (``<name>.snapshot.json``), so that ``models/<name>`` may be a link to a read-only place.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from harness.engine import pytorch_weights
from harness.engine.model_files import Facts
from harness.engine.safetensors_header import weight_files
from harness.engine.twin import MANIFEST
from harness.errors import HarnessError
from harness.record.atomic import write_json
from harness.spec.models import Model

# Keys of a config.json that tell whether the weights in a folder are this model's.
SHAPE = (
    *("model_type", "vocab_size"),
    *("num_hidden_layers", "hidden_size", "num_attention_heads"),
    *("n_layers", "d_model", "n_heads"),  # the same under MPT's names
)


def real_folder(name: str, models_dir: Path) -> Path:
    """Where real weights of ``name`` belong."""
    return models_dir / name


def has_real_weights(name: str, models_dir: Path) -> bool:
    """Whether anything was placed for ``name``: what is not complete is refused later, not silently ignored.

    A link counts wherever it leads: to a disk that is not mounted now, it is no reason to start a twin instead.
    """
    folder = real_folder(name, models_dir)
    if folder.is_dir() and not folder.is_symlink():
        return any(folder.iterdir())
    return os.path.lexists(folder)


def snapshot_manifest(name: str, models_dir: Path) -> Path:
    """The manifest of real weights, beside their folder."""
    return models_dir / f"{name}.snapshot.json"


def write_snapshot(name: str, models_dir: Path, files: dict[str, Facts]) -> None:
    """Write the manifest of real weights."""
    write_json(snapshot_manifest(name, models_dir), {"schema_version": 1, "name": name, "files": files})


def check_real(folder: Path, name: str, model: Model) -> None:
    """Raise HarnessError unless ``folder`` holds the complete published weights of this model."""
    help_line = f"remove {folder} and let `download_models.py {name}` fetch {model.hub_id}, or use --synthetic"
    if (folder / MANIFEST).exists():
        raise HarnessError(f"{folder} holds a structural twin, not real weights; rename it to {folder.name}-twin")
    if folder.is_symlink() and not folder.exists():
        raise HarnessError(f"{folder} is a link to {os.readlink(folder)}, which is not there; mount it, or {help_line}")
    weights = any(any(folder.glob(pattern)) for pattern in ("*.safetensors", pytorch_weights.PATTERN))
    if not (folder / "config.json").exists() or not weights:
        raise HarnessError(f"{folder}: no complete real weights of {name}; {help_line}")
    if missing := [shard for shard in weight_files(folder) if not (folder / shard).exists()]:
        raise HarnessError(f"{folder / missing[0]} is missing, the download is incomplete; {help_line}")
    if found := differing_shape(folder / "config.json", model):
        key, value, wanted = found
        raise HarnessError(f"{folder}/config.json: {key} is {value!r}, but {name} has {wanted}; {help_line}")


def differing_shape(path: Path, model: Model) -> tuple[str, Any, Any] | None:
    """The first key of SHAPE in which a config.json is not the model's: key, value there, the model's value.

    Raises:
        HarnessError: it is no config.json.
    """
    wanted = {key: value for key, value in model.config.as_dict().items() if key in SHAPE and value is not None}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return next(((key, config[key], value) for key, value in wanted.items() if config[key] != value), None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HarnessError(f"{path}: it is damaged ({error!r}); remove its folder and download again") from None


def hub_revision(folder: Path) -> str | None:
    """The commit that a hub download noted beside the files; None where the files came another way."""
    note = folder / ".cache" / "huggingface" / "download" / "config.json.metadata"
    first = note.read_text(encoding="utf-8").partition("\n")[0].strip() if note.exists() else ""
    return first if re.fullmatch(r"[0-9a-f]{40}", first) else None
