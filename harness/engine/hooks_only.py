"""The tracer on a vllm that no pin names: ``.pth``, tracer and the nearest pin's hook table, and no diffs.

Only hooks whose target is there are installed, so the tracer has nothing to fail on; which pin's table it was, what
moved and what is gone stand in the record (``HooksOnly`` in harness/engine/patch_record.py). The vllm package itself is
not touched, so it may be an editable checkout.
"""

from dataclasses import dataclass
from pathlib import Path

from harness.engine.hook_check import GoneHook, standard_library
from harness.engine.hook_fit import fit_hooks
from harness.engine.nearest_pin import nearest_pin
from harness.engine.patch_record import HooksOnly, read_record
from harness.engine.patch_set import PatchSet
from harness.engine.patch_state import PatchState, examine, installed_version
from harness.engine.patch_steps import alone, install, remove
from harness.engine.vllm_build import device_of
from harness.engine.vllm_place import Place
from harness.errors import HarnessError
from harness.spec.hooks import load_hooks
from harness.spec.pin import load_pin, pin_names

ENOUGH = 0.5  # of the table; below, most of a start would be unattributed: this is not the vllm the table is about


@dataclass(frozen=True)
class Plan:
    """What is to be installed at one place, and why this."""

    place: Place
    device_why: str
    pin_why: str
    patches: PatchSet
    record: HooksOnly

    @property
    def share(self) -> float:
        """Of the hooks that this vllm should have, how many are set: 0 to 1."""
        expected = self.record.hooks - len(self.record.absent)
        return self.record.resolved / expected if expected else 1.0

    @property
    def blind(self) -> tuple[GoneHook, ...]:
        """Gone hooks that tell when a process is ready."""
        return tuple(hook for hook in self.record.gone if hook.disarm)


def plan(place: Place, pin: str | None = None) -> Plan:
    """Fit a hook table to the vllm at ``place``.

    Args:
        place: the package and its site-packages.
        pin: whose table; None: that of the installed one, and where none is, the nearest pin's.
    """
    version = installed_version(place.vllm_dir, place.site_packages)
    device, device_why = device_of(place.vllm_dir, place.site_packages)
    if pin is not None:
        chosen, why = load_pin(pin), "as asked"
    elif recorded := _recorded_pin(place.site_packages):
        chosen, why = load_pin(recorded), "the one installed; another with --pin"
    else:
        chosen, why = nearest_pin(version, device)
    hooks = load_hooks(chosen.hooks).hook
    fit = fit_hooks(hooks, place.vllm_dir, [place.site_packages, standard_library(place.python)])
    record = HooksOnly(
        vllm_version=version, device=device, hooks=len(hooks), moved=fit.moved, gone=fit.gone, absent=fit.absent
    )
    return Plan(place, device_why, why, PatchSet(chosen.name, fit.hooks, {}, {}, hooks_only=record), record)


def status(wanted: Plan) -> PatchState:
    """The state of the place towards the plan. Raises HarnessError if a pin's full patch set is there."""
    found = examine(wanted.patches, wanted.place.site_packages)
    if found.record and found.record.mode == "pinned":
        raise HarnessError(
            f"{wanted.place.vllm_dir}: has the patch set of pin '{found.record.pin}'; first take it back: "
            f"python3 apply_patches.py --revert --pin {found.record.pin} --vllm-path {wanted.place.vllm_dir}"
        )
    return found


def apply(wanted: Plan, dry_run: bool = False) -> list[str]:
    """Install, renew or repair the tracer; returns the paths that changed or would change, in site-packages.

    Raises:
        HarnessError: a pin's patch set or a stranger's file is there, or a write failed; nothing has changed then.
    """
    site = wanted.place.site_packages
    with alone():
        return install(wanted.patches, site, status(wanted), dry_run, wanted.place.python)


def revert(wanted: Plan) -> list[str]:
    """Remove everything of ours, also what an earlier plan installed. Result and errors as for ``apply``."""
    site = wanted.place.site_packages
    with alone():
        return remove(wanted.patches, site, status(wanted), None)


def _recorded_pin(site: Path) -> str | None:
    """The pin whose table is installed, if it still exists."""
    try:
        record = read_record(site)
    except ValueError:
        return None
    return record.pin if record and record.hooks_only and record.pin in pin_names() else None
