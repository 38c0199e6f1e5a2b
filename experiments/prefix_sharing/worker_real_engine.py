"""Run workloads on vLLM's real CPU engine and write down what it did, to compare replays with.

``python -m experiments.prefix_sharing.worker_real_engine IN OUT``. IN: {"workloads": [W, …]}. W: ``out`` (a folder that
does not exist), ``engine`` (``block_size``, ``num_blocks``, ``max_model_len``, ``prefix_caching``, ``max_num_seqs``,
``max_num_batched_tokens``, ``watermark``, ``scheduler_cls``: null or ``package.module:Class``), ``requests``: [{
``arrival`` (engine steps), ``prompt_token_ids``, ``output_tokens``, ``session``, ``turn``, ``follows`` (the place of a
request in this list, or null: the prompt goes on from its prompt and what the engine answered, and the request arrives
``arrival`` steps after its end)}].
Each folder gets ``trace.jsonl`` (a token trace: requests r0, r1, … in their order of arrival, with what the engine
sampled; arrival_s is the number of steps done before), ``steps.jsonl`` (as the model-free replay writes it),
``admissions.jsonl`` ([steps done, request, cached tokens, resumed]), ``blocks.jsonl`` (vLLM's own KV events, block by
block: ["store" or "evict", hash]). OUT: {"vllm": version, "workloads": [{"name": …, counts}], "seconds": …}.

A llama of one layer with random weights, in this process, one after the other; workloads of the same ``engine`` share
one, whose prefix cache is emptied between them.
"""

import heapq
import importlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # the scheduler is looked at from here
os.environ["VLLM_CPU_KVCACHE_SPACE"] = "1"  # GiB; num_blocks decides
os.environ["VLLM_KV_EVENTS_USE_INT_BLOCK_HASHES"] = "0"  # whole hashes
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")

import vllm
from vllm import LLM, SamplingParams
from vllm.config import KVEventsConfig
from vllm.v1.core.sched.scheduler import Scheduler

from experiments.prefix_sharing.worker_recording_scheduler import Decisions, recording

_MODEL = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "head_dim": 64,
    "vocab_size": 1000,
    "max_position_embeddings": 4096,
    "torch_dtype": "float32",
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def start(engine: dict[str, Any], model: Path) -> Any:
    """An engine of this configuration: vLLM's ``LLM``, whose scheduler keeps ``decisions``."""
    base: Any = Scheduler
    if engine["scheduler_cls"] is not None:
        module, _, name = engine["scheduler_cls"].partition(":")
        base = getattr(importlib.import_module(module), name)
    return LLM(
        model=str(model),
        skip_tokenizer_init=True,
        load_format="dummy",
        dtype="float32",
        enforce_eager=True,
        seed=0,
        block_size=engine["block_size"],
        num_gpu_blocks_override=engine["num_blocks"],
        max_model_len=engine["max_model_len"],
        enable_prefix_caching=engine["prefix_caching"],
        max_num_seqs=engine["max_num_seqs"],
        max_num_batched_tokens=engine["max_num_batched_tokens"],
        watermark=engine["watermark"],
        scheduler_cls=recording(base),
        kv_events_config=KVEventsConfig(enable_kv_cache_events=engine["prefix_caching"], publisher="null"),
    )


