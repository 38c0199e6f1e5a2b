"""Engine environments: ``engines/<pin>/``, a virtual environment that holds exactly what the pin's lock names."""

import importlib.metadata
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.engine.lock_check import check_against_lock, name_distribution
from harness.engine.offline import Offline, offline_of
from harness.engine.steps import STEPS
from harness.engine.wheel_source import HERE, Source, source_of
from harness.errors import HarnessError
from harness.spec.pin import Build, Pin
from harness.workspace import Workspace

Announce = Callable[[str], None]


class InstallationFailed(HarnessError):
    """A step of an installation failed; ``reason``: what it said last, without the place that it asked (it travels)."""

    def __init__(self, pin: Build, said: str) -> None:
        super().__init__(
            f"engine {pin.name} could not be installed (no network and nothing cached?): {said}; "
            "what was installed is removed by the next try"
        )
        self.reason = "not installed: " + re.sub(r"https?://\S+|host='[^']*'", "…", said)


@dataclass(frozen=True)
class Installed:
    """The place of an environment of any build, installed or not."""

    pin: Build
    folder: Path

    @property
    def python(self) -> Path:
        """The engine's interpreter."""
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """Where its own packages lie: those that it reuses of another Python lie there."""
        found = sorted(self.folder.glob("lib/python3.*/site-packages"))
        return found[0] if len(found) == 1 else self.folder / "lib" / f"python{HERE}" / "site-packages"

    @property
    def python_version(self) -> str:
        """Its interpreter's: the harness's, or that of a wheelhouse. Of one that is absent: what it would get."""
        return str((self.installed_as() or {}).get("python", HERE))

    @property
    def reused(self) -> dict[str, str]:
        """Package → version of what it has from another Python; empty for one that has everything of its own."""
        return dict((self.installed_as() or {}).get("reused", {}))

    @property
    def library_folders(self) -> tuple[Path, ...]:
        """Where what it loads lies: its environment, and the packages that it reuses."""
        return (self.folder, *map(Path, (self.installed_as() or {}).get("reused_folders", ())))

    @property
    def package_roots(self) -> tuple[Path, ...]:
        """The folders that its packages are looked for in, in that order."""
        return (self.site_packages, *map(Path, (self.installed_as() or {}).get("reused_sites", ())))

    @property
    def stamp(self) -> Path:
        """Written last: its existence means that the installation was completed."""
        return self.folder / "engine.json"

    def installed_version(self, distribution: str) -> str | None:
        """Version of an installed package, with its local part (2.13.0+cpu); None if it is not there."""
        found = importlib.metadata.distributions(name=distribution, path=[str(root) for root in self.package_roots])
        return next((each.version for each in found), None)

    @property
    def lock_file(self) -> Path:
        """Held while the environment is installed or removed."""
        return self.folder.parent / f".{self.pin.name}.lock"

    @property
    def is_complete(self) -> bool:
        """Whether it is installed, from the pin's lock, and for this Python or one that a wheelhouse was for."""
        stamp = self.installed_as()
        if stamp is None or stamp.get("lock_sha256") != self.pin.lock_sha256:
            return False
        if stamp.get("python") not in (self.pin.python if stamp.get("wheelhouse") else (HERE,)):
            return False
        if "reused_python" in stamp and source_of().reuse_python not in (None, Path(stamp["reused_python"])):
            return False
        # What it reuses may have been exchanged since; and a virtual environment's interpreter is a link, which dangles
        # once the Python it was made with is gone.
        reused = self.reused.items()
        return all(self.installed_version(name) == version for name, version in reused) and self.python.exists()

    def installed_as(self) -> dict[str, Any] | None:
        """What the stamp says, or None for an installation that is absent or was interrupted."""
        try:
            stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return stamp if isinstance(stamp, dict) else None


@dataclass(frozen=True)
class Engine(Installed):
    """An environment of vLLM."""

    pin: Pin

    @property
    def vllm_dir(self) -> Path:
        """The vllm package."""
        return self.site_packages / "vllm"


def engine_of(pin: Pin, workspace: Workspace | None = None) -> Engine:
    """The place of a pin's environment, installed or not."""
    return Engine(pin, (workspace or Workspace()).engines / pin.name)


def installed_of(build: Build, workspace: Workspace | None = None) -> Installed:
    """The place of any build's environment, installed or not."""
    return Installed(build, (workspace or Workspace()).engines / build.name)


