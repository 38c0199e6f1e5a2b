"""The steps of patching: bring an engine from any state that is ours to a patch set, or back to the wheel's files."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from harness.engine.patch_record import PACKAGE, RECORD
from harness.engine.patch_set import PTH, PatchSet, apply_diffs, sha256
from harness.engine.patch_state import LEFTOVER, PatchState
from harness.engine.replace import replace_all
from harness.errors import HarnessError
from harness.spec import pin as pins

WAIT_S = 120  # for another patching; one takes seconds


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One patching at a time: a user's all wait for one file in the temporary folder, so that no engine keeps a trace.

    Raises:
        HarnessError: another one did not end.
    """
    file = Path(tempfile.gettempdir()) / f"coldstart-patching-{os.getuid()}.lock"
    try:
        with FileLock(file, timeout=WAIT_S):
            yield
    except Timeout:
        raise HarnessError(f"{file}: held by another apply_patches.py; repeat when that has ended") from None


def install(patches: PatchSet, site: Path, found: PatchState, dry_run: bool, python: Path | None) -> list[str]:
    """Bring ``site`` from the state ``found`` to the patched state; returns the paths that changed or would change."""
    refuse_foreign(patches, site, found)
    if found.state == "applied":
        return []
    pristine = _pristine(patches, site, found)
    ours = {path: data for path, data in pristine.items() if path in patches.files}
    patched = apply_diffs(patches.diffs.values(), ours) if patches.diffs else {}
    for path, data in patched.items():
        if sha256(data) != patches.files[path].patched_sha256:
            declared = pins.PATCHES / patches.pin / "pin.yaml"
            raise HarnessError(f"{declared}: 'patched_sha256' of {path} is not what the diffs make of it")
    added = patches.added()
    last = {path: added.pop(path) for path in (PTH, RECORD)}
    # The tracer is complete before anything loads it, and the record is last: it vouches for all the others.
    wanted: dict[str, bytes | None] = {**added, **pristine, **patched, **last}
    wanted = dict.fromkeys(path for path in found.paths("outdated") if path not in wanted) | wanted
    return _carry_out(site, found, wanted, dry_run, python)


def remove(patches: PatchSet, site: Path, found: PatchState, python: Path | None) -> list[str]:
    """Bring ``site`` from the state ``found`` back to the wheel's files, byte for byte; returns what changed."""
    refuse_foreign(patches, site, found)
    pristine = _pristine(patches, site, found) if found.state != "pristine" else {}
    ours = dict.fromkeys(path for path in found.paths("applied", "outdated") if path not in {*pristine, PTH, RECORD})
    changed = _carry_out(site, found, {PTH: None, **pristine, **ours, RECORD: None}, False, python)
    _remove_compiled_tracer(site / PACKAGE)
    return changed


def refuse_foreign(patches: PatchSet, site: Path, found: PatchState) -> None:
    """Raise HarnessError if a file is neither the wheel's nor ours."""
    foreign = found.paths("foreign")
    if foreign:
        more = f" (and {len(foreign) - 1} more: {', '.join(foreign[1:])})" if len(foreign) > 1 else ""
        raise HarnessError(
            f"{site / foreign[0]}: missing, or changed by something other than the patch set of "
            f"'{patches.pin}'{more}; put its original back or reinstall the engine; nothing was changed"
        )


def _remove_compiled_tracer(folder: Path) -> None:
    """Remove what Python compiled from the tracer, and the folder if nothing else is in it."""
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _pristine(patches: PatchSet, site: Path, found: PatchState) -> dict[str, bytes]:
    """The wheel's content of every patched file, from whichever of our versions is installed."""
    expected = {path: entry.pristine_sha256 for path, entry in patches.files.items()}
    recorded = found.record.diffs.values() if found.record else ()
    if found.record:
        expected = found.record.pristine | expected
    now = {path: (site / path).read_bytes() for path in expected}
    applied = {path: now[path] for path in found.paths("applied") if path in expected}
    outdated = {path: now[path] for path in found.paths("outdated") if path in expected}
    now |= apply_diffs(patches.diffs.values(), applied, reverse=True) if applied else {}
    now |= apply_diffs(recorded, outdated, reverse=True) if outdated else {}
    for path, data in now.items():
        if sha256(data) != expected[path]:
            raise HarnessError(
                f"{site / path}: taking the diffs back does not give the wheel's file; reinstall the engine"
            )
    return now


def _carry_out(
    site: Path, found: PatchState, wanted: dict[str, bytes | None], dry_run: bool, python: Path | None
) -> list[str]:
    """Make ``wanted`` true on disk; returns the paths that differ from it."""
    changes = {path: data for path, data in wanted.items() if _content(site / path) != data}
    leftovers = found.paths("leftover")
    if not dry_run:
        replace_all(site, changes, LEFTOVER)
        for path in leftovers:
            (site / path).unlink(missing_ok=True)
        _compile(python, [site / path for path, data in changes.items() if data is not None and path.endswith(".py")])
    return sorted({*changes, *leftovers})


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _compile(python: Path | None, files: list[Path]) -> None:
    """Compile to bytecode with the engine's interpreter. If that fails, the first start does it: no harm."""
    if python is None or not files:
        return
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COLDSTART_")}
    command = [str(python), "-I", "-m", "compileall", "-q", *map(str, files)]
    subprocess.run(command, env=environment, capture_output=True, check=False)
