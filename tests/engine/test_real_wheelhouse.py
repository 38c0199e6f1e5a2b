"""The default CPU engine from a wheelhouse: built with an index, cut, joined, and installed without one (slow)."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.engine.environment import ensure_engine
from harness.engine.wheel_build import Asked, build_wheelhouse
from harness.engine.wheel_lock import Target
from harness.record.pieces import join
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.workspace import Workspace


@pytest.mark.slow
def test_the_default_engine_comes_from_pieces_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = load_pin(DEFAULT_CPU_PIN)
    target = Target(f"{sys.version_info.major}.{sys.version_info.minor}", "manylinux_2_28_x86_64")
    build_wheelhouse(Asked(pin, target, tmp_path / "pieces", split_bytes=60_000_000), print)
    assert join([tmp_path / "pieces"], tmp_path / "wheelhouse").complete
    monkeypatch.setenv("HARNESS_WHEELHOUSE", str(tmp_path / "wheelhouse"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    engine = ensure_engine(pin, Workspace(tmp_path), print)
    command = [str(engine.python), "-c", "import vllm; print(vllm.__version__)"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.splitlines()[-1].startswith(pin.vllm_version)
