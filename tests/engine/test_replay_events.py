"""The event log is vLLM's own: every block that vLLM announces as stored or removed, at its time, in its order.

The stock loop logs here; that the fast loop logs the same is tests/engine/test_replay_loops.py.
"""

import gzip
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.engine.environment import engine_of
from harness.engine.study_worker import run_worker
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from tests.replay_traces import longest_tokens, mooncake_rows, token_rows, write_trace

pytestmark = [pytest.mark.engine, pytest.mark.beside]

WORKER = "experiments.model_free.worker_kv_events"
SEEDS = range(12)
OF_MOONCAKE = SEEDS[::2]
NOT_CACHING = 11
STEP_TIME = {"base_s": 5e-3, "prefill_token_s": 2e-5, "decode_seq_s": 5e-5, "context_token_s": 1e-8}


def asked(seed: int, folder: Path) -> dict[str, Any]:
    """A replay drawn from the seed, in a cache that holds the longest request and not much more."""
    chance = random.Random(seed)
    rows = mooncake_rows(seed) if seed in OF_MOONCAKE else token_rows(seed)
    block_size = chance.choice([64, 128, 512] if seed in OF_MOONCAKE else [1, 4, 16])
    longest = longest_tokens(rows)
    least = -(-longest // block_size) + 1
    return {
        "trace": str(write_trace(folder / f"{seed}.jsonl", rows)),
        "out": str(folder / str(seed)),
        "block_size": block_size,
        "num_blocks": 1 + least + chance.choice([0, least // 4, 2 * least]),
        "prefix_caching": seed != NOT_CACHING,
        "watermark": chance.choice([0.0, 0.05]),
        "headroom": None,
        "offload": None,
        "max_num_seqs": 16,
        "max_num_batched_tokens": chance.choice([256, 8192]),
        "max_model_len": longest + 1,
        "loop": "stock",
        "scheduler_cls": None,
        "step_time": STEP_TIME,
        "limit": None,
    }


@dataclass(frozen=True)
class BothTaps:
    folder: Path
    result: list[dict[str, int]]

    def announced(self, seed: int) -> list[tuple[float, str, int]]:
        """By vLLM."""
        text = (self.folder / str(seed) / "kv_events.jsonl").read_text(encoding="utf-8")
        return [tuple(json.loads(line)) for line in text.splitlines()]

    def logged(self, seed: int) -> list[tuple[float, str, int]]:
        """By the replay."""
        with gzip.open(self.folder / str(seed) / "events.jsonl.gz", "rt", encoding="utf-8") as file:
            events = [json.loads(line) for line in file]
        return [
            (event["t"], event["event"], content)
            for event in events
            if event["event"] in ("store", "evict")
            for content in event["contents"]
        ]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> BothTaps:
    engine = engine_of(load_pin(DEFAULT_CPU_PIN))
    if engine.installed_as() is None:
        pytest.skip("the default engine is not installed: bash run_tests.sh --setup-only")
    folder = tmp_path_factory.mktemp("taps")
    request, result = folder / "request.json", folder / "result.json"
    request.write_text(
        json.dumps({"replays": [asked(seed, folder) for seed in SEEDS], "processes": 1}), encoding="utf-8"
    )
    run_worker(engine.python, WORKER, (request, result), {"PYTHONDONTWRITEBYTECODE": "1"}, "the replays", 300)
    return BothTaps(folder, json.loads(result.read_text(encoding="utf-8"))["replays"])


@pytest.mark.parametrize("seed", SEEDS)
def test_every_block_that_vllm_announces_is_in_the_log_at_the_same_time_and_in_the_same_order(
    both: BothTaps, seed: int
) -> None:
    announced, logged = both.announced(seed), both.logged(seed)
    assert logged == announced
    assert len(announced) == both.result[seed]["announced"]


def test_the_workloads_store_evict_and_preempt(both: BothTaps) -> None:
    kinds = {seed: {what for _, what, _ in both.announced(seed)} for seed in SEEDS}
    assert kinds.pop(NOT_CACHING) == set()
    assert all("store" in found for found in kinds.values())
    for several in (OF_MOONCAKE, [seed for seed in SEEDS if seed not in OF_MOONCAKE]):
        assert sum("evict" in kinds[seed] for seed in several if seed in kinds) >= 3
        assert sum(both.result[seed]["preemptions"] > 0 for seed in several) >= 2
