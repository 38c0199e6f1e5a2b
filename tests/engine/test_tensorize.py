import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors_bytes import safetensors

from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.engine.tensorize import tensorize
from harness.errors import HarnessError
from harness.spec.pin import DEFAULT_CUDA_PIN, load_pin

# Stands for the engine's Python: called as `python -m WORKER MODEL TARGET`.
FAKE_PYTHON = """\
import os, sys
print("Traceback", file=sys.stderr)
open(sys.argv[4], "w").write("half" if os.environ.get("FAIL") else "tensors of " + sys.argv[3])
sys.exit("RuntimeError: CUDA out of memory" if os.environ.get("FAIL") else 0)
"""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = Engine(load_pin(DEFAULT_CUDA_PIN), tmp_path / "engine")
    made.python.parent.mkdir(parents=True)
    made.python.write_text(f"#!{sys.executable} -S\n{FAKE_PYTHON}")
    made.python.chmod(0o755)
    return made


@pytest.fixture
def model(tmp_path: Path) -> ModelFiles:
    folder = tmp_path / "models" / "tiny-twin"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(safetensors({"a": ("BF16", [2])}))
    return ModelFiles(folder, "tiny", twin=True, revision=None, files_sha256="a" * 64)


def test_a_tensorized_model_lies_beside_its_source_and_is_made_again_only_for_other_files(
    engine: Engine, model: ModelFiles
):
    said: list[str] = []
    folder = tensorize(model, engine, said.append)
    assert folder == model.path.with_name("tiny-twin-tensorized")
    assert sorted(os.listdir(folder)) == ["config.json", "model.tensors", "tensorized.json"]
    assert (folder / "model.tensors").read_text() == f"tensors of {model.path}"
    assert tensorize(model, engine, said.append) == folder
    assert len(said) == 1
    tensorize(replace(model, files_sha256="b" * 64), engine, said.append)
    assert len(said) == 2


def test_a_failed_tensorizing_leaves_nothing_and_quotes_the_reason(
    engine: Engine, model: ModelFiles, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FAIL", "1")
    with pytest.raises(HarnessError, match="CUDA out of memory"):
        tensorize(model, engine, lambda _: None)
    assert [path for path in model.path.parent.iterdir() if path.is_dir()] == [model.path]


def test_a_tensorized_model_changed_by_hand_is_refused(engine: Engine, model: ModelFiles):
    folder = tensorize(model, engine, lambda _: None)
    (folder / "config.json").write_text("[]")
    with pytest.raises(HarnessError, match=r"config\.json was changed by hand"):
        tensorize(model, engine, lambda _: None)
