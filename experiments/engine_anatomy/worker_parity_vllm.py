"""Greedy answers of vLLM with log-probabilities, for the comparison with transformers.

``python -m experiments.engine_anatomy.worker_parity_vllm IN OUT``. IN: {"model": folder, "dtype", "tokens": of an
answer at most, "listed": log-probabilities of a token, "texts": prompts}. OUT: {"vllm", "torch", "transformers":
versions, "chat": whether the tokenizer's chat template was used, "answers": an object for each prompt (ANSWER below)}.

ANSWER: {"prompt": [token ids], "tokens": [n token ids], "ids": [n][listed] token ids, the chosen one first,
"log_p": [n][listed] their natural log-probabilities}.

The engine runs as it is used, in one batch, with prefix caching and chunked prefill; only compilation is left out.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
os.environ["VLLM_LOGGING_LEVEL"] = "ERROR"

import torch
import transformers
import vllm
from vllm import LLM, SamplingParams

from experiments.engine_anatomy.worker_parity_text import encode, end_ids, is_chat, load_tokenizer


def answers(asked: dict[str, Any], prompts: list[list[int]]) -> list[dict[str, Any]]:
    """vLLM's greedy answers to these prompts, in their order."""
    longest = max(map(len, prompts)) + asked["tokens"]
    llm = LLM(
        model=asked["model"],
        dtype=asked["dtype"],
        skip_tokenizer_init=True,
        enforce_eager=True,
        seed=0,
        max_model_len=longest,
    )
    sampling = SamplingParams(  # given, so that the penalties of a generation_config.json are not used
        max_tokens=asked["tokens"],
        temperature=0.0,
        logprobs=asked["listed"],
        detokenize=False,
        ignore_eos=True,  # the same rule for both sides instead: these ids end an answer
        stop_token_ids=end_ids(Path(asked["model"])),
    )
    done = llm.generate([{"prompt_token_ids": each} for each in prompts], sampling, use_tqdm=False)
    return [_answer(each) for each in done]


def _answer(done: Any) -> dict[str, Any]:
    (completion,) = done.outputs
    tokens = list(completion.token_ids)
    ids, log_p = [], []
    for token, listed in zip(tokens, completion.logprobs, strict=True):
        # With equal log-probabilities the chosen one need not be the first of the listed.
        others = sorted((each for each in listed if each != token), key=lambda each: listed[each].rank)
        ids.append([token, *others])
        log_p.append([listed[each].logprob for each in ids[-1]])
    # The chosen one is among the listed, or one more where something equal was listed in its place.
    width = min(map(len, ids))
    return {
        "prompt": list(done.prompt_token_ids),
        "tokens": tokens,
        "ids": [each[:width] for each in ids],
        "log_p": [each[:width] for each in log_p],
    }


def main(request_path: str, result_path: str) -> None:
    """Answer what is asked, then write the result."""
    asked = json.loads(Path(request_path).read_text(encoding="utf-8"))
    tokenizer = load_tokenizer(Path(asked["model"]))
    prompts = [encode(tokenizer, text) for text in asked["texts"]]
    result = {
        "vllm": vllm.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "chat": is_chat(tokenizer),
        "answers": answers(asked, prompts),
    }
    Path(f"{result_path}.new").write_text(json.dumps(result), encoding="utf-8")
    os.replace(f"{result_path}.new", result_path)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # the engine is not taken down: seconds, for nothing
