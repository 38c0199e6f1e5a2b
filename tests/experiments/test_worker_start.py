"""What the worker of an offline start writes, with a ``vllm`` that is one small module."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments.cold_start import study

WORKER = study.FOLDER / "worker_start.py"
VLLM = """\
import json, os, time

class SamplingParams:
    def __init__(self, max_tokens, temperature, **more):
        {sampling}
        self.max_tokens = max_tokens

class LLM:
    def __init__(self, **arguments):
        self.asked = 0
        self.made_ns = time.monotonic_ns()

    def generate(self, prompts, params, use_tqdm):
        self.asked += 1
        if self.asked == 2:
            with open(os.environ["NOTES"], "w") as file:
                json.dump({{"asked_ns": time.monotonic_ns(), "result": open(os.environ["RESULT"]).read()}}, file)
            {second}
        answer = type("Answer", (), {{"token_ids": tuple(range(7, 7 + params.max_tokens))}})
        return [type("Request", (), {{"outputs": [answer]}})]
"""


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Run the worker once; ``second``: what the engine does when it is asked again."""

    def run(second: str = "pass", sampling: str = "pass") -> tuple[subprocess.CompletedProcess[str], Any, Any]:
        (tmp_path / "vllm.py").write_text(VLLM.format(second=second, sampling=sampling))
        request, result, notes = (tmp_path / name for name in ("request.json", "result.json", "notes.json"))
        request.write_text(json.dumps(study.request(Path("/models/tiny"), {}, eager=True)))
        environment = {"PYTHONPATH": str(tmp_path), "NOTES": str(notes), "RESULT": str(result)}
        command = study.offline_command(Path(sys.executable), request, result)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
        noted = json.loads(notes.read_text()) if notes.exists() else None
        return done, json.loads(result.read_text()), noted

    return run


def test_the_answer_is_sixteen_tokens_and_no_part_of_the_start(start: Any) -> None:
    done, result, noted = start()
    assert (done.returncode, done.stderr) == (0, "")
    assert result["token_ids"] == [7]
    assert result["output"] == {"token_ids": list(range(7, 23))}
    assert result["ready_ns"] < result["first_token_ns"] < noted["asked_ns"]


def test_the_result_of_the_start_stands_before_the_engine_is_asked_again(start: Any) -> None:
    _, result, noted = start()
    assert json.loads(noted["result"]) == {**result, "output": None}


@pytest.mark.parametrize(
    "trouble",
    [
        {"second": "raise RuntimeError('EngineDeadError')"},
        {"second": "return []"},
        {"second": "params.max_tokens = None"},
        {"sampling": "if more: raise TypeError('unexpected keyword ignore_eos')"},  # an old release
    ],
)
def test_an_engine_that_does_not_answer_again_has_started_all_the_same(start: Any, trouble: dict[str, str]) -> None:
    done, result, _ = start(**trouble)
    assert done.returncode == 0
    assert result["token_ids"] == [7]
    assert result["output"] is None
    assert done.stderr.startswith("no answer of 16 tokens: ")  # into the engine's log


def test_an_engine_that_takes_the_process_along_leaves_the_result_of_its_start(start: Any) -> None:
    done, result, noted = start(second="os.kill(os.getpid(), 9)")
    assert done.returncode == -9
    assert result == json.loads(noted["result"])


def test_a_spawned_child_imports_nothing_for_the_workers_top_level(tmp_path: Path) -> None:
    code = (
        f"import os, sys; before = set(sys.modules); sys.path.insert(0, {str(WORKER.parent)!r}); import worker_start; "
    )
    code += "print(sorted(set(sys.modules) - before))"
    # -S: what a site hook of this environment has loaded must not hide an import; os is there in every Python.
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "['worker_start']"
