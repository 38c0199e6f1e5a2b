"""Head-room in the model-free engine: no policy can stop it for ever, and each does what it says."""

import csv
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from harness.engine.environment import engine_of
from harness.engine.study_worker import run_worker
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from tests.replay_traces import longest_tokens, token_rows, write_trace

pytestmark = [pytest.mark.engine, pytest.mark.beside]

STEP_TIME = {"base_s": 5e-3, "prefill_token_s": 2e-5, "decode_seq_s": 5e-5, "context_token_s": 1e-8}
BLOCK = 4
# The most that can be asked for, the least, and lengths that are all wrong.
EXTREME: tuple[dict[str, Any], ...] = (
    {"policy": "naive", "factor": 1e9},
    {"policy": "naive", "factor": 0.0},
    {"policy": "target", "blocks_per_sequence": 1.0},
    {"policy": "target", "blocks_per_sequence": 1e12},
    {"policy": "probabilistic", "sigmas": 1e6, "of": "length", "quantiles": [10**6]},
    {"policy": "probabilistic", "sigmas": 3.0, "of": "length", "quantiles": [0]},
    {"policy": "probabilistic", "sigmas": 1.0, "of": "residual", "quantiles": [-(10**6), 10**6]},
    {"policy": "probabilistic", "sigmas": 0.0, "of": "length", "quantiles": [1, 2, 5, 25, 120]},
)
SEEDS = range(3)
FACTORS = (0.0, 8.0, 64.0, 256.0)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every policy on caches that just hold the longest request, by both loops; and one workload under pressure."""
    engine = engine_of(load_pin(DEFAULT_CPU_PIN))
    if engine.installed_as() is None:
        pytest.skip("the default engine is not installed: bash run_tests.sh --setup-only")
    folder = tmp_path_factory.mktemp("headroom")
    replays = []
    for seed in SEEDS:
        rows = token_rows(seed + 50)
        trace = write_trace(folder / f"{seed}.jsonl", rows)
        longest = -(-longest_tokens(rows) // BLOCK)
        for number, spec in enumerate(EXTREME):
            chance = random.Random(f"{seed} {number}")
            limits = {
                "num_blocks": longest + 1 + chance.choice([0, 0, 1, longest // 3]),
                "prefix_caching": chance.random() < 0.8,
                "max_num_seqs": chance.choice([1, 3, 64]),
                "max_num_batched_tokens": chance.choice([64, 97, 512]),
            }
            for loop in ("fast", "stock"):
                out = folder / f"{seed}-{number}-{loop}"
                replays.append(asked(out, trace, spec, loop, longest + 1, rows) | limits)
    rows = pressing_rows()
    trace = write_trace(folder / "pressing.jsonl", rows)
    for factor in FACTORS:
        spec = {"policy": "naive", "factor": factor}
        replays.append(asked(folder / f"naive-{factor:g}", trace, spec, "fast", 120, rows))
    replays.append(asked(folder / "none", trace, None, "fast", 120, rows))
    capped = {"policy": "target", "blocks_per_sequence": 17.0}
    replays.append(asked(folder / "target", trace, capped, "stock", 120, rows))
    paths = folder / "request.json", folder / "result.json"
    paths[0].write_text(json.dumps({"replays": replays, "processes": 2}), encoding="utf-8")
    run_worker(engine.python, "experiments.model_free.worker_replay", paths, {}, "the replays", 400)
    return folder


def pressing_rows() -> list[dict[str, Any]]:
    """Short prompts that grow long, all at once."""
    chance = random.Random(7)
    return [
        {
            "request_id": f"r{index}",
            "turn": 1,
            "arrival_s": 0.0,
            "prompt_token_ids": [chance.randrange(900) for _ in range(8)],
            "output_token_ids": [1] * chance.randint(20, 60),
        }
        for index in range(120)
    ]


def asked(
    out: Path, trace: Path, spec: dict[str, Any] | None, loop: str, blocks: int, rows: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "trace": str(trace),
        "out": str(out),
        "block_size": BLOCK,
        "num_blocks": blocks,
        "prefix_caching": True,
        "policy": "lru",
        "watermark": 0.0,
        "headroom": spec,
        "offload": None,
        "max_num_seqs": 64,
        "max_num_batched_tokens": 512,
        "max_model_len": longest_tokens(rows) + 1,
        "loop": loop,
        "scheduler_cls": None,
        "step_time": STEP_TIME,
        "events": False,
        "steps": False,
        "limit": None,
    }


def counters(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "counters.json").read_text(encoding="utf-8"))
    return {name: value for name, value in found.items() if name not in ("wall_s", "max_rss_bytes")}


@pytest.mark.parametrize("number", range(len(EXTREME)))
@pytest.mark.parametrize("seed", SEEDS)
def test_every_request_finishes_whatever_is_kept_free_and_both_loops_agree(
    replayed: Path, seed: int, number: int
) -> None:
    fast, stock = (counters(replayed / f"{seed}-{number}-{loop}") for loop in ("fast", "stock"))
    assert fast["finished"] == fast["requests"] == len(token_rows(seed + 50))
    assert fast["blocks_freed"] >= fast["blocks_allocated"]  # hits are freed, too: nothing is held at the end
    assert fast == stock


def test_no_head_room_is_vllm_as_it_is(replayed: Path) -> None:
    assert counters(replayed / "naive-0") == counters(replayed / "none")


def test_more_head_room_preempts_less_until_nothing_is_preempted(replayed: Path) -> None:
    preempted = [counters(replayed / f"naive-{factor:g}")["preemptions"] for factor in FACTORS]
    assert preempted == sorted(preempted, reverse=True)
    assert preempted[0] > 20 > preempted[-2]
    assert preempted[-1] == 0


def test_a_target_is_the_most_sequences_that_ever_run(replayed: Path) -> None:
    with (replayed / "target" / "requests.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    changes = sorted((float(row[name]), by) for row in rows for name, by in (("scheduled_s", 1), ("finished_s", -1)))
    running, most = 0, 0
    for _, by in changes:  # at one time, ends come first
        running += by
        most = max(most, running)
    assert most == math.floor(119 / 17.0) == 7
