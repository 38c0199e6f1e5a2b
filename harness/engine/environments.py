"""Several engine environments: made side by side as far as cores and disk allow; listed; removed."""

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from harness.engine.environment import Engine, Installed, engine_of, installed_of
from harness.engine.steps import STEPS
from harness.errors import HarnessError
from harness.spec.pin import Pin, comparison_names, load_build, pin_names, release_names, serving_names
from harness.workspace import Workspace


def make_engines(
    pins: Sequence[Pin], workspace: Workspace, make: Callable[[Pin], Engine]
) -> tuple[dict[str, Engine], dict[str, HarnessError]]:
    """``make`` each pin's engine: name → engine, and name → why there is none. One that fails does not stop the others.

    As many at once as there are cores, if all that are absent fit on the disk; else one after another, each if it fits.
    """
    absent = [pin for pin in pins if not engine_of(pin, workspace).is_complete]
    enough = _free_gb(workspace.engines) >= sum(pin.installed_gb for pin in absent)
    at_once = min(len(absent), len(os.sched_getaffinity(0))) if enough else 1
    engines: dict[str, Engine] = {}
    failed: dict[str, HarnessError] = {}

    def make_one(pin: Pin) -> None:
        try:
            if pin in absent:
                _check_room(pin, workspace)
            engines[pin.name] = make(pin)
        except HarnessError as error:
            failed[pin.name] = error

    pool = ThreadPoolExecutor(max(at_once, 1))
    try:
        for future in [pool.submit(make_one, pin) for pin in pins]:
            future.result()
    except BaseException:  # Ctrl-C: no pip may outlive this process
        STEPS.end()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        STEPS.reopen()
    return engines, failed


def _check_room(pin: Pin, workspace: Workspace) -> None:
    if (free := _free_gb(workspace.engines)) < pin.installed_gb:
        raise HarnessError(f"engine {pin.name} needs {pin.installed_gb:g} GB of disk, {free:.1f} GB are free")


def _free_gb(folder: Path) -> float:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e9


@dataclass(frozen=True)
class Environment:
    """A folder of ``engines/``, or the place of one that could be there."""

    name: str
    state: str  # installed, outdated (another lock or Python), interrupted, absent; unknown: no pin of that name
    bytes: int


def environments(workspace: Workspace) -> list[Environment]:
    """Every declared pin, release, serving pin and comparison build, and what else lies in ``engines/``."""
    names = (*pin_names(), *release_names(), *serving_names(), *comparison_names())
    known = {name: load_build(name) for name in names}
    there = [path.name for path in workspace.engines.glob("*") if path.is_dir() and not path.name.startswith(".")]
    others = sorted(set(there) - known.keys())
    found = [Environment(name, state_of(installed_of(pin, workspace)), 0) for name, pin in known.items()]
    found += [Environment(name, "unknown", 0) for name in others]
    return [Environment(each.name, each.state, _size(workspace.engines / each.name)) for each in found]


def state_of(engine: Installed) -> str:
    """``Environment.state`` of a pin's or a release's."""
    if not engine.folder.exists():
        return "absent"
    if engine.installed_as() is None:
        return "interrupted"
    return "installed" if engine.is_complete else "outdated"


def _size(folder: Path) -> int:
    """Bytes that the folder takes on the disk."""
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            total += os.lstat(os.path.join(path, name)).st_blocks * 512
    return total


def remove_environment(name: str, workspace: Workspace) -> int:
    """Remove ``engines/NAME``; returns the bytes that were freed.

    Raises:
        HarnessError: it is not there, is being installed, or cannot be removed. Nothing outside engines/ is touched.
    """
    folder = workspace.engines / name
    if name != folder.name or name.startswith(".") or not folder.is_dir() or folder.is_symlink():
        raise HarnessError(f"engines/ has no environment '{name}'; see: python3 harness engines list")
    try:
        with FileLock(workspace.engines / f".{name}.lock", timeout=0):
            size = _size(folder)
            (folder / "engine.json").unlink(missing_ok=True)  # first: what is half removed is not taken for complete
            shutil.rmtree(folder)
    except Timeout:
        raise HarnessError(f"engine {name} is being installed; wait until that ends or stop it") from None
    except OSError as error:
        raise HarnessError(f"{error.filename or folder}: cannot be removed ({error.strerror})") from None
    return size
