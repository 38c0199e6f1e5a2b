"""A recording in the layout of the paper's data, synthesised: logs, results and averages that agree with each other."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.analyse.averages import average
from harness.analyse.logs import QUANTITIES, parse_log

# Synthesised in the shape that vLLM 0.10.1.1 with the paper's two added lines writes.
CACHED_START = """\
DEBUG 03-04 05:06:07.100 [a.py:1] No plugins for group x.platform found.
INFO 03-04 05:06:07.350 [a.py:2] Automatically detected platform none.
DEBUG 03-04 05:06:08.350 [a.py:3] Available plugins for group x.general:
INFO 03-04 05:06:12.100 [a.py:4] Chunked prefill is enabled with max_num_batched_tokens=64.
INFO 03-04 05:06:12.300 [a.py:5] NEW: Init Tokenizer took 0.25 seconds
\x1b[1;36m(EngineCore_0 pid=7)\x1b[0;0m INFO 03-04 05:06:12.400 [a.py:6] Waiting for init message from front-end.
\x1b[1;36m(EngineCore_0 pid=7)\x1b[0;0m INFO 03-04 05:06:13.900 [a.py:7] Starting to load model some/model...
\x1b[1;36m(EngineCore_0 pid=7)\x1b[0;0m INFO 03-04 05:06:14.100 [a.py:8] NEW: Initializing Model took 0.5 seconds
INFO 03-04 05:06:15.000 [a.py:9] Loading weights took 0.75 seconds
INFO 03-04 05:06:15.000 [a.py:9] Model loading took 1.5000 GiB and 1.250000 seconds
INFO 03-04 05:06:16.000 [a.py:9] Dynamo bytecode transform time: 4.50 s
INFO 03-04 05:06:17.000 [a.py:9] Directly load the compiled graph(s) for dynamic shape from the cache, took 2.125 s
INFO 03-04 05:06:17.000 [a.py:9] torch.compile takes 4.50 s in total
DEBUG 03-04 05:06:18.000 [a.py:9] Memory profiling takes 8.00 seconds. Total non KV cache memory: 1GiB
INFO 03-04 05:06:19.000 [a.py:9] Graph capturing finished in 1.25 secs, took 0.40 GiB
INFO 03-04 05:06:19.500 [a.py:9] init engine (profile, create kv cache, warmup model) took 9.50 seconds
INFO 03-04 05:06:20.100 [a.py:9] bye
initialize_engine took 12.0 seconds
"""
CACHED_QUANTITIES = {
    "detect_platform": 0.25,
    "llm_imports": 1.0,
    "get_model_info": 3.75,
    "worker_init": 1.5,
    "framework_bootstrap": 6.5,
    "load_weights": 0.75,
    "model_init": 0.5,
    "model_loading": 1.25,
    "dynamo_transform_time": 4.5,
    "graph_compile_general_shape": None,
    "graph_compile_cached": 2.125,
    "torch.compile": 4.5,
    "kv_cache_profiling": 1.375,
    "graph_capturing": 1.25,
    "init_engine": 9.5,
    "tokenizer_init": 0.25,
    "total_time": 17.5,
    "actual_total_time": 13.0,
}

LABELS = ("output_model_fast-1b.txt", "output_model_slow-2b_max_model_len_64.txt")


def log_text(load_s: float) -> str:
    """One start's log, whose weights took so long to load."""
    return CACHED_START.replace("Loading weights took 0.75", f"Loading weights took {load_s}")


def results(labels: Sequence[str], columns: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    """A result file's document."""
    return {"labels": list(labels), "data": {key: [column[key] for column in columns] for key in QUANTITIES}}


def write_recording(folder: Path, labels: Sequence[str] = LABELS, repeats: int = 3) -> Path:
    """A warm-up and counted repeats of every label, with their results and averages."""
    parsed = []
    for repeat in range(repeats + 1):
        here = folder / (f"iterations/{repeat}" if repeat else "uncached")
        here.mkdir(parents=True)
        texts = [log_text(1 + at + repeat / 10) for at in range(len(labels))]
        for label, text in zip(labels, texts, strict=True):
            (here / label).write_text(text, encoding="utf-8")
        parsed.append([parse_log(text) for text in texts])
        (here / "comparison_results.json").write_text(json.dumps(results(labels, parsed[-1])))
    averages = [average([repeat[at] for repeat in parsed[1:]]) for at in range(len(labels))]
    (folder / "avg_comparison_results.json").write_text(json.dumps(results(labels, averages)))
    return folder
