"""``download_models.py --synthetic``: make several structural twins, two at a time."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import typer

from harness.commands.download_models.download import in_a_line
from harness.engine.download import free_bytes
from harness.engine.model_store import ModelFiles, ensure_model, scale_to_make, twin_folder
from harness.engine.twin import MANIFEST
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
    scales = {name: scale_to_make(name, dest, seed, scale) for name in models}
    to_make = {name: expected_bytes(models[name], wanted) for name, wanted in scales.items() if wanted is not None}
    needed, free = sum(to_make.values()), free_bytes(dest)
    if to_make:
        announce(f"to make in {dest}: about {needed / 1e9:.2f} GB; free there: {free / 1e9:.2f} GB")
    if dry_run:
        for name in models:
            typer.echo(_plan(name, dest, to_make.get(name)))
        return []
    if needed > free:
        raise HarnessError(f"{dest}: too little space: {needed / 1e9:.2f} GB to make, {free / 1e9:.2f} GB free")
    if ask and to_make and not typer.confirm(f"Make {len(to_make)} structural twins?", err=True):
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


def expected_bytes(model: Model, scale: float) -> float:
    """About what a twin will take: its tensors, and a tokenizer as large as the original's."""
    tokenizer = model.tokenizer.file_bytes or (model.tokenizer_mb or 0) * 1e6
    return scale * model.checkpoint.tensor_bytes + tokenizer


def _plan(name: str, dest: Path, size: float | None) -> str:
    """What would be done for ``name``, in one line. ``size``: bytes of the twin to make; None = it is there."""
    folder = twin_folder(name, dest)
    if size is None:
        return f"{name}: would verify the structural twin in {folder}"
    again = " again: its recipe, seed or scale has changed" if (folder / MANIFEST).exists() else ""
    return f"{name}: would make a structural twin in {folder}{again}, about {size / 1e6:.0f} MB with its tokenizer"
