"""Where somebody types ``python3 harness predict``, and starts that were measured there."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.cli import predict as cli_predict
from harness.record.slot import write_slot
from harness.record.store import CaseStore
from harness.spec.models import find_model
from harness.workspace import Workspace
from tests.checkout import Call, Done
from tests.storage_slot import storage_slot
from tests.synthetic_run import NODE, make_run, put

MODELS = ("llama3-3b", "qwen-4b", "yi-9b", "qwen-0.5b", "falcon-11b")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A checkout with the paper's recorded starts and without any of its own."""
    for figure in ("2", "7", "10", "11", "13", "15", "17"):
        folder = tmp_path / "figures" / f"figure-{figure}"
        folder.mkdir(parents=True)
        (folder / "figure.yaml").write_text("")
        source = Workspace().figure(figure) / "paper.csv"
        (folder / "paper.csv").write_bytes(source.read_bytes())
    return Workspace(tmp_path)


@pytest.fixture
def call(workspace: Workspace, typed: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setattr(cli_predict, "Workspace", lambda: workspace)
    return partial(typed, "predict")


def document(done: Done) -> dict[str, Any]:
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return found


def measured_store(workspace: Workspace, models: tuple[str, ...] = MODELS) -> None:
    """Twins measured on a node: imports take 9 s, layers 0.1 s each, bytes go at 1 GB/s."""
    for model in models:
        layers = find_model(model).config.layers
        size = layers * 10_000_000
        phases = {
            "imports:main": 9.0,
            "load_weights": 0.05 + size / 1e9,
            "dynamo_transform_time": 1 + 0.1 * layers,
            "graph_compile_cached": 0.05 * layers,
            "unattributed": 0.02,
        }
        facts = {"name": model, "twin": True, "tensor_bytes": size, "tokenizer_bytes": 3_000_000}
        store = CaseStore.of(workspace.runs, NODE["id"], "cold_start", f"{model}-1a2b3c4d")
        runs = [make_run(str(number), model=facts, **taking(phases)) for number in (1, 2)]
        put(store, make_run("warmup-0", model=facts, **taking({**phases, "inductor_codegen": 0.5 * layers})), *runs)


def taking(phases: dict[str, float]) -> dict[str, Any]:
    """What a run.json says of a start with these phases, all in its main process."""
    total = sum(phases.values())
    window = {"pid": 7, "exec_ns": 0, "ready_ns": round(total * 1e9)}
    by_process = {"main": phases}
    rest = phases.get("unattributed", 0.0)
    return {
        "phases": phases,
        "phases_by_process": by_process,
        "ready_s": total,
        "wall_s": total + 1,
        "window": window,
        "unattributed_s": rest,
    }


def slots_of(workspace: Workspace, *levels: str, disk: float | None = None) -> None:
    for number, level in enumerate(levels):
        rows, manifest = storage_slot(
            f"case{number}", level, MODELS[:3], rate=4e9 if level == "ram" else 0.8e9, disk=disk
        )
        write_slot(workspace.figure("13") / f"case{number}", rows, manifest)
