"""Which models are here, and whether their folders are complete. Sizes are compared, contents are not hashed."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from harness.commands.download_models.twins import expected_bytes
from harness.doctor.check import Check
from harness.engine.download import downloading_folder
from harness.engine.model_files import model_file_names, read_manifest
from harness.engine.model_store import scale_to_make, twin_folder
from harness.engine.real_weights import check_real, has_real_weights, real_folder
from harness.engine.safetensors_header import checkpoint_sizes
from harness.engine.twin import MANIFEST
from harness.errors import HarnessError
from harness.record.plain import printable
from harness.spec.models import Model, find_model
from harness.workspace import Workspace


@dataclass(frozen=True)
class ModelLook:
    """One model, as a start would find it."""

    check: Check
    twin: bool
    there: bool
    file_bytes: int  # of its folder, or about what its twin will take


def look_at_model(name: str, workspace: Workspace) -> ModelLook:
    """Real weights if anything is where they belong, else the twin, which ``run_figure.sh`` makes.

    Raises:
        HarnessError: models.yaml does not have it.
    """
    model = find_model(name)
    if has_real_weights(name, workspace.models):
        return _real(name, model, workspace)
    return _twin(name, model, workspace)


def _real(name: str, model: Model, workspace: Workspace) -> ModelLook:
    folder = real_folder(name, workspace.models)
    needed = f"the weights of {model.hub_id}, or no folder models/{name}"
    try:
        check_real(folder, name, model)
        checkpoint_sizes(folder)
    except (HarnessError, OSError) as error:
        aside = f"{_shown(folder, workspace)} {_shown(_free_name(folder), workspace)}"
        fix = f"mv {aside} && python3 download_models.py {name}"
        check = Check(f"model {name}", "missing", _told(error, workspace), needed, fix)
        return ModelLook(check, False, False, model.checkpoint.tensor_bytes)
    size = _size(folder)
    return ModelLook(Check(f"model {name}", "ok", f"real weights, {size / 1e9:.1f} GB", needed), False, True, size)


def _twin(name: str, model: Model, workspace: Workspace) -> ModelLook:
    folder, check_name = twin_folder(name, workspace.models), f"model {name}"
    make = f"python3 download_models.py --synthetic {name}"
    needed = "real weights, or the structural twin"
    try:
        scale = scale_to_make(name, workspace.models, None, None)
        damage = None if scale is not None else _damage(folder)
    except (HarnessError, OSError) as error:
        scale, damage = None, _told(error, workspace)
    size = int(expected_bytes(model, scale)) if scale is not None else _size(folder)
    if damage:
        fix = f"rm -r {_shown(folder, workspace)} && {make}"
        return ModelLook(Check(check_name, "missing", f"twin is damaged: {damage}", needed, fix), True, False, size)
    if scale is None and downloading_folder(name, workspace.models).exists():
        fix = f"python3 download_models.py {name}"
        found = "real weights downloaded in part; starts use the twin"
        return ModelLook(Check(check_name, "warn", found, needed, fix), True, True, size)
    if scale is not None:
        found = "made from another recipe" if (folder / MANIFEST).exists() else "not here"
        check = Check(check_name, "missing", found, f"{needed}, {size / 1e6:.0f} MB", make, automatic=True)
        return ModelLook(check, True, False, size)
    return ModelLook(Check(check_name, "ok", f"structural twin, {size / 1e6:.0f} MB", needed), True, True, size)


def _damage(folder: Path) -> str | None:
    """How the files differ from the manifest's, by names and sizes."""
    declared = read_manifest(folder / MANIFEST)["files"]
    names = model_file_names(folder, besides=MANIFEST)
    if differing := sorted(set(names) ^ declared.keys()):
        return printable(f"{differing[0]} {'is missing' if differing[0] in declared else 'was added'}", 120)
    sizes = {name: (folder / name).stat().st_size for name in names}
    return next((f"{name} is cut off or changed" for name in names if sizes[name] != declared[name]["bytes"]), None)


def _size(folder: Path) -> int:
    try:
        return sum((folder / name).stat().st_size for name in model_file_names(folder))
    except OSError:
        return 0


def _free_name(folder: Path) -> Path:
    """Beside the folder, hidden, so that it is no model; nothing is there yet."""
    names = (folder.with_name(f".{folder.name}.incomplete{number}") for number in ("", *range(1, 1000)))
    return next(path for path in names if not path.exists())


def _shown(folder: Path, workspace: Workspace) -> str:
    return shlex.quote(str(folder.relative_to(workspace.root)))


def _told(error: Exception, workspace: Workspace) -> str:
    """What is wrong, without the cure that the message ends with: the check has its own."""
    return printable(str(error).partition(";")[0].replace(f"{workspace.root}/", ""), 160)
