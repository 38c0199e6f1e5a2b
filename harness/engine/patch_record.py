"""``coldstart_tracer/installed.json``: what is installed in an engine, written last and read before anything else."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from harness.engine.hook_check import GoneHook

PACKAGE = "coldstart_tracer"
RECORD = f"{PACKAGE}/installed.json"


class MovedHook(BaseModel):
    """A hook that is set where its function is now."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    module: str  # as the pin's table says
    name: str
    to: str  # module that defines it in this vllm

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.module}:{self.name}: now in {self.to}"


class HooksOnly(BaseModel):
    """How a pin's hook table fitted a vllm that it was not written for."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    vllm_version: str
    device: Literal["cpu", "cuda"]
    hooks: int  # in the pin's table
    moved: tuple[MovedHook, ...]
    gone: tuple[GoneHook, ...]
    absent: tuple[GoneHook, ...]  # not there, which the table expects in some builds

    @property
    def resolved(self) -> int:
        """Hooks that are set, moved ones included."""
        return self.hooks - len(self.gone) - len(self.absent)


class Installed(BaseModel):
    """What one version of a patch set put into an engine, and how to take it back."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    pin: str
    patches_sha256: str
    pristine: dict[str, str]  # path → sha256 of a patched file before patching
    files: dict[str, str]  # path → sha256 as installed: patched and added files
    diffs: dict[str, str]  # file name → text
    hooks_only: HooksOnly | None = None

    @property
    def mode(self) -> Literal["pinned", "hooks-only"]:
        """Whether this is a pin's full patch set."""
        return "pinned" if self.hooks_only is None else "hooks-only"

    def as_bytes(self) -> bytes:
        """The file's content."""
        left_out = {"hooks_only"} if self.hooks_only is None else None
        return (self.model_dump_json(indent=1, exclude=left_out) + "\n").encode()


def read_record(site: Path) -> Installed | None:
    """What is installed in ``site`` (the site-packages folder); None if nothing is, or its writer died before the end.

    Raises:
        ValueError: the record is damaged.
    """
    try:
        data = (site / RECORD).read_bytes()
    except FileNotFoundError:
        return None
    return Installed.model_validate_json(data)
