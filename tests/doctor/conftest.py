"""A fresh checkout on a quiet machine without a GPU, as the doctor sees it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.commands.doctor import run_doctor
from harness.doctor import gpu, machine
from harness.engine import detect
from harness.state import quiet, readings
from harness.workspace import ROOT, Workspace
from tests.nvml import no_library


@dataclass(frozen=True)
class Told:
    """What a call of ``doctor --json`` said."""

    code: int
    ok: bool
    checks: dict[str, dict[str, Any]]
    figures: dict[str, dict[str, Any]]
    text: str  # for people

    def fix(self, figure: str = "2") -> str | None:
        """The command that a figure waits for."""
        found: str | None = self.figures[figure]["fix"]
        return found


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The declarations, and nothing else; the machine is quiet and has no GPU."""
    for declaration in ROOT.glob("figures/figure-*/figure.yaml"):
        folder = tmp_path / "figures" / declaration.parent.name
        folder.mkdir(parents=True)
        shutil.copy2(declaration, folder)
    monkeypatch.setattr(machine.quiet, "look_around", lambda *_, **__: quiet.Noise((), {}))
    set_gpus(monkeypatch)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return Workspace(tmp_path)


@pytest.fixture
def ask(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Run the doctor in the checkout."""

    def asked(pin: str | None = None) -> Told:
        capsys.readouterr()
        code = run_doctor(True, pin, workspace)
        said = capsys.readouterr()
        document = json.loads(said.out.splitlines()[-1])
        checks = {each["name"]: each for each in document["checks"]}
        return Told(code, document["ok"], checks, {each["figure"]: each for each in document["figures"]}, said.err)

    return asked


def set_gpus(
    monkeypatch: pytest.MonkeyPatch,
    *names: str,
    memory_gib: int = 80,
    cuda: str = "12.8",
    capability: str | None = "8.9",
) -> None:
    """A driver that knows these GPUs; none: no driver."""
    if not names:
        no_library(monkeypatch)
        return
    known = [{"uuid": f"GPU-{number}", "name": name} for number, name in enumerate(names)]
    versions = {"driver_version": "570.1", "cuda_version": cuda}
    use = readings.GpuUse((), 0, memory_gib * len(names) << 30)
    monkeypatch.setattr(detect, "_listed", lambda: known)
    for module in (detect, gpu):
        monkeypatch.setattr(module, "driver_versions", lambda: versions)
    monkeypatch.setattr(detect, "compute_capability", lambda _: capability)
    monkeypatch.setattr("harness.state.machine.driver_versions", lambda: versions)
    absent = SimpleNamespace(is_complete=False)  # whichever engines this machine has
    monkeypatch.setattr("harness.engine.default_pin.engine_of", lambda _: absent)
    monkeypatch.setattr(readings, "gpu_use", lambda *_: use)
