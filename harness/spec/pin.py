"""A pin: one exact engine build, with its lock, its patch set and the environment it is run in."""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import HarnessError
from harness.spec.yamlfile import load_yaml

PATCHES = Path(__file__).resolve().parents[2] / "patches"
DEFAULT_CPU_PIN = "vllm-0.32.0-cpu"
DEFAULT_CUDA_PIN = "vllm-0.10.1.1-cuda"


class PatchedFile(BaseModel):
    """A file of the engine that the patch set changes, by content before and after."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    pristine_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    patched_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Pin(BaseModel):
    """``patches/<name>/pin.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    distribution: str  # the wheel's name on the index
    version: str  # its version
    vllm_version: str  # what vllm/_version.py says
    device: Literal["cpu", "cuda"]
    python: tuple[str, ...]  # minor versions it installs on, e.g. 3.11
    torch: str  # requirement, installed after the lock: its build depends on the index (TORCH_INDEX_URL)
    environment: dict[str, str]  # variables every run of this pin gets
    lacks: dict[str, str] = {}  # phase, or argument=value, that this engine does not have → why, in a few words
    files: dict[str, PatchedFile]  # path relative to the folder that holds vllm/ → content

    @property
    def folder(self) -> Path:
        """Where the pin is declared."""
        return PATCHES / self.name

    @property
    def lock(self) -> Path:
        """The fully pinned requirement lock, with hashes."""
        return self.folder / "requirements.lock"

    @property
    def hooks(self) -> Path:
        """The hook table."""
        return self.folder / "hooks.toml"

    @property
    def diffs(self) -> list[Path]:
        """The pin's unified diffs, in the order in which they apply."""
        return sorted(self.folder.glob("*.patch"))

    @property
    def lock_sha256(self) -> str:
        """Identity of the installed packages: the lock and the separately pinned torch."""
        return hashlib.sha256(self.lock.read_bytes() + self.torch.encode()).hexdigest()


def pin_names() -> list[str]:
    """Every pin that has a folder."""
    return sorted(path.parent.name for path in PATCHES.glob("*/pin.yaml"))


def load_pin(name: str) -> Pin:
    """Read ``patches/<name>/pin.yaml``.

    Raises:
        HarnessError: no such pin (lists the known ones), or a bad field.
    """
    if name not in pin_names():
        raise HarnessError(f"unknown engine pin '{name}'; known: {', '.join(pin_names())}")
    pin = load_yaml(PATCHES / name / "pin.yaml", Pin)
    if pin.name != name:
        raise HarnessError(f"patches/{name}/pin.yaml: field 'name' is '{pin.name}'; it must equal its folder '{name}'")
    return pin
