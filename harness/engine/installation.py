"""The vllm that an interpreter would start, and the tracer that is installed for it. Nothing of it is imported."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.engine import hooks_only
from harness.engine.patch_record import PACKAGE, Installed, read_record
from harness.engine.patch_set import PTH, patch_set_of, sha256
from harness.engine.patch_state import examine, installed_version
from harness.engine.vllm_build import Device, device_of
from harness.engine.vllm_place import Place, place_of
from harness.spec.pin import load_pin, pin_names


@dataclass(frozen=True)
class TracerRecord:
    """What was installed, as its record says; ``tracer_state`` says whether that is still so."""

    pin: str  # whose hook table
    mode: Literal["pinned", "hooks-only"]
    patches_sha256: str  # identity of all that is installed
    hooks: int  # in the pin's table
    resolved: int  # of them set; the rest is gone or absent
    moved: tuple[str, ...]  # "module:name: now in module"
    gone: tuple[str, ...]  # "module:name"
    blind: tuple[str, ...]  # of the gone ones, those that tell when a process is ready


@dataclass(frozen=True)
class Installation:
    """A vllm and its interpreter."""

    python: Path
    vllm_dir: Path
    site_packages: Path  # where the tracer belongs: beside vllm, or where the interpreter reads .pth files
    version: str
    device: Device
    tracer: TracerRecord | None

    @property
    def place(self) -> Place:
        """For ``harness.engine.hooks_only.plan``."""
        return Place(self.vllm_dir, self.site_packages, self.python)


def installation_of(python: Path) -> Installation:
    """The vllm that ``python`` imports, editable installations included.

    Raises:
        HarnessError: the interpreter does not run, or has no vllm.
    """
    place = place_of(python)
    version = installed_version(place.vllm_dir, place.site_packages)
    device, _ = device_of(place.vllm_dir, place.site_packages)
    record = _record(place.site_packages)
    tracer = _tracer(record, place.site_packages) if record else None
    return Installation(place.python or python, place.vllm_dir, place.site_packages, version, device, tracer)


def tracer_state(installation: Installation) -> Literal["absent", "applied", "outdated", "damaged"]:
    """Whether the tracer is complete and current.

    ``damaged``: a file of it is missing or not as recorded, or an installation was interrupted. ``outdated``: complete,
    but today's tracer, hook table or vllm would give another.
    """
    site = installation.site_packages
    record = _record(site)
    if record is None:
        return "damaged" if (site / PACKAGE).exists() or (site / PTH).exists() else "absent"
    if any(
        not (site / path).is_file() or sha256((site / path).read_bytes()) != was for path, was in record.files.items()
    ):
        return "damaged"
    if record.pin not in pin_names():
        return "outdated"
    if record.mode == "pinned":
        pin = load_pin(record.pin)
        current = pin.vllm_version == installation.version and examine(patch_set_of(pin), site).state == "applied"
    else:
        current = hooks_only.status(hooks_only.plan(installation.place, record.pin)).state == "applied"
    return "applied" if current else "outdated"


def _record(site: Path) -> Installed | None:
    try:
        return read_record(site)
    except ValueError:  # cut off; tracer_state calls that damaged
        return None


def _tracer(record: Installed, site: Path) -> TracerRecord:
    fit = record.hooks_only
    if fit is None:
        hooks = _installed_hooks(site / PACKAGE / "hook_table.py")
        return TracerRecord(record.pin, record.mode, record.patches_sha256, hooks, hooks, (), (), ())
    return TracerRecord(
        pin=record.pin,
        mode=record.mode,
        patches_sha256=record.patches_sha256,
        hooks=fit.hooks,
        resolved=fit.resolved,
        moved=tuple(map(str, fit.moved)),
        gone=tuple(f"{hook.module}:{hook.name}" for hook in fit.gone),
        blind=tuple(f"{hook.module}:{hook.name}" for hook in fit.gone if hook.disarm),
    )


def _installed_hooks(table: Path) -> int:
    """Hooks in an installed table; 0 if it is damaged."""
    try:
        statements = ast.parse(table.read_bytes()).body
        return sum(len(ast.literal_eval(each.value)) for each in statements if isinstance(each, ast.Assign))
    except (OSError, ValueError, SyntaxError):
        return 0
