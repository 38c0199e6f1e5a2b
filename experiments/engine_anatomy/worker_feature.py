"""One engine with one set of features: start it, let it answer the same prompts in several passes, count.

``python -m experiments.engine_anatomy.worker_feature IN OUT``. IN: {"arguments": of vLLM's ``LLM``, "prompts": token
ids, "output_tokens": of each answer, "told": prompts whose log-probabilities are told, "passes": how many are measured,
"make_pipeline_buffers": bool}. OUT: ``measured.json`` of harness/record/feature_run.py; beside it ``outputs.jsonl``.

The first pass, over all prompts like every other, warms up, and is the one that tells log-probabilities: for the two
best of each position vLLM normalises over the whole vocabulary, so that it is not timed. Every pass begins with an
empty prefix cache.
"""

import json
import operator
import os
import sys
import time
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import Any

os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # one process where the executor needs no other

import torch
import vllm
from vllm import LLM, SamplingParams

from experiments.engine_anatomy.worker_feature_cost import SPIN, measured
from experiments.engine_anatomy.worker_feature_drafts import DRAFTED

_EXTENSION = "experiments.engine_anatomy.worker_feature_workers.Measured"
_COUNTERS = {
    "vllm:spec_decode_num_drafts": "drafts",
    "vllm:spec_decode_num_draft_tokens": "draft_tokens",
    "vllm:spec_decode_num_accepted_tokens": "accepted_tokens",
    "vllm:prefix_cache_queries": "prefix_queries",
    "vllm:prefix_cache_hits": "prefix_hits",
}
_STEPS, _BY_POSITION = "vllm:iteration_tokens_total", "vllm:spec_decode_num_accepted_tokens_per_pos"
Answers = list[list[int]]


class Featured:
    """An engine that was started, and what it has answered."""

    def __init__(self, asked: dict[str, Any]) -> None:
        DRAFTED.count()
        begin = time.monotonic()
        self.llm = LLM(**asked["arguments"], worker_extension_cls=_EXTENSION, disable_log_stats=False, seed=0)
        self.start_s = time.monotonic() - begin
        self.prompts = [{"prompt_token_ids": prompt} for prompt in asked["prompts"]]
        self.told = asked["told"]
        self.output_tokens = asked["output_tokens"]
        self.several = self.llm.llm_engine.vllm_config.parallel_config.world_size > 1
        self.made_buffers = False
        if asked["make_pipeline_buffers"]:
            self.made_buffers = any(self.llm.collective_rpc("make_pipeline_buffers"))
        if self.several:
            SPIN.count()
            self.llm.collective_rpc("count_spin")

    def spun_s(self) -> float:
        """Of all processes until now."""
        return SPIN.seconds + float(sum(self.llm.collective_rpc("spun_s")))

    def warmed_up(self) -> list[dict[str, Any]]:
        """The first pass: of the first prompts the tokens, their surprisal, and what nearly came in their place.

        All prompts are answered, as in a measured pass: what a first pass costs is every case's alike.
        """
        return [_answer(found.outputs[0]) for found in self._generate(self.told)[: self.told]]

    def timed(self) -> tuple[dict[str, Any], Answers]:
        """A measured pass: what it cost and counted, and its answers."""
        if not self.llm.reset_prefix_cache():
            raise RuntimeError("the prefix cache cannot be emptied: blocks are still in use")
        answers: Answers = []

        def work() -> None:
            answers.extend(list(found.outputs[0].token_ids) for found in self._generate(told=0))

        before = self._counted()
        cost = measured(work, self.spun_s if self.several else None)
        return asdict(cost) | _difference(before, self._counted()), answers

    def _generate(self, told: int) -> list[Any]:
        """Answers to all prompts, the first ``told`` with log-probabilities."""
        sampling = [
            SamplingParams(
                temperature=0.0,
                max_tokens=self.output_tokens,
                ignore_eos=True,
                logprobs=2 if at < told else None,
                detokenize=False,
            )
            for at in range(len(self.prompts))
        ]
        found: list[Any] = self.llm.generate(self.prompts, sampling, use_tqdm=False)
        return found

    def _counted(self) -> dict[str, Any]:
        """vLLM's own counters until now."""
        counted: dict[str, Any] = dict.fromkeys((*_COUNTERS.values(), "steps", "step_tokens"), 0)
        counted["accepted_by_position"], counted["drafted_by_position"] = [], list(DRAFTED.by_position)
        for metric in self.llm.get_metrics():
            if metric.name in _COUNTERS:
                counted[_COUNTERS[metric.name]] += int(metric.value)
            elif metric.name == _STEPS:
                counted["steps"], counted["step_tokens"] = int(metric.count), int(metric.sum)
            elif metric.name == _BY_POSITION:
                counted["accepted_by_position"] = list(map(int, metric.values))
        return counted


