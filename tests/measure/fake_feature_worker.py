"""What stands in for worker_feature.py in tests: no engine; ``arguments.mode`` says how it goes.

Answers are the prompt's first tokens + 1, so that all cases agree, and the runner-up is the token + 1; mode ``apart``
takes it as the third token of the first answer, where the gap is 0.5, and of the second, where it is 1e-4; mode
``drifting`` changes the last answer with every run. Drafts have three tokens, every fifth one two.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

REFUSAL = """(Worker_PP1 pid=7) ERROR 11-29 23:23:29 [executor.py:1]     assert self.intermediate is not None
(Worker_PP1 pid=7) ERROR 11-29 23:23:29 [executor.py:1]            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
(Worker_PP1 pid=7) ERROR 11-29 23:23:29 [executor.py:1] AssertionError
KeyError: '0-8fa01a19'"""


def answer(prompt: list[int], tokens: int, told: bool, apart: bool, close: bool, off: float) -> dict[str, Any]:
    found = [prompt[at % len(prompt)] + 1 for at in range(tokens)]
    gaps = [0.5] * tokens
    runners_up = [token + 1 for token in found]
    if close:
        gaps[2] = 1e-4
    if apart:
        found[2] += 1
    if not told:
        return {"tokens": found, "nll": None, "gaps": None, "runners_up": None}
    return {"tokens": found, "nll": [1.0 + off] * tokens, "gaps": gaps, "runners_up": runners_up}


def a_pass(prompts: list[list[int]], asked: dict[str, Any]) -> dict[str, Any]:
    drafting = "speculative_config" in asked["arguments"]
    drafts = 100 * drafting
    return {
        "wall_s": asked["arguments"].get("wall_s", 2.0),
        "cpu_s": asked["arguments"].get("wall_s", 2.0) + 0.5,
        "spin_s": 0.5,
        "steps": 10,
        "step_tokens": 300,
        "drafts": drafts,
        "draft_tokens": 3 * drafts - 20 * drafting,
        "accepted_tokens": 150 * drafting,
        "accepted_by_position": [80, 50, 20] if drafting else [],
        "drafted_by_position": [100, 100, 80] if drafting else [],
        "prefix_queries": 200,
        "prefix_hits": 50,
        "same_as_first": len(prompts),
    }


def main(request_path: str, result_path: str) -> None:
    asked, result = json.loads(Path(request_path).read_text()), Path(result_path)
    mode = asked["arguments"].get("mode", "")
    if mode == "refuse":
        print(REFUSAL)
        sys.exit(1)
    if mode == "private":
        print("Traceback (most recent call last):\nRuntimeError: /home/somebody/weights.bin on machine-of-mine")
        sys.exit(1)
    (result.parent / "started").touch()
    if mode == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "hang":
        time.sleep(60)
    prompts = asked["prompts"]
    lines = [
        answer(
            prompt,
            asked["output_tokens"],
            at < asked["told"],
            mode == "apart" and at < 2,
            at == 1,
            asked["arguments"].get("off", 0.0),
        )
        for at, prompt in enumerate(prompts)
    ]
    if mode == "drifting":
        lines[-1]["tokens"][-1] = os.getpid()
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (result.parent / "outputs.jsonl").write_text(text[: len(text) // 2] if mode == "torn" else text)
    measured = {
        "vllm": "0",
        "start_s": 1.0,
        "configured": {},
        "made_pipeline_buffers": False,
        "passes": [a_pass(prompts, asked) for _ in range(asked["passes"])],
    }
    result.write_text(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
