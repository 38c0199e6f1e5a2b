"""Stepping the fast loop changes nothing, and N replicas are N replays of the requests that each was sent."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest

from harness.engine.environment import engine_of
from harness.engine.study_worker import run_worker
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from tests.replay_traces import longest_tokens, mooncake_rows, token_rows, write_trace

pytestmark = [pytest.mark.engine, pytest.mark.beside]

STEP_TIME = {"base_s": 5e-3, "prefill_token_s": 2e-5, "decode_seq_s": 5e-5, "context_token_s": 1e-8}
TABLES = ("requests.csv", "reuse_gaps.csv", "block_hits.csv", "occupancy.csv", "events.jsonl.gz")
SEEDS = range(16)


def run(module: str, asked: dict[str, Any], folder: Path, name: str) -> Any:
    """What a worker of the default engine answers."""
    engine = engine_of(load_pin(DEFAULT_CPU_PIN))
    if engine.installed_as() is None:
        pytest.skip("the default engine is not installed: bash run_tests.sh --setup-only")
    request, result = folder / f"{name}.json", folder / f"{name}.out.json"
    request.write_text(json.dumps(asked), encoding="utf-8")
    run_worker(engine.python, module, (request, result), {}, name, 300)
    return json.loads(result.read_text(encoding="utf-8"))


def shape(seed: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A cache that holds just the longest request, some more, or plenty."""
    chance = random.Random(seed)
    block_size = chance.choice([32, 512] if "hash_ids" in rows[0] else [1, 2, 4, 16])
    least = -(-longest_tokens(rows) // block_size) + 2
    return {
        "block_size": block_size,
        "num_blocks": least + chance.choice([0, least // 2, 20 * least]),
        "prefix_caching": chance.random() < 0.85,
        "max_num_seqs": chance.choice([2, 8, 256]),
        "max_num_batched_tokens": chance.choice([256, 1000, 8192]),
        "step_time": STEP_TIME,
    }


def replay_of(trace: Path, of: dict[str, Any], out: Path, **more: Any) -> dict[str, Any]:
    """What worker_replay is asked to do."""
    defaults = dict.fromkeys(("headroom", "offload", "scheduler_cls", "limit"))
    rest = {"policy": "lru", "watermark": 0.0, "loop": "fast", "steps": False, "events": False}
    return defaults | rest | of | {"trace": str(trace), "out": str(out), "max_model_len": 100_000} | more


def test_a_loop_that_is_advanced_in_any_pieces_does_what_it_does_in_one(tmp_path: Path):
    whole, pieces = [], []
    for seed in SEEDS:
        rows = mooncake_rows(seed) if seed % 2 else token_rows(seed)
        trace, of = write_trace(tmp_path / f"{seed}.jsonl", rows), shape(seed, rows)
        whole.append(replay_of(trace, of, tmp_path / f"{seed}-whole", events=True))
        pieces.append({**replay_of(trace, of, tmp_path / f"{seed}-pieces", events=True), "seed": seed})
    asked = {"replays": whole, "processes": 1}
    counted = run("experiments.model_free.worker_replay", asked, tmp_path, "whole")["replays"]
    stepped = run("tests.engine.worker_stepped_replay", {"replays": pieces}, tmp_path, "pieces")["replays"]
    for seed, one, other in zip(SEEDS, counted, stepped, strict=True):
        timed = {"wall_s", "max_rss_bytes"}
        assert {k: v for k, v in one.items() if k not in timed} == {k: v for k, v in other.items() if k not in timed}
        for name in TABLES:
            both = ((tmp_path / f"{seed}-{how}" / name).read_bytes() for how in ("whole", "pieces"))
            assert next(both) == next(both), (seed, name)


def test_replicas_are_replays_by_the_stock_loop_of_what_each_was_sent(tmp_path: Path):
    cases, traces = [], []
    for seed in SEEDS:
        rows = token_rows(100 + seed)
        traces.append(rows)
        cases.append(
            {
                "trace": str(write_trace(tmp_path / f"{seed}.jsonl", rows)),
                "replicas": 1 + seed % 4,
                "shape": shape(seed, rows),
                "seed": seed,
                "limit": [None, 1, 3, 8][seed // 4],
            }
        )
    sent = run("tests.engine.worker_sent_to_replicas", {"cases": cases}, tmp_path, "sent")["cases"]
    replays, expected = [], []
    for number, (case, rows, found) in enumerate(zip(cases, traces, sent, strict=True)):
        assert len(found) == len(rows)
        for replica in range(case["replicas"]):
            mine = [(row, one) for row, one in zip(rows, found, strict=True) if one["replica"] == replica]
            if mine:
                alone = [{**row, "arrival_s": one["sent_s"]} for row, one in mine]
                trace = write_trace(tmp_path / f"{number}-{replica}.jsonl", alone)
                out = tmp_path / f"{number}-{replica}"
                replays.append(replay_of(trace, case["shape"], out, loop="stock"))
                expected.append((out, [one for _, one in mine]))
    asked = {"replays": replays, "processes": 1}
    run("experiments.model_free.worker_replay", asked, tmp_path, "alone")
    for out, found in expected:
        with (out / "requests.csv").open(encoding="utf-8", newline="") as file:
            for row, one in zip(csv.DictReader(file), found, strict=True):
                for name in ("scheduled_s", "first_token_s", "finished_s"):
                    assert row[name] == f"{one[name]:.9f}", (out, name)
                assert int(row["hit_tokens"]) == one["hit_tokens"]
                assert int(row["preemptions"]) == one["preemptions"]
