"""Download real weights: list, look at the disk, transfer, verify, and only then give the folder its name.

Files arrive in ``models/.NAME.downloading``, which is kept when something goes wrong: the next call asks only for what
is not there yet. A folder ``models/NAME`` therefore exists only complete and verified.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from harness.engine.hub import HubFile, Listing
from harness.engine.hub_transfer import transfer
from harness.engine.model_files import Facts, model_file_names
from harness.engine.real_weights import (
    differing_shape,
    has_real_weights,
    real_folder,
    snapshot_manifest,
    write_snapshot,
)
from harness.engine.safetensors_header import weight_files
from harness.errors import HarnessError
from harness.spec.models import Model

CHUNK_BYTES = 1 << 22


def downloading_folder(name: str, models_dir: Path) -> Path:
    """Where the files of ``name`` arrive; on the same file system as their place, so that the rename is atomic."""
    return models_dir / f".{name}.downloading"


def missing_bytes(name: str, listed: Listing, models_dir: Path) -> int:
    """What is still to be transferred: a file that an earlier call completed is not."""
    folder = downloading_folder(name, models_dir)
    return sum(file.bytes for file in listed.files if not _has_size(folder / file.name, file.bytes))


def free_bytes(models_dir: Path) -> int:
    """Free space where ``models_dir`` is or will be made."""
    there = next(folder for folder in (models_dir.absolute(), *models_dir.absolute().parents) if folder.exists())
    return shutil.disk_usage(there).free


def download(
    name: str, model: Model, listed: Listing, models_dir: Path, announce: Callable[[str], None] = lambda _: None
) -> Path:
    """Download ``name`` as ``listed`` into ``models_dir``; returns its folder, complete and verified.

    What another process has placed there since it was listed stays as it is.

    Raises:
        HarnessError: refused, broken off, no space, damaged on the way (that file is removed), or not this model.
    """
    arriving, folder = downloading_folder(name, models_dir), real_folder(name, models_dir)
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(models_dir / f"{arriving.name}.lock", timeout=0):
            if has_real_weights(name, models_dir):  # another process was faster
                return folder
            arriving.mkdir(exist_ok=True)
            _sweep(arriving, listed)
            transfer(listed, arriving)
            announce(f"{name}: comparing {listed.bytes / 1e9:.2f} GB with the hub's hashes")
            files = _verified(arriving, listed)
            _check_model(arriving, name, model, listed)
            snapshot_manifest(name, models_dir).unlink(missing_ok=True)  # of weights that were removed since
            arriving.rename(folder)
            write_snapshot(name, models_dir, files)
    except Timeout:
        raise HarnessError(f"another process is downloading {name} into {models_dir}; wait for it") from None
    except OSError as error:
        raise HarnessError(f"{error.filename or models_dir}: cannot download {name}: {error.strerror}") from None
    return folder


def _sweep(folder: Path, listed: Listing) -> None:
    """Remove what an earlier call left and this one cannot use: half a file, files of another commit."""
    for part in (folder / ".cache" / "huggingface" / "download").glob("**/*.incomplete"):
        part.unlink()  # of a killed transfer; the library begins a file anew
    for name in set(model_file_names(folder)) - {file.name for file in listed.files}:
        (folder / name).unlink()


def _verified(folder: Path, listed: Listing) -> dict[str, Facts]:
    """Facts of all files, each compared with the hub's hash; what does not fit is removed, so that it comes again."""
    facts: dict[str, Facts] = {}
    for file in listed.files:
        path = folder / file.name
        if not path.is_file():
            raise HarnessError(f"{listed.hub_id}: {file.name} did not arrive; repeat: complete files are kept")
        sha256 = _sha256_if_equal(path, file)
        if sha256 is None:
            path.unlink()
            raise HarnessError(
                f"{listed.hub_id}: {file.name} is not what the hub lists (its hash differs); it was removed, repeat"
            )
        status = path.stat()
        facts[file.name] = {"bytes": status.st_size, "sha256": sha256, "mtime_ns": status.st_mtime_ns}
    return facts


def _sha256_if_equal(path: Path, file: HubFile) -> str | None:
    """The SHA-256 of a file that has the listed content, else None. Reads it once."""
    sha256 = hashlib.sha256()
    # Of small files the hub knows git's hash: SHA-1 over a head and the content.
    git_sha1 = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            sha256.update(chunk)
            if file.sha256 is None:
                git_sha1.update(chunk)
    equal = sha256.hexdigest() == file.sha256 if file.sha256 else git_sha1.hexdigest() == file.git_sha1
    return sha256.hexdigest() if equal and path.stat().st_size == file.bytes else None


def _check_model(folder: Path, name: str, model: Model, listed: Listing) -> None:
    """Raise unless what arrived is all of the model of models.yaml: another one must not take its name."""
    if not (folder / "config.json").exists():
        raise HarnessError(f"{listed.hub_id} has no config.json at {listed.commit}; correct 'hub_id' in models.yaml")
    if found := differing_shape(folder / "config.json", model):
        key, value, wanted = found
        raise HarnessError(
            f"{listed.hub_id}: {key} is {value!r} in its config.json, but models.yaml says {wanted} for {name}; "
            f"correct models.yaml, or remove {folder}"
        )
    if missing := [shard for shard in weight_files(folder) if not (folder / shard).exists()]:
        raise HarnessError(f"{listed.hub_id} holds no {missing[0]}, which its index names; use --synthetic")


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
