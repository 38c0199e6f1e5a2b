"""The worker that times copies to a device really runs under an engine's Python; here the device is memory itself."""

from pathlib import Path

import pytest

from harness.measure.h2d import stored_transfers, transfers_of
from harness.spec.gpu_check import Transfers
from tests.engine.conftest import RealEngine

pytestmark = pytest.mark.engine
MIB = 1 << 20


def test_copies_of_every_size_are_timed_and_stored_once(real_engine: RealEngine, tmp_path: Path) -> None:
    engine = real_engine.engine
    checkpoint = tmp_path / "model.safetensors"
    checkpoint.write_bytes(bytes(2 * MIB))
    asked = Transfers(mib=(1, 4), repeats=3)
    made = transfers_of(engine, asked, checkpoint, "node-test", tmp_path / "runs")
    counted = [(copy.memory, copy.bytes // MIB) for copy in made.copies]
    assert {each: counted.count(each) for each in counted} == {("pageable", 1): 3, ("pageable", 4): 3, ("mapped", 1): 3}
    assert made.device == "cpu"
    assert transfers_of(engine, asked, checkpoint, "node-test", tmp_path / "runs") == made  # not measured again
    assert stored_transfers(tmp_path / "runs", "node-test", engine.pin.name) == made
    assert stored_transfers(tmp_path / "runs", "node-test", "another-pin") is None
