"""Real engines beside each other on the same random weights: their greedy tokens are the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.engine.environment import engine_of, installed_of
from harness.spec.pin import DEFAULT_CPU_PIN, comparison_names, load_comparison, load_pin
from harness.workspace import ROOT


@pytest.mark.slow
def test_vllm_llama_cpp_and_transformers_say_the_same_and_a_dead_target_is_a_gap(tmp_path: Path) -> None:
    places = [installed_of(load_comparison(name)) for name in comparison_names()]
    if not all(place.is_complete for place in (*places, engine_of(load_pin(DEFAULT_CPU_PIN)))):
        pytest.skip("an engine is not installed: python3 harness engines install --pin NAME")
    command = [sys.executable, "-m", "harness", "engines", "--serve", "vllm,llama.cpp,transformers", "--eager"]
    command += [
        "--target",
        "dead=http://127.0.0.1:9",
        "--concurrency",
        "1,4",
        "--num-prompts",
        "8",
        "--iterations",
        "1",
    ]
    command += ["--output-tokens", "24", "--prompt-words", "20", "--again", "--out", str(tmp_path / "out"), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert set(told["gaps"]) == {"dead"}
    # Texts come from batches, where a near tie may fall otherwise; one at a time, token for token, nothing may differ.
    by_ids = [each for each in told["agreements"] if each["what"] == "token ids"]
    assert [(each["target"], each["compared"], each["identical"]) for each in by_ids] == [("llama.cpp", 8, 8)]
    assert all(each["identical"] >= 0.9 * each["compared"] for each in told["agreements"])
    completed = {
        (row["target"], row["concurrency"]): row["value"] for row in told["rows"] if row["metric"] == "completed"
    }
    assert completed == {(name, at): 8.0 for name in ("vllm", "llama.cpp", "transformers") for at in (1, 4)}
