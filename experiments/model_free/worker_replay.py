"""Replay traces through vLLM's scheduler and block manager: ``python -m experiments.model_free.worker_replay IN OUT``.

IN: {"replays": [R, …], "processes": P}, in P processes forked from this one, which has imported vLLM (that takes longer
than most replays), each one replay after the other. R:
``trace``, ``out`` (a folder that does not exist), ``block_size``, ``num_blocks`` (with vLLM's null block),
``prefix_caching``, ``policy``, ``watermark``, ``headroom`` (null: the watermark alone), ``offload`` (null: none; stock
loop only), ``max_num_seqs``, ``max_num_batched_tokens``, ``max_model_len``,
``loop`` (fast, stock),
``scheduler_cls`` (stock loop only; null: vLLM's), ``step_time`` (worker_step_time.StepTime), ``events``, ``steps``,
``limit`` (first requests of the trace; null: all). What is written: harness/record/replay.py.
OUT: {"replays": [counters of each]}.
"""

import gc
import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")

from vllm.v1.core.sched.scheduler import Scheduler

from experiments.model_free.worker_fast_loop import FastLoop
from experiments.model_free.worker_headroom import make_headroom
from experiments.model_free.worker_manager import report_manager, report_scheduler
from experiments.model_free.worker_offload import Offload
from experiments.model_free.worker_policies import make_policy
from experiments.model_free.worker_pool import FastPool, RecordingPool, take_over
from experiments.model_free.worker_recorder import Recorder
from experiments.model_free.worker_scheduler import build_scheduler
from experiments.model_free.worker_step_loop import run_steps
from experiments.model_free.worker_step_time import StepTime
from experiments.model_free.worker_trace import Trace

_HEADROOM_SCHEDULER = "experiments.model_free.worker_headroom_scheduler:HeadroomScheduler"
COUNTERS = (
    "requests finished prompt_tokens output_tokens hit_tokens hit_tokens_within_session hit_tokens_across_sessions "
    "blocks_allocated blocks_reused blocks_reused_within_session blocks_reused_across_sessions blocks_recovered "
    "unique_blocks blocks_stored evictions blocks_freed preemptions preempted_blocks prefill_tokens_scheduled "
    "decode_tokens_scheduled recomputed_tokens blocks_swapped_out blocks_swapped_in swap_outs swap_ins "
    "swapped_in_tokens"
).split()


def replay(asked: dict[str, Any]) -> dict[str, Any]:
    """One replay; its folder appears when it is complete. Returns its counters.

    Raises:
        ValueError: a scheduler class or offload for the fast loop, which would not ask them.
    """
    for name in ("scheduler_cls", "offload"):
        if asked[name] is not None and asked["loop"] != "stock":
            raise ValueError(f"{name} is replayed by the stock loop only: the fast loop does not ask it")
    out = Path(asked["out"])
    filling = out.with_name(f".{out.name}.{os.getpid()}")
    filling.mkdir(parents=True)
    with suppress(OSError):  # not every container allows it; then the peak is that of all replays so far
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    begun = time.perf_counter()
    trace = Trace(Path(asked["trace"]), asked["block_size"], asked["limit"], with_contents=asked["prefix_caching"])
    scheduler = scheduler_of(asked)
    recorder = Recorder(filling, asked["block_size"], asked["events"])
    policy = make_policy(asked["policy"], trace)
    kind = FastPool if asked["loop"] == "fast" else RecordingPool
    take_over(scheduler.kv_cache_manager.block_pool, kind, recorder, trace, policy)
    report_manager(scheduler.kv_cache_manager, recorder, policy)
    step_time = StepTime(**asked["step_time"])
    with (filling / "steps.jsonl").open("w", encoding="utf-8") if asked["steps"] else nullcontext() as steps_file:
        on_step = None if steps_file is None else lambda step: print(json.dumps(step), file=steps_file)
        if asked["loop"] == "fast":
            headroom = make_headroom(asked["headroom"], asked["num_blocks"] - 1, asked["block_size"])
            steps = FastLoop(scheduler, trace, step_time, recorder, headroom, on_step).run()
        else:
            report_scheduler(scheduler, recorder)
            offload = None if asked["offload"] is None else Offload(asked["offload"], scheduler, recorder)
            steps = run_steps(scheduler, trace, step_time, recorder, on_step, offload)
    counts = recorder.close(steps)
    counters: dict[str, Any] = {
        **{name: counts.get(name, 0) for name in COUNTERS},
        "steps": steps,
        "virtual_s": recorder.now,
        "wall_s": time.perf_counter() - begun,
        "max_rss_bytes": peak_bytes(),
        "cache_blocks": asked["num_blocks"] - 1,
    }
    (filling / "counters.json").write_text(json.dumps(counters, indent=1), encoding="utf-8")
    filling.rename(out)
    return counters


def scheduler_of(asked: dict[str, Any], kv_events: bool = False) -> Scheduler:
    """vLLM's scheduler as a replay asks for it; ``kv_events``: announcing what it caches and evicts, as vLLM can."""
    stock = asked["loop"] == "stock"  # the fast loop asks the policy itself
    return build_scheduler(
        num_blocks=asked["num_blocks"],
        block_size=asked["block_size"],
        max_model_len=asked["max_model_len"],
        prefix_caching=asked["prefix_caching"],
        max_num_seqs=asked["max_num_seqs"],
        max_num_batched_tokens=asked["max_num_batched_tokens"],
        watermark=asked["watermark"],
        scheduler_cls=asked["scheduler_cls"] or (_HEADROOM_SCHEDULER if asked["headroom"] and stock else None),
        headroom=asked["headroom"],
        offload=asked["offload"],
        kv_events=kv_events,
    )


def peak_bytes() -> int:
    """The most memory that this process has held since its peak was last reset."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _replay_alone(asked: dict[str, Any]) -> dict[str, Any]:
    counters = replay(asked)
    gc.collect()
    return counters


def main(request_path: str, result_path: str) -> None:
    """Run every replay, then write the result."""
    asked = json.loads(Path(request_path).read_text(encoding="utf-8"))
    # Blocks by the hundred thousand live to the end of a replay: they are not to be looked at again and again.
    gc.collect()
    gc.freeze()
    gc.disable()
    if asked["processes"] == 1:
        counters = [_replay_alone(each) for each in asked["replays"]]
    else:
        forked = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(asked["processes"], mp_context=forked) as processes:
            counters = list(processes.map(_replay_alone, asked["replays"]))
    Path(f"{result_path}.new").write_text(json.dumps({"replays": counters}), encoding="utf-8")
    os.replace(f"{result_path}.new", result_path)


if __name__ == "__main__":
    main(*sys.argv[1:])
