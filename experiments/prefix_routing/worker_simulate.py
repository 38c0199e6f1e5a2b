"""Simulate routers over replicas without a model: ``python -m experiments.prefix_routing.worker_simulate IN OUT``.

IN: {"simulations": [S, …]}, made one after the other. S: ``trace`` (token or Mooncake format), ``load`` (the load file
that the trace's tokens were made from; null: none), ``out`` (a folder that does not exist), ``replicas``,
``block_size``, ``num_blocks`` (of each replica, with vLLM's null block), ``prefix_caching``, ``max_num_seqs``,
``max_num_batched_tokens``, ``max_ongoing_requests`` (of a replica, at the router; null: Ray Serve LLM's default, 1e9),
``max_concurrency`` (of the client; null: none), ``strategy``, ``router`` (its parameters), ``seed``, ``step_time``
(worker_step_time.StepTime), ``decisions`` (null; a JSON file, request's place in the trace → replica's number: followed
in the place of the router). What is written: harness/record/simulated.py. OUT: {"simulations": [result of each]}.
"""

import csv
import gc
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")

import numpy as np

from experiments.model_free.worker_step_time import StepTime
from experiments.prefix_routing.worker_replicas import Replicas, ReplicaShape
from experiments.prefix_routing.worker_simulated_load import read_load
from experiments.prefix_routing.worker_simulated_router import RouterMaker
from experiments.prefix_routing.worker_simulation import Served, Simulation
from harness.record.routing_tables import NOTHING
from harness.record.simulated import REQUESTS, RESULT


def simulate(asked: dict[str, Any]) -> dict[str, Any]:
    """One simulated run; its folder appears when it is complete. Returns its result."""
    out = Path(asked["out"])
    filling = out.with_name(f".{out.name}.{os.getpid()}")
    filling.mkdir(parents=True)
    begun = time.perf_counter()
    names = ("block_size", "num_blocks", "max_num_seqs", "max_num_batched_tokens", "prefix_caching")
    shape = ReplicaShape(**{name: asked[name] for name in names}, step_time=StepTime(**asked["step_time"]))
    trace = shape.trace(Path(asked["trace"]))
    replicas = Replicas(asked["replicas"], shape, trace)
    routers = RouterMaker(replicas, asked["max_ongoing_requests"], asked["seed"])
    simulation = Simulation(replicas, asked["max_concurrency"])
    decisions = None if asked["decisions"] is None else _decisions(Path(asked["decisions"]))

    def make_router() -> Any:
        return routers.make(
            asked["strategy"], asked["router"], decisions, shape.block_size, simulation.clock.time, simulation.note
        )

    requests = read_load(trace, Path(asked["load"]) if asked["load"] is not None else None)
    simulation.run(requests, make_router)
    served = sorted(simulation.served, key=lambda each: int(each.request_id[1:]))
    with (filling / REQUESTS.name).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(REQUESTS.columns)
        rows.writerows(map(_row, served))
    result = {**_result(replicas, served), "wall_s": time.perf_counter() - begun}
    (filling / RESULT).write_text(json.dumps(result, indent=1), encoding="utf-8")
    filling.rename(out)
    return result


def _decisions(path: Path) -> dict[str, int]:
    """Request id of the trace's rows → replica."""
    read: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    return {f"r{request}": replica for request, replica in read.items()}


def _row(each: Served) -> tuple[Any, ...]:
    record = each.record
    assert record.scheduled_s is not None
    assert record.first_token_s is not None
    queued = record.scheduled_s - record.row.arrival_s
    matched = (each.matched or 0, each.of or 0, each.unit or NOTHING)
    seconds = (each.sent_s, each.waited_s, queued, record.first_token_s - each.sent_s)
    tokens = (record.row.prompt_tokens, record.hit_tokens)
    return int(each.request_id[1:]), each.replica, each.reason, *matched, *tokens, *(f"{s:.9f}" for s in seconds)


def _result(replicas: Replicas, served: list[Served]) -> dict[str, Any]:
    """See harness/record/simulated.py. ``queries`` and ``hits`` as vLLM counts them: at a request's first admission."""
    counts = [replica.tally.counts for replica in replicas.each]
    requests = [each["requests"] for each in counts]
    queries, hits = (sum(each[name] for each in counts) for name in ("prompt_tokens", "hit_tokens"))
    ttft = [(each.record.first_token_s or 0.0) - each.sent_s for each in served]
    return {
        "requests": requests,
        "prompt_tokens": [each["prompt_tokens"] for each in counts],
        "hit_tokens": [each["hit_tokens"] for each in counts],
        "queries": queries,
        "hits": hits,
        "hit_rate": hits / queries,
        "imbalance": max(requests) * len(requests) / sum(requests),
        "ttft_mean_s": float(np.mean(ttft)),
        "ttft_median_s": float(np.median(ttft)),
        "ttft_p99_s": float(np.quantile(ttft, 0.99)),
        "preemptions": sum(each["preemptions"] for each in counts),
        "virtual_s": max(replica.tally.now for replica in replicas.each),
    }


def main(request_path: str, result_path: str) -> None:
    """Make every simulation, then write the result."""
    asked = json.loads(Path(request_path).read_text(encoding="utf-8"))
    for name in ("vllm", "ray", "ray.serve"):  # Ray Serve LLM makes vLLM's loggers its own
        logging.getLogger(name).setLevel(logging.ERROR)
    # Blocks by the hundred thousand live to the end of a simulation: they are not to be looked at again and again.
    gc.collect()
    gc.freeze()
    gc.disable()
    results = []
    for each in asked["simulations"]:
        results.append(simulate(each))
        gc.collect()
    Path(f"{result_path}.new").write_text(json.dumps({"simulations": results}), encoding="utf-8")
    os.replace(f"{result_path}.new", result_path)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # Ray's routers draw from sets, whose order depends on it
        os.execve(sys.executable, sys.orig_argv, {**os.environ, "PYTHONHASHSEED": "0"})
    main(*sys.argv[1:])
