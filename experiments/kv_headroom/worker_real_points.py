"""Serve token traces with vLLM's real CPU engine under head-room policies, one point after the other on one engine.

``python -m experiments.kv_headroom.worker_real_points IN OUT``. IN: {"model": folder, "engine": {``block_size``,
``num_blocks``, ``max_model_len``, ``prefix_caching``, ``max_num_seqs``, ``max_num_batched_tokens``}, "points": [P, …]}.
P: ``out`` (a folder that does not exist), ``trace`` (a token trace), ``limit`` (its first requests; null: all),
``arrivals`` ("steps": a request joins when so many engine steps are done; "seconds": at that time), ``headroom``
(harness/record/headroom_spec.py; null: the watermark alone), ``watermark``, ``events``. What is written:
harness/record/real_point.py; a folder appears when it is complete.
OUT: {"vllm": version, "start_s": …, "points": [what was counted of each]}.

The prefix cache is emptied between points. The answers are the model's own, of the trace's lengths: a folder's
``trace.jsonl`` is what a replay must be given to do the same.
"""

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # the scheduler is looked at from here
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "4")  # GiB that may be used; num_blocks decides
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")

import vllm
from vllm import LLM, SamplingParams

from experiments.kv_headroom.worker_real_point import Point
from experiments.model_free.worker_headroom_scheduler import HeadroomScheduler
from experiments.model_free.worker_replay import COUNTERS, peak_bytes

_WARM_PROMPTS, _WARM_ANSWER = (1, 5, 33, 100), 20  # tokens


def start(model: Path, engine: dict[str, Any]) -> Any:
    """vLLM's ``LLM`` with a scheduler that takes head-room policies. Random weights where the folder has none."""
    weights = any(model.glob("*.safetensors")) or any(model.glob("*.bin"))
    llm = LLM(
        model=str(model),
        skip_tokenizer_init=True,
        load_format="auto" if weights else "dummy",
        enforce_eager=True,
        seed=0,
        block_size=engine["block_size"],
        num_gpu_blocks_override=engine["num_blocks"],
        max_model_len=engine["max_model_len"],
        enable_prefix_caching=engine["prefix_caching"],
        max_num_seqs=engine["max_num_seqs"],
        max_num_batched_tokens=engine["max_num_batched_tokens"],
        scheduler_cls=HeadroomScheduler,
    )
    # The first steps of a process are slow: no point is to have them.
    prompts = [{"prompt_token_ids": [5] * min(each, engine["max_model_len"] // 2)} for each in _WARM_PROMPTS]
    answer = min(_WARM_ANSWER, engine["max_model_len"] // 2)
    sampling = SamplingParams(max_tokens=answer, ignore_eos=True, temperature=0.0, detokenize=False)
    llm.generate(prompts, sampling, use_tqdm=False)
    empty(llm)
    return llm


def empty(llm: Any) -> None:
    """Forget every cached block. Raises RuntimeError if one is in use."""
    if not llm.reset_prefix_cache():
        raise RuntimeError("the prefix cache cannot be emptied: blocks are still in use")


def make_point(llm: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """One point; its folder appears when it is complete. Returns what was counted."""
    out = Path(asked["out"])
    filling = out.with_name(f".{out.name}.{os.getpid()}")
    filling.mkdir(parents=True)
    scheduler = llm.llm_engine.engine_core.engine_core.scheduler
    scheduler.use_headroom(asked["headroom"], asked["watermark"])
    by_steps = asked["arrivals"] == "steps"
    point = Point(llm, Path(asked["trace"]), asked["limit"], by_steps, asked["events"], filling)
    gc.collect()
    gc.freeze()  # what lives to the end of a point is not to be looked at again and again
    point.run()
    counts = point.recorder.close(len(point.timed))
    counted = {
        "counters": {
            **{name: counts.get(name, 0) for name in COUNTERS},
            "steps": len(point.timed),
            "virtual_s": point.recorder.now,
            "wall_s": point.seconds["wall_s"],
            "max_rss_bytes": peak_bytes(),
            "cache_blocks": scheduler.kv_cache_manager.block_pool.num_gpu_blocks - 1,
        },
        "seconds": point.seconds,
    }
    point.write(filling)
    (filling / "counted.json").write_text(json.dumps(counted, indent=1), encoding="utf-8")
    filling.rename(out)
    empty(llm)
    return counted


def main(request_path: str, result_path: str) -> None:
    """Make what is asked, then write the result."""
    begun = time.perf_counter()
    asked = json.loads(Path(request_path).read_text(encoding="utf-8"))
    llm = start(Path(asked["model"]), asked["engine"])
    start_s = time.perf_counter() - begun
    points = [make_point(llm, each) for each in asked["points"]]
    result = {"vllm": vllm.__version__, "start_s": start_s, "points": points}
    Path(f"{result_path}.new").write_text(json.dumps(result), encoding="utf-8")
    os.replace(f"{result_path}.new", result_path)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # the engine is not taken down: seconds, for nothing
