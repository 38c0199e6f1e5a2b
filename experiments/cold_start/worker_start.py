"""One offline start, run under the engine's Python: ``worker_start.py REQUEST.json RESULT.json``.

REQUEST: {"engine_args": {…}, "prompt": str}. RESULT: {"ready_ns", "first_token_ns", "token_ids"}, times on
CLOCK_MONOTONIC. Ready is the return of ``LLM()``. The token is generated because some broken starts return from it.

Spawned children run this file's top level again: it imports nothing but what Python has loaded anyway.
"""

import sys
import time


def main(request_path: str, result_path: str) -> None:
    """Start the engine, note the time, generate one token, write the result."""
    import json

    with open(request_path, encoding="utf-8") as file:
        request = json.load(file)

    from vllm import LLM

    llm = LLM(**request["engine_args"])
    ready_ns = time.monotonic_ns()

    from vllm import SamplingParams

    outputs = llm.generate([request["prompt"]], SamplingParams(max_tokens=1, temperature=0.0), use_tqdm=False)
    token_ids = list(outputs[0].outputs[0].token_ids)
    result = {
        "ready_ns": ready_ns,
        "first_token_ns": time.monotonic_ns(),
        "token_ids": token_ids,
    }
    with open(result_path, "w", encoding="utf-8") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
