"""Which of a model's files an engine reads, which of them are its weights, and on which disk these really lie."""

from dataclasses import dataclass
from pathlib import Path

from harness.engine.model_files import model_file_names
from harness.engine.safetensors_header import weight_files

TENSORIZED = ".tensors"


@dataclass(frozen=True)
class ModelPlace:
    """A model's files. ``disk``: the folder of its largest file, links followed: a hub's cache, another mount."""

    files: tuple[Path, ...]
    weights: tuple[Path, ...]
    disk: Path


def model_place(folder: Path) -> ModelPlace:
    """Look at a model's folder.

    Raises:
        HarnessError: the index of its shards is damaged.
        OSError: it cannot be read.
    """
    files = tuple(folder / name for name in model_file_names(folder))
    names = [path.name for path in files if path.suffix == TENSORIZED] or weight_files(folder)
    weights = tuple(path for path in files if path.name in names)
    largest = max(weights or files, key=lambda path: path.stat().st_size, default=folder / "none")
    return ModelPlace(files, weights, largest.resolve().parent)
