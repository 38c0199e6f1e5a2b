"""The checkout: where it lies, and whether results, engines and models can be written and their pages be seen."""

import os
import shlex
import tempfile
from collections.abc import Iterable
from pathlib import Path

from harness.doctor.check import Check
from harness.record.plain import printable
from harness.state.filesystem import FileSystem, filesystem_of
from harness.workspace import Workspace


def place_checks(workspace: Workspace) -> Iterable[Check]:
    """Of the checkout's place."""
    yield _path(workspace)
    yield _writable(workspace)
    yield storage_check(workspace)


def _path(workspace: Workspace) -> Check:
    blank = any(character.isspace() for character in str(workspace.root))
    found = "has a blank" if blank else "no blank"
    needed = "a path without blanks: the engine's compiler splits its command line at them"
    return _moved("path", found, needed, workspace) if blank else Check("path", "ok", found, needed)


def _writable(workspace: Workspace) -> Check:
    folders = (workspace.root, workspace.runs, workspace.caches, workspace.engines, workspace.models)
    refused = [folder for folder in folders if not _writable_folder(existing(folder))]
    needed = "runs, caches, engines, models and figures are written into the checkout"
    if not refused:
        return Check("checkout", "ok", "can be written", needed)
    return _moved("checkout", f"{refused[0].name}: cannot be written", needed, workspace)


def storage_check(workspace: Workspace) -> Check:
    """Whether the kernel tells what of the models and engines is in memory, and can put it out."""
    needed = "a local disk: what is in memory is proved before each start"
    mounted = {folder.name: filesystem_of(folder.resolve()) for folder in (workspace.models, workspace.engines)}
    for name, found in mounted.items():
        if found.network:
            return _moved("storage", f"{name} on {found.kind}, whose server's memory is not seen", needed, workspace)
    for name, found in mounted.items():
        if found.elsewhere:
            fix = _copy(workspace)
            return Check("storage", "warn", f"{name} {found.elsewhere}: nothing can be evicted there", needed, fix)
    return Check("storage", "ok", _about(mounted["models"]), needed)


def existing(path: Path) -> Path:
    """``path``, or the nearest folder above it that is there."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if each.exists())


def _writable_folder(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def _about(found: FileSystem) -> str:
    return printable(f"{found.kind} on {found.device_model or found.device_name}" if found.device_name else found.kind)


def _moved(name: str, found: str, needed: str, workspace: Workspace) -> Check:
    """A lack that a copy of the checkout in another place ends."""
    fix = _copy(workspace)
    return Check(name, "missing" if fix else "cannot", found, needed, fix)


def _copy(workspace: Workspace) -> str | None:
    """The command that copies the checkout to where it can be used; None: no such place is known."""
    for folder in (Path(os.path.expanduser("~")), Path(tempfile.gettempdir()), Path("/var/tmp")):
        name = "-".join(workspace.root.name.split())
        target = folder.resolve() / f"{name}-copy"
        mounted = filesystem_of(target)
        usable = _writable_folder(folder) and not any(c.isspace() for c in str(target))
        if usable and not target.exists() and not mounted.network and not mounted.elsewhere:
            return f"cp -r {shlex.quote(str(workspace.root))} {target} && cd {target}"
    return None
