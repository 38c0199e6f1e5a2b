"""Apply, check and take back a pin's patch set: all of it or nothing, and never over somebody else's change.

What a patch set is: harness/engine/patch_set.py. Every function takes the installed ``vllm`` package folder.
"""

from dataclasses import dataclass
from pathlib import Path

from harness.engine.environment import Engine
from harness.engine.hook_check import GoneHook, gone_hooks, standard_library
from harness.engine.patch_record import RECORD
from harness.engine.patch_set import patch_set_of
from harness.engine.patch_state import PatchState, examine, require_version
from harness.engine.patch_steps import alone, install, remove
from harness.engine.vllm_build import UNTOLD, device_of
from harness.errors import HarnessError
from harness.spec.hooks import Hook
from harness.spec.pin import Pin
from harness.spec.serving_hooks import ServingHook


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
    """State of the engine towards the pin's patch set.

    Raises:
        HarnessError: another version of vllm, a build for another device, or one that has the tracer without the diffs.
    """
    require_version(pin, vllm_dir)
    device, why = device_of(vllm_dir, vllm_dir.parent)
    if device != pin.device and why != UNTOLD:  # its files can be the same, byte for byte; the hooks are not
        raise HarnessError(
            f"{vllm_dir}: this build is for {device} ({why}), but the patch set of pin '{pin.name}' is for "
            f"{pin.device}; choose the pin with --pin, or take the tracer alone with --hooks-only"
        )
    found = examine(patch_set_of(pin), vllm_dir.parent)
    if found.record and found.record.mode == "hooks-only":
        raise HarnessError(
            f"{vllm_dir}: has the tracer without the diffs; first take it back: "
            f"python3 apply_patches.py --hooks-only --revert --vllm-path {vllm_dir}"
        )
    return found


def refuse_tracer(vllm_dir: Path) -> None:
    """Make sure that a release is as it was published. Raises HarnessError if the tracer was installed into it."""
    if (vllm_dir.parent / RECORD).exists():
        raise HarnessError(
            f"{vllm_dir}: has the tracer, and a release is measured without; take it back: "
            f"python3 apply_patches.py --hooks-only --revert --vllm-path {vllm_dir}"
        )


def check(pin: Pin, vllm_dir: Path, python: Path | None = None) -> Check:
    """``status``, and every hook's target looked up in the engine's sources; nothing of the engine is imported."""
    state = status(pin, vllm_dir)
    patches = patch_set_of(pin)
    hooks: list[Hook | ServingHook] = [*patches.hooks, *(patches.serving.hook if patches.serving else ())]
    reused = Engine(pin, vllm_dir.parents[3]).package_roots[1:] if len(vllm_dir.parents) > 3 else ()
    missing = gone_hooks(hooks, [vllm_dir.parent, *reused, standard_library(python)])
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
    with alone():
        return install(patch_set_of(pin), vllm_dir.parent, status(pin, vllm_dir), dry_run, python)


def revert(pin: Pin, vllm_dir: Path, python: Path | None = None) -> list[str]:
    """Bring the engine back to the wheel's files, byte for byte. Arguments, result and errors as for ``apply``."""
    with alone():
        return remove(patch_set_of(pin), vllm_dir.parent, status(pin, vllm_dir), python)
