"""One offline start, run under the engine's Python: ``worker_start.py REQUEST.json RESULT.json``.

REQUEST: {"engine_args": {…}, "prompt": str}. RESULT: {"ready_ns", "first_token_ns", "token_ids", "output"}, times on
CLOCK_MONOTONIC. Ready is the return of ``LLM()``. The token is generated because some broken starts return from it.
``output``: {"token_ids"} of a longer answer, which tells one set of weights from another; null where there is none.

Spawned children run this file's top level again: it imports nothing but what Python has loaded anyway.
"""

import os
import sys
import time

# Chosen greedily: in a twin of 28 layers any one tensor that is not loaded changed one of 16, not always one of 8.
# Log probabilities would say more, but to rank them vLLM compiles a kernel of its own: 26 s on a CPU, into the caches.
ANSWER_TOKENS = 16


def main(request_path: str, result_path: str) -> None:
    """Start the engine, note the time, generate one token, write the result; then ask for the longer answer."""
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
        "output": None,
    }
    _write(result_path, json.dumps(result))  # the start ends here: this stands, whatever the engine does next
    try:
        how = SamplingParams(max_tokens=ANSWER_TOKENS, temperature=0.0, ignore_eos=True)
        outputs = llm.generate([request["prompt"]], how, use_tqdm=False)
        result["output"] = {"token_ids": [int(token) for token in outputs[0].outputs[0].token_ids]}
        _write(result_path, json.dumps(result))
    except Exception as error:
        print(f"no answer of {ANSWER_TOKENS} tokens: {error!r}", file=sys.stderr)


def _write(path: str, text: str) -> None:
    """At once: half a result must not stand where a whole one stood."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.new", path)


if __name__ == "__main__":
    main(*sys.argv[1:])
