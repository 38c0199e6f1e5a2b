"""The stock loop with nothing reported: what vLLM's scheduler alone needs. IN.json OUT.json, under an engine's Python.

IN: one replay as experiments/model_free/worker_replay.py takes it. OUT: requests, steps, virtual and wall seconds.
"""

import gc
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from experiments.model_free.worker_scheduler import build_scheduler
from experiments.model_free.worker_step_loop import run_steps
from experiments.model_free.worker_step_time import StepTime
from experiments.model_free.worker_trace import Trace, TraceRow


class NoRecorder:
    """Takes the loop's own reports; pool and scheduler stay vLLM's and report nothing."""

    def __init__(self) -> None:
        self.now = 0.0
        self.requests = 0
        self.counts: Counter[str] = Counter()

    def arrive(self, row: TraceRow) -> None:  # noqa: ARG002 - as the Recorder's
        """Count."""
        self.requests += 1


def main(request_path: str, result_path: str) -> None:
    """Replay once."""
    asked: dict[str, Any] = json.loads(Path(request_path).read_text(encoding="utf-8"))
    begun = time.perf_counter()
    trace = Trace(Path(asked["trace"]), asked["block_size"], asked["limit"])
    names = ("num_blocks", "block_size", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "watermark")
    scheduler = build_scheduler(**{name: asked[name] for name in names})
    gc.collect()
    gc.freeze()
    recorder: Any = NoRecorder()
    steps = run_steps(scheduler, trace, StepTime(**asked["step_time"]), recorder)
    wall_s = time.perf_counter() - begun
    result = {"requests": recorder.requests, "steps": steps, "virtual_s": recorder.now, "wall_s": wall_s}
    Path(result_path).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
