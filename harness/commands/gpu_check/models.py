"""The heavy models of the check's storage stage: twins of some GB, for as long as they are needed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.engine.environment import Engine
from harness.engine.model_files import read_manifest
from harness.engine.model_store import ensure_model, twin_folder
from harness.engine.real_weights import has_real_weights
from harness.engine.twin import MANIFEST
from harness.engine.twin_shape import DEFAULT_SCALE
from harness.progress import say
from harness.workspace import Workspace


@contextmanager
def heavy_models(names: Sequence[str], scale: float, engine: Engine, workspace: Workspace) -> Iterator[list[Path]]:
    """The models' folders: real weights where they are, else twins of ``scale`` in the usual twins' place.

    Afterwards the twins are of their former size again, byte for byte: other figures' starts are known by their files.

    Raises:
        HarnessError: a twin cannot be made.
    """
    before = {name: _scale(name, workspace) for name in names if not has_real_weights(name, workspace.models)}
    try:
        yield [_ensure(name, scale if name in before else None, engine, workspace) for name in names]
    finally:
        for name, usual in before.items():
            _ensure(name, usual, engine, workspace)


def _scale(name: str, workspace: Workspace) -> float:
    """The scale of the twin that is there, else the usual one."""
    manifest = twin_folder(name, workspace.models) / MANIFEST
    return float(read_manifest(manifest).get("scale", DEFAULT_SCALE)) if manifest.exists() else DEFAULT_SCALE


def _ensure(name: str, scale: float | None, engine: Engine, workspace: Workspace) -> Path:
    return ensure_model(name, lambda: engine.python, workspace.models, announce=say, scale=scale).path
