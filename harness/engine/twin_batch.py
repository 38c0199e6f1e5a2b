"""``download_models.py --synthetic``: make several structural twins, two at a time."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import typer

from harness.engine.download import free_bytes
from harness.engine.download_command import in_a_line
from harness.engine.model_store import ModelFiles, ensure_model, twin_folder
from harness.engine.twin import MANIFEST
from harness.engine.twin_shape import DEFAULT_SCALE
from harness.errors import HarnessError
from harness.spec.models import Model

AT_A_TIME = 2  # each is one process that mostly waits for imports and the disk

Announce = Callable[[str], None]


def make_twins(
    models: Mapping[str, Model],
    dest: Path,
    seed: int | None,
    scale: float | None,
    engine_python: Callable[[], Path],
    announce: Announce,
    dry_run: bool,
    ask: bool,
) -> list[ModelFiles]:
    """Make or verify the twins; returns them in the order of ``models``. With ``ask``, a no ends it before it begins.

    Raises:
        HarnessError: too little space, or the first twin that failed; twins that were made stay.
    """
    absent = [name for name in models if not (twin_folder(name, dest) / MANIFEST).exists()]
    needed = sum(int(_expected_bytes(models[name], scale)) for name in absent)
    free = free_bytes(dest)
    if absent:
        announce(f"to make in {dest}: about {needed / 1e9:.2f} GB; free there: {free / 1e9:.2f} GB")
    if dry_run:
        for name in models:
            typer.echo(_plan(name, models[name], dest, scale))
        return []
    if needed > free:
        raise HarnessError(f"{dest}: too little space: {needed / 1e9:.2f} GB to make, {free / 1e9:.2f} GB free")
    if ask and absent and not typer.confirm(f"Make {len(absent)} structural twins?", err=True):
        announce("nothing was made")
        return []
    began = time.monotonic()
    made: dict[str, ModelFiles] = {}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        jobs = [pool.submit(ensure_model, name, engine_python, dest, True, seed, announce, scale) for name in models]
        try:
            for job in as_completed(jobs):
                files = job.result()
                made[files.name] = files
                typer.echo(in_a_line(files))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if len(made) > 1:
        total = sum(files.tensor_bytes or 0 for files in made.values())
        announce(f"{len(made)} twins, {total / 1e9:.2f} GB of tensors, in {time.monotonic() - began:.0f} s")
    return [made[name] for name in models]


def _expected_bytes(model: Model, scale: float | None) -> float:
    """About what a twin will take: its tensors, and a tokenizer as large as the original's."""
    tokenizer = model.tokenizer.file_bytes or (model.tokenizer_mb or 0) * 1e6
    return (scale or DEFAULT_SCALE) * model.checkpoint.tensor_bytes + tokenizer


def _plan(name: str, model: Model, dest: Path, scale: float | None) -> str:
    """What would be done for ``name``, in one line."""
    folder = twin_folder(name, dest)
    if (folder / MANIFEST).exists():
        return f"{name}: would verify the structural twin in {folder} (and make it again if its recipe has changed)"
    size = _expected_bytes(model, scale)
    return f"{name}: would make a structural twin in {folder}, about {size / 1e6:.0f} MB with its tokenizer"
