"""Apply, check and take back a pin's patch set: all of it or nothing, and never over somebody else's change.

What a patch set is: harness/engine/patch_set.py. Every function takes the installed ``vllm`` package folder.
"""

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.engine.hook_check import GoneHook, gone_hooks, standard_library
from harness.engine.patch_set import PACKAGE, PTH, RECORD, added_files, apply_diffs, diff_texts, sha256
from harness.engine.patch_state import LEFTOVER, PatchState, examine, require_version
from harness.engine.replace import replace_all
from harness.errors import HarnessError
from harness.spec.hooks import load_hooks
from harness.spec.pin import Pin


@dataclass(frozen=True)
class Check:
    """Whether an engine is patched as its pin says, and which hooks would find their target."""

    state: PatchState
    hooks: int  # hooks in the table
    gone: list[GoneHook]  # their target is gone
    absent: list[GoneHook]  # their target is absent, which the table expects in some builds

    @property
    def ok(self) -> bool:
        """Applied, and no target gone."""
        return self.state.state == "applied" and not self.gone


def status(pin: Pin, vllm_dir: Path) -> PatchState:
    """State of the engine towards the pin's patch set. Raises HarnessError on another version of vllm."""
    require_version(pin, vllm_dir)
    return examine(pin, vllm_dir)


def check(pin: Pin, vllm_dir: Path, python: Path | None = None) -> Check:
    """``status``, and every hook's target looked up in the engine's sources; nothing of the engine is imported."""
    state = status(pin, vllm_dir)
    hooks = load_hooks(pin.hooks).hook
    missing = gone_hooks(hooks, [vllm_dir.parent, standard_library(python)])
    gone = [hook for hook in missing if not hook.optional]
    return Check(state, len(hooks), gone, [hook for hook in missing if hook.optional])


def apply(pin: Pin, vllm_dir: Path, dry_run: bool = False, python: Path | None = None) -> list[str]:
    """Bring the engine to the patched state from any state that is ours.

    Args:
        pin: whose patch set.
        vllm_dir: the installed package.
        dry_run: say what would change, touch nothing.
        python: the engine's interpreter, to compile what changed, so that the first start does not pay for it.

    Returns:
        The paths that changed or would change, relative to the folder that holds ``vllm/``; empty if applied already.

    Raises:
        HarnessError: another version, a foreign change (named), or a write that failed; nothing has changed then.
    """
    found = _refuse_foreign(pin, vllm_dir, status(pin, vllm_dir))
    if found.state == "applied":
        return []
    pristine = _pristine(pin, vllm_dir, found)
    ours = {path: data for path, data in pristine.items() if path in pin.files}
    patched = apply_diffs(diff_texts(pin).values(), ours)
    for path, data in patched.items():
        if sha256(data) != pin.files[path].patched_sha256:
            raise HarnessError(
                f"{pin.folder / 'pin.yaml'}: 'patched_sha256' of {path} is not what the diffs make of it"
            )
    added = added_files(pin)
    last = {path: added.pop(path) for path in (PTH, RECORD)}
    # The tracer is complete before anything loads it, and the record is last: it vouches for all the others.
    wanted: dict[str, bytes | None] = {**added, **pristine, **patched, **last}
    wanted = dict.fromkeys(path for path in found.paths("outdated") if path not in wanted) | wanted
    return _carry_out(vllm_dir, found, wanted, dry_run, python)


def revert(pin: Pin, vllm_dir: Path, python: Path | None = None) -> list[str]:
    """Bring the engine back to the wheel's files, byte for byte. Arguments, result and errors as for ``apply``."""
    found = _refuse_foreign(pin, vllm_dir, status(pin, vllm_dir))
    pristine = _pristine(pin, vllm_dir, found) if found.state != "pristine" else {}
    remove = dict.fromkeys(path for path in found.paths("applied", "outdated") if path not in {*pristine, PTH, RECORD})
    changed = _carry_out(vllm_dir, found, {PTH: None, **pristine, **remove, RECORD: None}, False, python)
    _remove_compiled_tracer(vllm_dir.parent / PACKAGE)
    return changed


def _remove_compiled_tracer(folder: Path) -> None:
    """Remove what Python compiled from the tracer, and the folder if nothing else is in it."""
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _refuse_foreign(pin: Pin, vllm_dir: Path, found: PatchState) -> PatchState:
    foreign = found.paths("foreign")
    if foreign:
        more = f" (and {len(foreign) - 1} more: {', '.join(foreign[1:])})" if len(foreign) > 1 else ""
        raise HarnessError(
            f"{vllm_dir.parent / foreign[0]}: missing, or changed by something other than the patch set of "
            f"'{pin.name}'{more}; put its original back or reinstall the engine; nothing was changed"
        )
    return found


def _pristine(pin: Pin, vllm_dir: Path, found: PatchState) -> dict[str, bytes]:
    """The wheel's content of every patched file, from whichever of our versions is installed."""
    site = vllm_dir.parent
    expected = {path: entry.pristine_sha256 for path, entry in pin.files.items()}
    recorded = found.record.diffs.values() if found.record else ()
    if found.record:
        expected = found.record.pristine | expected
    now = {path: (site / path).read_bytes() for path in expected}
    applied = {path: now[path] for path in found.paths("applied") if path in expected}
    outdated = {path: now[path] for path in found.paths("outdated") if path in expected}
    now |= apply_diffs(diff_texts(pin).values(), applied, reverse=True) if applied else {}
    now |= apply_diffs(recorded, outdated, reverse=True) if outdated else {}
    for path, data in now.items():
        if sha256(data) != expected[path]:
            raise HarnessError(
                f"{site / path}: taking the diffs back does not give the wheel's file; reinstall the engine"
            )
    return now


def _carry_out(
    vllm_dir: Path, found: PatchState, wanted: dict[str, bytes | None], dry_run: bool, python: Path | None
) -> list[str]:
    """Make ``wanted`` true on disk; returns the paths that differ from it."""
    site = vllm_dir.parent
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
