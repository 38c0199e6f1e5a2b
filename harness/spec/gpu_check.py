"""What the check of a machine with a GPU measures: ``experiments/gpu_check/check.yaml``."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from harness.spec.yamlfile import load_yaml
from harness.workspace import ROOT

CHECK_YAML = ROOT / "experiments" / "gpu_check" / "check.yaml"
_STRICT = ConfigDict(extra="forbid", frozen=True)


class FigureStage(BaseModel):
    """Starts of one slot of a figure, fewer than the figure declares."""

    model_config = _STRICT
    figure: str
    models: tuple[str, ...] = Field(min_length=1)
    iterations: int = Field(ge=1)  # measured starts per case
    slot: int | None = None
    smoke: bool = False  # the settings of the figure's smoke


class StorageStage(BaseModel):
    """The same starts with weights in memory and on the disk. ``scale``: a twin's bytes, of the original's."""

    model_config = _STRICT
    ram: FigureStage
    ssd: FigureStage
    scale: float = Field(gt=0, le=1)


class Transfers(BaseModel):
    """Copies from memory to the GPU that are timed outside of any engine."""

    model_config = _STRICT
    mib: tuple[int, ...] = Field(min_length=1)
    repeats: int = Field(ge=1)


class Targets(BaseModel):
    """What the numbers are held against."""

    model_config = _STRICT
    unattributed_s: float = Field(gt=0)  # of a start at most, or ``unattributed_share`` of it, whichever is more
    unattributed_share: float = Field(gt=0, lt=1)
    hook_share: float = Field(gt=0, lt=1)
    capture_r2: float = Field(gt=0, le=1)
    load_share: float = Field(gt=0, le=1)


class GpuCheck(BaseModel):
    """All stages."""

    model_config = _STRICT
    figure2: FigureStage
    figure8: FigureStage
    figure9: FigureStage
    storage: StorageStage
    transfers: Transfers
    targets: Targets


def load_gpu_check(path: Path = CHECK_YAML) -> GpuCheck:
    """Read the declaration. Raises HarnessError: a field that does not fit; names file, line and field."""
    return load_yaml(path, GpuCheck)