def _answer(output: Any) -> dict[str, Any]:
    """``nll``: − log-probability of the chosen token; ``runners_up``: the best of the others, ``gaps`` behind it."""
    tokens = list(output.token_ids)
    nll, gaps, runners_up = [], [], []
    for token, known in zip(tokens, output.logprobs, strict=True):
        second = max((other for other in known if other != token), key=lambda other: known[other].logprob)
        nll.append(max(0.0, -known[token].logprob))
        gaps.append(abs(known[token].logprob - known[second].logprob))
        runners_up.append(second)
    return {"tokens": tokens, "nll": nll, "gaps": gaps, "runners_up": runners_up}


def _line(answer: list[int], told: dict[str, Any] | None) -> dict[str, Any]:
    """The answer of the first measured pass, with what the warm-up told of the same prefix.

    Where the two part by swapping the two best tokens, the gap is still known, and the runner-up is the other one.
    """
    if told is None:
        return {"tokens": answer, "nll": None, "gaps": None, "runners_up": None}
    pairs = zip(answer, told["tokens"], strict=True)
    apart = next((at for at, (token, other) in enumerate(pairs) if token != other), len(answer))
    gaps, runners_up = told["gaps"][:apart], told["runners_up"][:apart]
    if apart < len(answer) and answer[apart] == told["runners_up"][apart]:
        gaps, runners_up = [*gaps, told["gaps"][apart]], [*runners_up, told["tokens"][apart]]
    return {"tokens": answer, "nll": told["nll"][:apart], "gaps": gaps, "runners_up": runners_up}


def _difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in after.items():
        if isinstance(value, list):
            had = before[name] or [0] * len(value)
            found[name] = [b - a for a, b in zip(had, value, strict=True)]
        else:
            found[name] = value - before[name]
    return found


def _as_configured(llm: Any) -> dict[str, Any]:
    """What the engine made of its arguments."""
    config = llm.llm_engine.vllm_config
    return {
        "chunked_prefill": bool(config.scheduler_config.enable_chunked_prefill),
        "prefix_caching": bool(config.cache_config.enable_prefix_caching),
        "max_num_batched_tokens": int(config.scheduler_config.max_num_batched_tokens),
        "block_size": int(config.cache_config.block_size),
        "executor": str(config.parallel_config.distributed_executor_backend),
        "processes": int(config.parallel_config.world_size),
        "torch_threads": torch.get_num_threads(),
    }


def main(request_path: str, result_path: str) -> None:
    """Make what is asked, then write the result; ``outputs.jsonl`` first."""
    asked, result = json.loads(Path(request_path).read_text(encoding="utf-8")), Path(result_path)
    featured = Featured(asked)
    (result.parent / "started").touch()
    told = featured.warmed_up()
    passes: list[dict[str, Any]] = []
    first: Answers = []
    for _ in range(asked["passes"]):
        found, answers = featured.timed()
        first = first or answers
        passes.append(found | {"same_as_first": sum(map(operator.eq, answers, first))})
    lines = (json.dumps(_line(*pair), allow_nan=False) + "\n" for pair in zip_longest(first, told))
    (result.parent / "outputs.jsonl").write_text("".join(lines), encoding="utf-8")
    document = {
        "vllm": vllm.__version__,
        "start_s": featured.start_s,
        "configured": _as_configured(featured.llm),
        "made_pipeline_buffers": featured.made_buffers,
        "passes": passes,
    }
    whole = result.with_name(f".{result.name}")
    whole.write_text(json.dumps(document, indent=1, allow_nan=False), encoding="utf-8")
    whole.rename(result)


if __name__ == "__main__":
    main(*sys.argv[1:])
