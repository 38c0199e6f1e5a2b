"""What transformers says of vLLM's answers, position by position on the same prefix, in two precisions.

``python -m experiments.engine_anatomy.worker_parity_reference IN OUT``. IN: {"model": folder, "dtype", "exact": the
dtype of the more exact computation, "device", "tokens": of an answer at most, "grows": whether texts are wanted beyond
where they part, "answers": those of worker_parity_vllm}.
OUT: {"references": an object for each answer (REFERENCE below)}.

REFERENCE: {"best": [n][2] token ids with the highest log-probability, "best_log_p": [n][2], "log_p": [n][listed] of the
tokens that vLLM listed, "exact": [n][listed] the same from the same weights (those of ``dtype``) computed in ``exact``,
"tokens": transformers' own greedy answer, "texts": [vLLM's answer, transformers' answer]}.

A greedy answer is the chain of most likely tokens, so transformers' own one is vLLM's up to the first position where
its most likely token is another, and is generated from there (without ``grows``, ends there). An end token ends it,
also where vLLM's goes on. Of a model's generation_config.json only the end tokens are used: a repetition penalty or a
suppressed token in it would be one side's alone.
"""

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from experiments.engine_anatomy.worker_parity_text import decode, end_ids, load_tokenizer


def load(asked: dict[str, Any]) -> Any:
    """The model in ``dtype``."""
    model = AutoModelForCausalLM.from_pretrained(
        asked["model"], dtype=getattr(torch, asked["dtype"]), local_files_only=True
    )
    model.generation_config = GenerationConfig(eos_token_id=end_ids(Path(asked["model"])) or None, pad_token_id=0)
    return model.to(asked["device"]).eval()


def log_probabilities(model: Any, answer: dict[str, Any], computed: torch.dtype) -> torch.Tensor:
    """Natural log-probabilities of every token at each position of the answer, shape (n, vocabulary)."""
    tokens = torch.tensor([answer["prompt"] + answer["tokens"]], device=model.device)
    count = len(answer["tokens"])
    logits = model(tokens, use_cache=False, logits_to_keep=count + 1).logits[0, :-1]
    return torch.log_softmax(logits.to(computed), dim=-1)


def own_answer(
    model: Any, answer: dict[str, Any], best: list[int], limit: int, ends: list[int], grows: bool
) -> list[int]:
    """Transformers' greedy tokens. ``best``: its most likely token at each position of vLLM's answer."""
    tokens = answer["tokens"]
    differs = next((at for at, (own, given) in enumerate(zip(best, tokens, strict=True)) if own != given), None)
    begun = list(tokens) if differs is None else [*tokens[:differs], best[differs]]
    ended = next((at for at, token in enumerate(begun) if token in ends), len(begun))
    begun = begun[: ended + 1]
    if begun[-1] in ends or len(begun) == limit or (differs is not None and not grows):
        return begun
    given = torch.tensor([answer["prompt"] + begun], device=model.device)
    grown = model.generate(
        given,
        attention_mask=torch.ones_like(given),
        max_new_tokens=limit - len(begun),
        do_sample=False,
    )
    more: list[int] = grown[0, given.shape[1] :].tolist()
    return begun + more


def references(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What is to be said of each answer. One model in memory: the exact one takes the place of the other."""
    folder = Path(asked["model"])
    tokenizer, ends, limit = load_tokenizer(folder), end_ids(folder), asked["tokens"]
    model = load(asked)
    found: list[dict[str, Any]] = []
    for answer in asked["answers"]:
        log_p = log_probabilities(model, answer, torch.float32)
        first = log_p.argmax(-1, keepdim=True)  # of equal ones either engine may take another: a gap of 0
        second = log_p.scatter(1, first, -torch.inf).argmax(-1, keepdim=True)
        best = torch.cat([first, second], 1)
        own = own_answer(model, answer, first[:, 0].tolist(), limit, ends, asked["grows"])
        found.append(
            {
                "best": best.tolist(),
                "best_log_p": log_p.gather(1, best).tolist(),
                "log_p": log_p.gather(1, torch.tensor(answer["ids"], device=log_p.device)).tolist(),
                "tokens": own,
                "texts": [decode(tokenizer, answer["tokens"]), decode(tokenizer, own)],
            }
        )
    exact_model = model.to(getattr(torch, asked["exact"]))  # the same weights, as rounded to ``dtype``
    if hasattr(exact_model, "set_experts_implementation"):  # since transformers 5
        exact_model.set_experts_implementation("eager")  # the usual one for mixtures of experts knows no float64
    del model
    gc.collect()
    for answer, each in zip(asked["answers"], found, strict=True):
        exact = log_probabilities(exact_model, answer, torch.float64)
        each["exact"] = exact.gather(1, torch.tensor(answer["ids"], device=exact.device)).tolist()
    return found


def main(request_path: str, result_path: str) -> None:
    """Say what is asked, then write the result."""
    asked = json.loads(Path(request_path).read_text(encoding="utf-8"))
    with torch.inference_mode():
        result = {"references": references(asked)}
    Path(f"{result_path}.new").write_text(json.dumps(result), encoding="utf-8")
    os.replace(f"{result_path}.new", result_path)


if __name__ == "__main__":
    main(*sys.argv[1:])
