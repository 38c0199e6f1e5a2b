"""``download_models.py`` without ``--synthetic``: say how much it is, ask, download, verify."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import typer

from harness.engine.download import download, free_bytes, missing_bytes
from harness.engine.hub import Listing, listing
from harness.engine.hub_errors import HubUnreachable
from harness.engine.model_files import model_file_names
from harness.engine.model_store import ModelFiles, ensure_model
from harness.engine.real_weights import has_real_weights, real_folder
from harness.errors import HarnessError
from harness.spec.models import Model

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is to be done for each model: of three kinds."""

    present: tuple[str, ...]  # something is in their folders: it is verified
    listed: Mapping[str, Listing]  # to be downloaded
    refused: Mapping[str, HarnessError]  # the hub does not give them, and why


def download_models(
    models: Mapping[str, Model], dest: Path, announce: Announce, dry_run: bool, ask: bool
) -> list[ModelFiles]:
    """Download what is not in ``dest``, verify all; returns them. With ``ask``, a no ends it before it begins.

    One model that the hub refuses does not keep the others from being downloaded; the command fails at the end.

    Raises:
        HarnessError: no network, too little space, or models that could not be had (each said why before).
    """
    try:
        plan = _plan(models, dest)
    except HubUnreachable as error:
        if not dry_run:
            raise
        announce(f"sizes from models.yaml, because {error}")
        absent = [model for name, model in models.items() if not has_real_weights(name, dest)]
        _announce_sizes(sum(model.checkpoint.tensor_bytes for model in absent), free_bytes(dest), dest, announce)
        _echo_declared(models, dest)
        return []
    needed = sum(missing_bytes(name, listed, dest) for name, listed in plan.listed.items())
    free = free_bytes(dest)
    if plan.listed:
        _announce_sizes(needed, free, dest, announce)
    if dry_run:
        _echo_plan(plan, dest)
        return []
    if len(models) > 1:
        for name, why in plan.refused.items():
            announce(f"{name}: {why}")
    if needed > free:
        raise HarnessError(
            f"{dest}: too little space: {needed / 1e9:.2f} GB to download, {free / 1e9:.2f} GB free; free some, "
            "name fewer models, or give another folder with --dest"
        )
    if ask and plan.listed and not typer.confirm(f"Download {len(plan.listed)} models?", err=True):
        announce("nothing was downloaded")
        return []
    return _carry_out(plan, models, dest, announce)


def _announce_sizes(needed: int, free: int, dest: Path, announce: Announce) -> None:
    announce(f"to download into {dest}: {needed / 1e9:.2f} GB; free there: {free / 1e9:.2f} GB")


def _plan(models: Mapping[str, Model], dest: Path) -> Plan:
    present = tuple(name for name in models if has_real_weights(name, dest))
    listed: dict[str, Listing] = {}
    refused: dict[str, HarnessError] = {}
    for name, model in models.items():
        if name in present:
            continue
        try:
            listed[name] = listing(model.hub_id, model.revision)
        except HubUnreachable:
            raise
        except HarnessError as error:
            refused[name] = error
    return Plan(present, listed, refused)


def _carry_out(plan: Plan, models: Mapping[str, Model], dest: Path, announce: Announce) -> list[ModelFiles]:
    done: list[ModelFiles] = []
    failed = dict(plan.refused)
    for name, model in models.items():
        if name in failed:
            continue
        try:
            if name in plan.listed:
                listed = plan.listed[name]
                announce(f"{name}: downloading {listed.bytes / 1e9:.2f} GB of {listed.hub_id} at {listed.commit[:12]}")
                download(name, model, listed, dest, announce)
            done.append(ensure_model(name, _no_engine, dest, False, announce=announce))
            typer.echo(in_a_line(done[-1]))
        except HubUnreachable:
            raise
        except HarnessError as error:
            failed[name] = error
            if len(models) > 1:
                announce(f"{name}: {error}")
    if len(models) == 1 and failed:
        raise next(iter(failed.values()))
    if failed:
        raise HarnessError(f"{len(failed)} of {len(models)} models are not there: {', '.join(failed)} (why: above)")
    return done


def in_a_line(files: ModelFiles) -> str:
    """What is there now, for people."""
    kind = "structural twin" if files.twin else "real weights"
    size = sum((files.path / file).stat().st_size for file in model_file_names(files.path))
    return f"{files.name}: {kind} in {files.path}, {size / 1e6:.1f} MB, sha256 {files.files_sha256[:16]}"


def _echo_plan(plan: Plan, dest: Path) -> None:
    for name in plan.present:
        typer.echo(f"{name}: would verify the real weights in {real_folder(name, dest)}")
    for name, listed in plan.listed.items():
        typer.echo(
            f"{name}: would download {listed.hub_id} at {listed.commit}, {len(listed.files)} files, "
            f"{listed.bytes / 1e9:.2f} GB, into {real_folder(name, dest)}"
        )
    for name, error in plan.refused.items():
        typer.echo(f"{name}: cannot be downloaded: {error}")


def _echo_declared(models: Mapping[str, Model], dest: Path) -> None:
    present = [name for name in models if has_real_weights(name, dest)]
    _echo_plan(Plan(tuple(present), {}, {}), dest)
    for name, model in models.items():
        if name in present:
            continue
        size = f"{model.checkpoint.tensor_bytes / 1e9:.2f} GB"
        typer.echo(f"{name}: would download {model.hub_id}, {size}, into {real_folder(name, dest)}")


def _no_engine() -> Path:
    raise AssertionError("real weights need no engine")