class Drive:
    """One workload on an engine that has nothing else to do."""

    def __init__(self, llm: Any, decisions: Decisions, requests: list[dict[str, Any]]) -> None:
        self.rows: list[dict[str, Any]] = []  # of the trace, in order of arrival
        self.names: dict[str, str] = {}  # as the engine names a request → as the trace does
        self._engine, self._decisions, self._requests = llm.llm_engine, decisions, requests
        self._due = [(float(each["arrival"]), i) for i, each in enumerate(requests) if each["follows"] is None]
        heapq.heapify(self._due)
        self._row_of: dict[int, dict[str, Any]] = {}
        self._at: dict[str, int] = {}  # name in the trace → place in the workload

    def run(self) -> None:
        """To the end of its last request."""
        decisions = self._decisions
        while self._due or self._engine.has_unfinished_requests():
            if not self._engine.has_unfinished_requests():
                decisions.clock = max(decisions.clock, self._due[0][0])
            while self._due and self._due[0][0] <= decisions.clock:
                self._add(*heapq.heappop(self._due))
            before = len(decisions.steps)
            finished = [each for each in self._engine.step() if each.finished]
            decisions.clock += len(decisions.steps) - before
            for each in finished:
                self._finish(self._at[each.request_id], list(each.outputs[0].token_ids))

    def _add(self, arrival: float, place: int) -> None:
        asked = self._requests[place]
        prompt = list(asked["prompt_token_ids"])
        if asked["follows"] is not None:
            earlier = self._row_of[asked["follows"]]
            prompt = [*earlier["prompt_token_ids"], *earlier["output_token_ids"], *prompt]
        name = f"r{len(self.rows)}"
        row = {
            "request_id": name,
            "session_id": asked["session"],
            "turn": asked["turn"],
            "arrival_s": arrival,
            "prompt_token_ids": prompt,
        }
        self.rows.append(row)
        self._row_of[place], self._at[name] = row, place
        sampling = SamplingParams(max_tokens=asked["output_tokens"], ignore_eos=True, temperature=0.0, detokenize=False)
        self.names[self._engine.add_request(name, {"prompt_token_ids": prompt}, sampling)] = name

    def _finish(self, place: int, answer: list[int]) -> None:
        self._row_of[place]["output_token_ids"] = answer
        for follower, asked in enumerate(self._requests):
            if asked["follows"] == place:
                heapq.heappush(self._due, (self._decisions.clock + asked["arrival"], follower))


def write(out: Path, drive: Drive, decisions: Decisions) -> dict[str, Any]:
    """The workload's folder, complete at once; returns its counts."""
    names = drive.names
    steps = [
        [
            {names[each]: tokens for each, tokens in scheduled.items()},
            sorted(names[each] for each in preempted),
            {names[each]: tokens for each, tokens in first.items()},
        ]
        for scheduled, preempted, first in decisions.steps
    ]
    admissions = [[clock, names[each], cached, resumed] for clock, each, cached, resumed in decisions.admissions]
    files: dict[str, list[Any]] = {
        "trace": drive.rows,
        "steps": steps,
        "admissions": admissions,
        "blocks": decisions.blocks,
    }
    filling = out.with_name(f".{out.name}.{os.getpid()}")
    filling.mkdir(parents=True)
    for name, lines in files.items():
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (filling / f"{name}.jsonl").write_text(text, encoding="utf-8")
    filling.rename(out)
    return {
        "name": out.name,
        "requests": len(drive.rows),
        "steps": len(steps),
        "preemptions": decisions.counts["preemptions"],
        "blocks_allocated": decisions.counts["blocks_allocated"],
        "blocks_hit": decisions.counts["blocks_hit"],
    }


def run_all(workloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every workload, those of one configuration after each other; what was counted of each, in the order asked."""
    counted: dict[int, dict[str, Any]] = {}
    by_engine: dict[str, list[int]] = {}
    engines: list[Any] = []  # kept: to take one down costs more than it holds
    for place, workload in enumerate(workloads):
        by_engine.setdefault(json.dumps(workload["engine"], sort_keys=True), []).append(place)
    with tempfile.TemporaryDirectory(prefix="real-engine-") as folder:
        (Path(folder) / "config.json").write_text(json.dumps(_MODEL), encoding="utf-8")
        for described, places in by_engine.items():
            engine = json.loads(described)
            llm = start(engine, Path(folder))
            engines.append(llm)
            scheduler = llm.llm_engine.engine_core.engine_core.scheduler
            for place in places:
                scheduler.decisions = decisions = Decisions()
                drive = Drive(llm, decisions, workloads[place]["requests"])
                drive.run()
                counted[place] = write(Path(workloads[place]["out"]), drive, decisions)
                if engine["prefix_caching"] and not llm.reset_prefix_cache():
                    raise RuntimeError(f"the prefix cache cannot be emptied after {counted[place]['name']}")
                scheduler.kv_cache_manager.block_pool.take_events()  # that of the emptying
    return [counted[place] for place in range(len(workloads))]


def main(request_path: str, result_path: str) -> None:
    """Run what is asked, then write the result."""
    begun = time.perf_counter()
    asked = json.loads(Path(request_path).read_text(encoding="utf-8"))
    counted = run_all(asked["workloads"])
    result = {"vllm": vllm.__version__, "workloads": counted, "seconds": time.perf_counter() - begun}
    Path(f"{result_path}.new").write_text(json.dumps(result), encoding="utf-8")
    os.replace(f"{result_path}.new", result_path)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # the engines are not taken down one by one: seconds each, for nothing
