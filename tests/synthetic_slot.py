"""Rows and manifests of slots that look like a cold start on a small CPU machine, made from a seed."""

import random
from collections.abc import Iterable
from typing import Any

from harness.record.rows import Row

MODEL = "llama3-3b"
CASE = f"{MODEL}-compiled-1a2b3c4d"
SESSION = "s1"

CACHED = {
    "interpreter:main": 0.03,
    "imports:main": 4.1,
    "config": 0.35,
    "detect_platform": 0.06,
    "model_inspect": 0.02,
    "tokenizer_init": 2.2,
    "renderer": 1.05,
    "process_spawn": 0.12,
    "interpreter:engine": 0.04,
    "imports:engine": 4.0,
    "plugins": 0.05,
    "interpreter:worker": 0.04,
    "imports:worker": 4.2,
    "device_init": 0.41,
    "dist_init": 0.22,
    "model_init": 0.31,
    "load_weights": 0.62,
    "weight_postprocess": 0.03,
    "dynamo_transform_time": 4.1,
    "graph_compile_cached": 2.6,
    "isa_probe": 0.05,
    "kv_cache_profiling": 3.2,
    "kv_cache_alloc": 1.9,
    "warmup": 0.6,
    "structured_output": 0.25,
    "scheduler_init": 0.02,
    "gc_freeze": 0.18,
    "unattributed": 0.028,
}
UNCACHED = {
    **CACHED,
    "interpreter:inspect": 0.05,
    "imports:inspect": 5.1,
    "model_inspect": 0.3,
    "aot_autograd": 9.2,
    "inductor_passes": 4.4,
    "inductor_codegen": 5.3,
    "graph_compile_general_shape": 2.1,
    "graph_compile_cached": 0.9,
    "compiler_subprocess": 15.3,
    "isa_probe": 1.1,
    "unattributed": 0.051,
}
LOGGED = {
    "worker_init": 4.9,
    "framework_bootstrap": 4.9,
    "load_weights": 0.6,
    "model_init": 0.3,
    "dynamo_transform_time": 4.0,
    "init_engine": 12.6,
    "tokenizer_init": 2.2,
    "actual_total_time": 27.3,
}
NODE = {
    "id": "node-0f0f0f0f0f0f",
    "cpu_model": "Example CPU @ 2.50GHz",
    "cpus": [0, 1],
    "memory_bytes": 8 << 30,
    "gpu_uuids": [],
}


def synthetic(
    measured: int = 5,
    warmup: bool = True,
    bad: Iterable[str] = (),
    seed: int = 0,
    slot: str = "node0",
    figure: str = "2",
    first_token: bool = True,
) -> tuple[list[Row], dict[str, Any]]:
    """Rows and manifest of one case: a warm-up, ``measured`` ok starts, then one more start per status in ``bad``."""
    rng = random.Random(seed)
    runs = [("warmup-0", "warmup", "ok")] if warmup else []
    runs += [(str(number + 1), "measured", "ok") for number in range(measured)]
    runs += [(str(measured + number + 1), "measured", status) for number, status in enumerate(bad)]
    rows = []
    for run, kind, status in runs:
        phases = UNCACHED if kind == "warmup" else CACHED
        told = [("span", phases), ("log", LOGGED)] if status == "ok" else [("span", {"imports:main": 99.0})]
        for source, numbers in told:
            for phase, seconds in numbers.items():
                noisy = seconds * rng.gauss(1, 0.02)
                rows.append(Row(figure, slot, CASE, MODEL, run, kind, phase, noisy, source, SESSION, status))
    made = manifest(runs, slot=slot, figure=figure)
    for run in made["runs"] if first_token else ():
        run["first_token_s"] = rng.gauss(1, 0.02) * (0.9 if run["kind"] == "warmup" else 0.6)
    return rows, made


def manifest(runs: list[tuple[str, str, str]], slot: str = "node0", figure: str = "2") -> dict[str, Any]:
    """What a caller of ``write_slot`` gives, for these (run, kind, status)."""
    engine = {"pin": "vllm-0.32.0-cpu", "version": "0.32.0", "lock_sha256": "a" * 64, "patches_sha256": "b" * 64}
    case = {
        "case": CASE,
        "session": SESSION,
        "engine": engine,
        "model": {"name": MODEL, "revision": None, "files_sha256": "c" * 64, "twin": True},
        "parameters": {"mode": "offline", "eager": False, "max_model_len": 2048},
    }
    facts = {"case": CASE, "run_json_sha256": "d" * 64}
    return {
        "figure": figure,
        "slot": slot,
        "node": dict(NODE),
        "cases": [case],
        "runs": [
            {"run_id": f"{CASE}/{run}", "run": run, "kind": kind, "status": status, **facts}
            for run, kind, status in runs
        ],
        "certificates": {},
    }
