"""Engine environments: ``engines/<pin>/``, a virtual environment that holds exactly what the pin's lock names."""

import importlib.metadata
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from harness.engine.steps import STEPS
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
        """Where its packages lie."""
        return self.folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"

    @property
    def stamp(self) -> Path:
        """Written last: its existence means that the installation was completed."""
        return self.folder / "engine.json"

    def installed_version(self, distribution: str) -> str | None:
        """Version of an installed package, with its local part (2.13.0+cpu); None if it is not there."""
        found = importlib.metadata.distributions(name=distribution, path=[str(self.site_packages)])
        return next((each.version for each in found), None)

    @property
    def lock_file(self) -> Path:
        """Held while the environment is installed or removed."""
        return self.folder.parent / f".{self.pin.name}.lock"

    @property
    def is_complete(self) -> bool:
        """Whether it is installed, from the pin's lock and for this Python."""
        # A virtual environment's interpreter is a link: it dangles once the Python it was made with is gone.
        return self.installed_as() == _wanted(self.pin) and self.python.exists()

    def installed_as(self) -> dict[str, str] | None:
        """What the stamp says, or None for an installation that is absent or was interrupted."""
        try:
            stamp: dict[str, str] = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return stamp


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
    wanted = _wanted(pin)
    if wanted["python"] not in pin.python:
        raise HarnessError(f"engine {pin.name} needs Python {' or '.join(pin.python)}, this is {wanted['python']}")
    try:
        engine.folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(engine.lock_file).acquire(cancel_check=STEPS.are_ended):
            if engine.is_complete:
                return
            announce(f"Installing engine {pin.name} into engines/{pin.name}/ ({pin.installed_gb:g} GB, once) …")
            shutil.rmtree(engine.folder, ignore_errors=True)
            _install(engine)
            engine.stamp.write_text(json.dumps(wanted), encoding="utf-8")
    except OSError as error:
        where = error.filename or engine.folder.parent
        raise HarnessError(f"{where}: engines cannot be put there ({error.strerror}); make it writable") from None


def _wanted(pin: Build) -> dict[str, str]:
    """What the stamp of a complete environment says."""
    return {"lock_sha256": pin.lock_sha256, "python": f"{sys.version_info.major}.{sys.version_info.minor}"}


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
        _name_distribution(engine, pin)
    _check_against_lock(engine)


def _check_against_lock(engine: Installed) -> None:
    """Installing torch resolves its dependencies: it must not have replaced a package that the lock fixes."""
    locked: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", engine.pin.lock.read_text("utf-8"), re.MULTILINE
    ):
        locked.setdefault(_normal(name), set()).add(version)  # one version per environment marker
    for found in importlib.metadata.distributions(path=[str(engine.site_packages)]):
        versions = locked.get(_normal(found.name))
        if versions and found.version not in versions:
            locked_as = "/".join(sorted(versions))
            raise HarnessError(
                f"engine {engine.pin.name}: installing {engine.pin.torch} replaced {found.name} {locked_as} of the "
                f"lock by {found.version}; point TORCH_INDEX_URL at an index whose torch fits the lock"
            )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _name_distribution(engine: Installed, pin: Pin) -> None:
    """vLLM asks importlib.metadata for a distribution called vllm; CPU wheels are called otherwise."""
    version = f"{pin.vllm_version}+{pin.device}"
    folder = engine.site_packages / f"vllm-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n", encoding="utf-8")
    (folder / "INSTALLER").write_text("harness\n", encoding="utf-8")


def _run(engine: Installed, command: list[str]) -> None:
    code, output = STEPS.run(command)
    if code != 0:
        lines = [line for line in output.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise InstallationFailed(engine.pin, lines[-1] if lines else f"exit code {code}")
