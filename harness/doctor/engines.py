"""Whether an engine's environment is there, complete, and patched as its pin says; read from its files alone."""

from dataclasses import replace

from harness.doctor.check import Check
from harness.engine.environment import Engine, engine_of
from harness.engine.environments import state_of
from harness.engine.patch_record import RECORD, read_record
from harness.engine.patch_set import patch_set_of
from harness.engine.patch_state import examine, installed_version
from harness.engine.wheel_check import fit
from harness.engine.wheel_source import Source, source_of, typed_again
from harness.errors import HarnessError
from harness.record.plain import printable
from harness.record.wheelhouse import WheelhouseError
from harness.spec.pin import Pin
from harness.workspace import Workspace


def engine_check(pin: Pin, workspace: Workspace) -> Check:
    """The environment of a pin, or of a release."""
    engine = engine_of(pin, workspace)
    name, needed = f"engine {pin.name}", f"vLLM {pin.vllm_version}{', patched' if pin.traced else ' as published'}"
    source = source_of()
    if source.version not in pin.python:
        return Check(name, "cannot", f"Python is {source.version}", f"{needed}; Python {' or '.join(pin.python)}")
    if (state := state_of(engine)) != "installed":
        if source.wheelhouse:
            return _of_wheelhouse(pin, source, state, Check(name, "missing", "", f"{needed}; {pin.installed_gb:g} GB"))
        if (engine.installed_as() or {}).get("wheelhouse"):
            return Check(name, "cannot", f"{state}; it came from a wheelhouse", f"{needed}; --wheelhouse DIR again")
        needed = f"{needed}; {pin.installed_gb:g} GB and a network to install it"
        return Check(
            name, "missing", state, needed, f"python3 harness engines install --pin {pin.name}", automatic=True
        )
    try:
        return _of_files(engine, name, needed)
    except (HarnessError, OSError, ValueError) as error:
        return _broken(engine, name, str(error), needed)


def _of_wheelhouse(pin: Pin, source: Source, state: str, check: Check) -> Check:
    """Whether the engine can be installed from the wheelhouse that was named; its wheels are not read."""
    assert source.wheelhouse is not None
    try:
        found = fit(source.wheelhouse, pin, source.reused, contents=False)
    except (HarnessError, WheelhouseError) as error:
        return replace(check, status="cannot", found=f"{state}; {printable(str(error), 160)}")
    if not found.fits:
        return replace(check, status="cannot", found=f"{state}; wheelhouse: {printable('; '.join(found.lines()), 160)}")
    reused = ", ".join(f"{name} {version}" for name, version in found.reused.items() if name == "torch")
    told = f"{state}; the wheelhouse fits" + (f", {reused} is reused" if reused else "")
    fix = f"python3 harness engines install --pin {pin.name}{typed_again()}"
    return replace(check, found=told, fix=fix, automatic=True)


def _of_files(engine: Engine, name: str, needed: str) -> Check:
    """An environment that claims to be complete.

    Raises:
        HarnessError, OSError, ValueError: it is damaged.
    """
    pin, site = engine.pin, engine.site_packages
    if (found := installed_version(engine.vllm_dir)) != pin.vllm_version:
        return _broken(engine, name, f"its vllm is {found}", needed)
    if engine.installed_version("torch") is None:
        return _broken(engine, name, "it has no torch", needed)
    record = read_record(site) if (site / RECORD).exists() else None
    if record and (record.mode == "hooks-only" or not pin.traced):
        fix = f"python3 apply_patches.py --hooks-only --revert --vllm-path {engine.vllm_dir}"
        return Check(name, "missing", "has the tracer alone", needed, fix)
    if not pin.traced:
        return Check(name, "ok", "installed", needed)
    state = examine(patch_set_of(pin), site)
    if state.state == "applied":
        return Check(name, "ok", "installed, patched", needed)
    if state.state == "foreign":
        return _broken(engine, name, f"changed by hand: {state.paths('foreign')[0]}", needed)
    found = "not patched" if state.state == "pristine" else "patched in part, or from an older patch set"
    return Check(name, "missing", found, needed, f"python3 apply_patches.py --pin {pin.name}", automatic=True)


def _broken(engine: Engine, name: str, found: str, needed: str) -> Check:
    """What installing does not repair, because it takes the environment for complete."""
    command = "python3 harness engines"
    fix = f"{command} remove {engine.pin.name} && {command} install --pin {engine.pin.name}{typed_again()}"
    found = found.replace(f"{engine.folder.parent}/", "")
    return Check(name, "missing", f"damaged: {printable(found, 160)}", needed, fix)
