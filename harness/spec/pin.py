"""A pin: one exact engine build, with its lock, its patch set and the environment it is run in.

A *release* is a pin without a patch set (``patches/releases/<name>/``): it is started as it was published, never
patched and never traced, so that a start of it is known only by its length and its log. A *serving* pin
(``patches/serving/<name>/``) is a release together with what serves it on several replicas. A *comparison* build
(``patches/comparison/<name>/``) is another engine than vLLM, to be compared with it.
"""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import HarnessError
from harness.spec.yamlfile import load_yaml

PATCHES = Path(__file__).resolve().parents[2] / "patches"
DEFAULT_CPU_PIN = "vllm-0.32.0-cpu"
DEFAULT_CUDA_PIN = "vllm-0.10.1.1-cuda"
_UNPATCHED = ("releases", "serving", "comparison")


class PatchedFile(BaseModel):
    """A file of the engine that the patch set changes, by content before and after."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    pristine_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    patched_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Build(BaseModel):
    """What an environment is made from, whichever engine it is of."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    distribution: str  # the wheel's name on the index
    version: str  # its version
    device: Literal["cpu", "cuda"]
    python: tuple[str, ...]  # minor versions it installs on, e.g. 3.11
    torch: str | None  # requirement, installed after the lock: its build depends on the index (TORCH_INDEX_URL)
    environment: dict[str, str]  # variables every run of this pin gets
    also: tuple[str, ...] = ()  # requirements beside the engine's own; the lock holds what they resolve to
    installed_gb: float = Field(default=10.0, gt=0, allow_inf_nan=False)  # what its environment takes on disk, about

    @property
    def folder(self) -> Path:
        """Where it is declared."""
        return _folder(self.name)

    @property
    def lock(self) -> Path:
        """The fully pinned requirement lock, with hashes."""
        return self.folder / "requirements.lock"

    @property
    def lock_sha256(self) -> str:
        """Identity of the installed packages: the lock and the separately pinned torch."""
        return hashlib.sha256(self.lock.read_bytes() + (self.torch or "").encode()).hexdigest()


class Pin(Build):
    """``patches/<name>/pin.yaml``, or ``patches/releases/<name>/pin.yaml``."""

    vllm_version: str  # what vllm/_version.py says
    torch: str
    cuda: str | None = Field(None, pattern=r"^[0-9]+\.[0-9]+$")  # of its torch; a driver of this major version runs it
    # oldest and newest compute capability of a GPU that its torch has kernels for, e.g. 7.5 and 12.0
    compute_capability: tuple[str, str] | None = None
    # engine argument of the paper's release → this one's, where it has another name (harness/spec/arguments.py)
    spells: dict[str, str] = {}
    lacks: dict[str, str] = {}  # phase, or argument=value, that this engine does not have → why, in a few words
    files: dict[str, PatchedFile]  # path relative to the folder that holds vllm/ → content
    on_request: bool = False  # of a release: figures over all versions leave it out until it is named

    @property
    def traced(self) -> bool:
        """Whether it has a hook table: an engine without one is a release, started as it was published."""
        return self.hooks.is_file()

    @property
    def hooks(self) -> Path:
        """The hook table."""
        return self.folder / "hooks.toml"

    @property
    def serving(self) -> Path:
        """The hook table of serving; figure ``anatomy`` needs it."""
        return self.folder / "serving.toml"

    @property
    def diffs(self) -> list[Path]:
        """The pin's unified diffs, in the order in which they apply."""
        return sorted(self.folder.glob("*.patch"))


class Comparison(Build):
    """``patches/comparison/<name>/pin.yaml``: another engine with an OpenAI-compatible server."""

    serves: str  # which engine it is: a kind of ``harness.measure.served_engines``
    torch: str | None = None


def pin_names() -> list[str]:
    """Every pin that has a patch set."""
    return sorted(path.parent.name for path in PATCHES.glob("*/pin.yaml"))


def release_names() -> list[str]:
    """Every unpatched release that is declared."""
    return sorted(path.parent.name for path in PATCHES.glob("releases/*/pin.yaml"))


def serving_names() -> list[str]:
    """Every pin that serves several replicas."""
    return sorted(path.parent.name for path in PATCHES.glob("serving/*/pin.yaml"))


def comparison_names() -> list[str]:
    """Every build of another engine."""
    return sorted(path.parent.name for path in PATCHES.glob("comparison/*/pin.yaml"))


def load_comparison(name: str) -> Comparison:
    """Read the ``pin.yaml`` of another engine's build.

    Raises:
        HarnessError: no such build (lists the known ones), or a bad field.
    """
    if name not in comparison_names():
        raise HarnessError(f"unknown engine to compare with '{name}'; known: {', '.join(comparison_names())}")
    path = _folder(name) / "pin.yaml"
    build = load_yaml(path, Comparison)
    if build.name != name:
        where = path.relative_to(PATCHES.parent)
        raise HarnessError(f"{where}: field 'name' is '{build.name}'; it must equal its folder '{name}'")
    return build


def load_build(name: str) -> Build:
    """Any declared build. Raises HarnessError: no such build, or a bad field."""
    return load_comparison(name) if name in comparison_names() else load_pin(name)


def load_pin(name: str) -> Pin:
    """Read the ``pin.yaml`` of a pin, a release or a serving pin.

    Raises:
        HarnessError: no such pin (lists the known ones), or a bad field.
    """
    if name not in pin_names() + release_names() + serving_names():
        others = {"releases": release_names(), "serving": serving_names()}
        rest = "".join(f"; {kind}: {', '.join(names)}" for kind, names in others.items() if names)
        raise HarnessError(f"unknown engine pin '{name}'; known: {', '.join(pin_names())}{rest}")
    path = _folder(name) / "pin.yaml"
    pin = load_yaml(path, Pin)
    where = path.relative_to(PATCHES.parent)
    if pin.name != name:
        raise HarnessError(f"{where}: field 'name' is '{pin.name}'; it must equal its folder '{name}'")
    if pin.files and name not in pin_names():
        raise HarnessError(f"{where}: a release has no patched files; a pin with patches belongs into patches/{name}/")
    return pin


def _folder(name: str) -> Path:
    unpatched = [PATCHES / kind / name for kind in _UNPATCHED]
    return next((folder for folder in unpatched if (folder / "pin.yaml").is_file()), PATCHES / name)
