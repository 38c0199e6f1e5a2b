"""What a replay logs beside what vLLM itself announces: ``python -m experiments.model_free.worker_kv_events IN OUT``.

IN: {"replays": [R, …]} with R as worker_replay takes it; the loop is the stock one, the policy vLLM's own. Each folder
``out`` gets the recorder's files with its event log (events.jsonl.gz) and ``kv_events.jsonl``: vLLM's own BlockStored
and BlockRemoved events in their order, a line for each block: [virtual s, "store" or "evict", content].
OUT: {"replays": [{"announced": number of blocks in kv_events.jsonl, "preemptions": …}]}.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ["VLLM_KV_EVENTS_USE_INT_BLOCK_HASHES"] = "0"  # whole hashes, which the trace can be asked for

from vllm.distributed.kv_events import BlockRemoved, BlockStored
from vllm.v1.core.sched.scheduler import Scheduler

from experiments.model_free.worker_manager import report_manager, report_scheduler
from experiments.model_free.worker_pool import RecordingPool, take_over
from experiments.model_free.worker_recorder import Recorder
from experiments.model_free.worker_replay import scheduler_of
from experiments.model_free.worker_step_loop import run_steps
from experiments.model_free.worker_step_time import StepTime
from experiments.model_free.worker_trace import Trace

Announced = list[tuple[float, str, int]]  # virtual seconds, store or evict, content


def listen(scheduler: Scheduler, trace: Trace, recorder: Recorder) -> Announced:
    """A list that fills with what vLLM announces, taken at the end of each schedule(): at the time it happened.

    The scheduler takes the events itself at the end of the step; whatever happened since is then heard as well.
    """
    heard: Announced = []
    manager = scheduler.kv_cache_manager
    take, schedule = manager.take_events, scheduler.schedule

    def take_events() -> Any:
        events = take()
        for event in events:
            what = {BlockStored: "store", BlockRemoved: "evict"}[type(event)]
            heard.extend((recorder.now, what, trace.content_of(each)) for each in event.block_hashes)
        return events

    def schedule_and_take(*args: Any, **more: Any) -> Any:
        scheduled = schedule(*args, **more)
        manager.take_events()
        return scheduled

    manager.take_events, scheduler.schedule = take_events, schedule_and_take
    return heard


def replay_with_both(asked: dict[str, Any]) -> dict[str, int]:
    """One replay with both taps."""
    out = Path(asked["out"])
    filling = out.with_name(f".{out.name}.{os.getpid()}")
    filling.mkdir(parents=True)
    trace = Trace(Path(asked["trace"]), asked["block_size"], asked["limit"], with_contents=asked["prefix_caching"])
    scheduler = scheduler_of(asked | {"loop": "stock"}, kv_events=True)
    recorder = Recorder(filling, asked["block_size"], events=True)
    take_over(scheduler.kv_cache_manager.block_pool, RecordingPool, recorder, trace, None)
    report_manager(scheduler.kv_cache_manager, recorder, None)
    report_scheduler(scheduler, recorder)
    heard = listen(scheduler, trace, recorder)
    counts = recorder.close(run_steps(scheduler, trace, StepTime(**asked["step_time"]), recorder))
    lines = "".join(json.dumps(each) + "\n" for each in heard)
    (filling / "kv_events.jsonl").write_text(lines, encoding="utf-8")
    filling.rename(out)
    return {"announced": len(heard), "preemptions": counts.get("preemptions", 0)}


def main(request_path: str, result_path: str) -> None:
    """Run every replay, then write the result."""
    asked = json.loads(Path(request_path).read_text(encoding="utf-8"))
    result = {"replays": [replay_with_both(each) for each in asked["replays"]]}
    Path(f"{result_path}.new").write_text(json.dumps(result), encoding="utf-8")
    os.replace(f"{result_path}.new", result_path)


if __name__ == "__main__":
    main(*sys.argv[1:])
