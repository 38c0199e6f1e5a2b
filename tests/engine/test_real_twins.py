"""Every model's twin starts on the real engine. Minutes; the dated result is ``benchmarks/results/*-twins.md``.

``pytest -m slow -s tests/engine/test_real_twins.py`` prints its table. TWINS_DIR=DIR uses the twins that are there and
leaves those that it makes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.engine.model_store import ensure_model
from harness.spec.models import load_models
from harness.spec.pin import DEFAULT_CPU_PIN
from harness.workspace import ROOT

ENGINE_PYTHON = ROOT / "engines" / DEFAULT_CPU_PIN / "bin" / "python"
PROGRAM = Path(__file__).with_name("fork_starts.py")
START_LIMIT_S = 180
MODELS = load_models().models
# vLLM names the class as one that it no longer has: the twin is for older engines.
NOT_IN_THIS_ENGINE = {"mpt-7b": "MPTForCausalLM was supported in vLLM until v0.28.0"}

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(not ENGINE_PYTHON.exists(), reason=f"no engine at {ENGINE_PYTHON.relative_to(ROOT)}"),
]


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each twin's start gave, by model name."""
    scratch = tmp_path_factory.mktemp("starts")
    folder = Path(os.environ.get("TWINS_DIR", scratch / "models"))
    found = {name: ensure_model(name, lambda: ENGINE_PYTHON, folder, synthetic=True).path for name in MODELS}
    environment = os.environ | {"VLLM_CACHE_ROOT": str(scratch / "cache"), "TMPDIR": str(scratch)}
    command = [str(ENGINE_PYTHON), str(PROGRAM), str(START_LIMIT_S), *map(str, found.values())]
    with (scratch / "errors").open("w") as errors:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True, check=True)
    documents = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    results = dict(zip(found, documents, strict=True))
    sys.stdout.write("\n" + "\n".join(row(name, results[name], found[name]) for name in results) + "\n")
    return results


def row(name: str, start: dict[str, Any], folder: Path) -> str:
    """A line of the table of ``benchmarks/results``."""
    config = json.loads((folder / "config.json").read_text())
    model = MODELS[name].config
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    verdict = "yes" if start["started"] else f"no: {start['reason'][:120]}"
    hidden = config.get("hidden_size", config.get("d_model"))
    cells = (name, model.architectures[0], model.layers, model.vocab_size, model.experts or "", hidden, f"{size:.1f}")
    return "| " + " | ".join(map(str, (*cells, start.get("head_size", ""), verdict))) + " |"


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_twin_starts_and_generates(starts: dict[str, dict[str, Any]], name: str):
    start = starts[name]
    if name in NOT_IN_THIS_ENGINE:
        assert NOT_IN_THIS_ENGINE[name] in start["reason"]
    else:
        assert start["reason"] is None
        assert len(start["token_ids"]) == 2


def test_twins_differ_in_what_they_generate(starts: dict[str, dict[str, Any]]):
    tokens = [tuple(start["token_ids"]) for start in starts.values() if start["started"]]
    assert len(set(tokens)) > 0.8 * len(tokens)  # with too small weights, all give the same