def ensure_engine(pin: Pin, workspace: Workspace | None = None, announce: Announce | None = None) -> Engine:
    """The pin's environment, made first if need be. Raises as ``ensure_installed``."""
    engine = engine_of(pin, workspace)
    ensure_installed(engine, announce)
    return engine


def ensure_installed(engine: Installed, announce: Announce | None = None) -> None:
    """Make the environment if it is absent, interrupted, or made from another lock or Python.

    Raises:
        HarnessError: this Python cannot hold the pin, the folder cannot be written, or the installation failed (the
            reason's last line is quoted).
    """
    pin = engine.pin
    announce = announce or (lambda text: print(text, file=sys.stderr, flush=True))
    source = source_of()
    if source.version not in pin.python:
        raise HarnessError(f"engine {pin.name} needs Python {' or '.join(pin.python)}, this is {source.version}")
    try:
        engine.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(engine.lock_file).acquire(cancel_check=STEPS.are_ended):
            if engine.is_complete:
                return
            _refuse_index(engine, source)
            offline = offline_of(pin, source)
            announce(f"Installing engine {pin.name} into engines/{pin.name}/ ({pin.installed_gb:g} GB, once) …")
            if offline:
                announce(offline.announcement())
            shutil.rmtree(engine.folder, ignore_errors=True)
            if offline:
                _install_offline(engine, offline)
            else:
                _install(engine)
            stamp = {"lock_sha256": pin.lock_sha256, "python": source.version, **(offline.stamp() if offline else {})}
            engine.stamp.write_text(json.dumps(stamp), encoding="utf-8")
    except OSError as error:
        where = error.filename or engine.folder.parent
        raise HarnessError(f"{where}: engines cannot be put there ({error.strerror}); make it writable") from None


def _refuse_index(engine: Installed, source: Source) -> None:
    """Never exchange what came from a wheelhouse for what an index has, unasked. Raises HarnessError."""
    stamp = engine.installed_as() or {}
    if not stamp.get("wheelhouse") or source.wheelhouse:
        return
    reuse = f" --reuse-python {stamp['reused_python']}" if "reused_python" in stamp else ""
    name = engine.pin.name
    raise HarnessError(
        f"engine {name} was installed from a wheelhouse, and {_change(engine)}; "
        f"repeat with --wheelhouse DIR{reuse}, or remove it: python3 harness engines remove {name}"
    )


def _change(engine: Installed) -> str:
    """Why a stamped environment is not complete."""
    stamp = engine.installed_as() or {}
    if stamp.get("lock_sha256") != engine.pin.lock_sha256:
        return "this checkout has another lock"
    if not engine.python.exists():
        return "the Python that it was made with is gone"
    for name, version in engine.reused.items():
        if (found := engine.installed_version(name)) != version:
            return f"{name} {version} of {stamp.get('reused_python')} is now {found or 'gone'}"
    return f"it is for Python {stamp.get('python')}"


def _install_offline(engine: Installed, offline: Offline) -> None:
    pin = engine.pin
    offline.install(engine.folder, lambda command, environment: _run(engine, command, environment))
    if isinstance(pin, Pin) and pin.distribution != "vllm":
        name_distribution(pin, engine.site_packages)
    check_against_lock(pin, engine.site_packages)


def _install(engine: Installed) -> None:
    pin = engine.pin
    _run(engine, [sys.executable, "-m", "venv", str(engine.folder)])
    pip = [str(engine.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run(engine, [*pip, "--no-deps", "--require-hashes", "-r", str(pin.lock)])
    if pin.torch is not None:
        # It is outside the hashed lock: the CPU build has other hashes on every index. Its pure dependencies are in it.
        index = os.environ.get("TORCH_INDEX_URL")
        _run(engine, [*pip, pin.torch, *(["--index-url", index] if index else [])])
    if isinstance(pin, Pin) and pin.distribution != "vllm":
        name_distribution(pin, engine.site_packages)
    check_against_lock(pin, engine.site_packages)


def _run(engine: Installed, command: list[str], environment: Mapping[str, str] | None = None) -> None:
    code, output = STEPS.run(command, environment)
    if code != 0:
        lines = [line for line in output.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise InstallationFailed(engine.pin, lines[-1] if lines else f"exit code {code}")
