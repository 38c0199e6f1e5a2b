"""The fast loop is the stock loop: random workloads through both, compared in every number, event and step."""

import gzip
import json
import random
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.engine.environment import engine_of
from harness.engine.study_worker import run_worker
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from tests.beside import MOONCAKE_CONVERSATION, TRACES
from tests.replay_traces import MOONCAKE_BLOCK, longest_tokens, mooncake_rows, token_rows, write_trace

pytestmark = [pytest.mark.engine, pytest.mark.beside]

WORKER = "experiments.model_free.worker_replay"
STEP_TIME = {"base_s": 5e-3, "prefill_token_s": 2e-5, "decode_seq_s": 5e-5, "context_token_s": 1e-8}
STEPS = "steps.jsonl"
FILES = ("requests.csv", "reuse_gaps.csv", "block_hits.csv", "occupancy.csv", STEPS)
SEEDS = range(20)
MORE_SEEDS = range(100, 250)
WITH_HEADROOM = (*SEEDS[14:], *MORE_SEEDS[::3])
OF_MOONCAKE = (*SEEDS[:14:2], *SEEDS[14::4])
HEADROOMS: tuple[dict[str, Any], ...] = (
    {"policy": "probabilistic", "sigmas": 1.0, "of": "length", "quantiles": [1, 2, 5, 25, 90, 120, 700]},
    {"policy": "naive", "factor": 9.4},
    {"policy": "target", "blocks_per_sequence": 5.2},
    {"policy": "probabilistic", "sigmas": 0.5, "of": "residual", "quantiles": [-20, -3, 0, 4, 50]},
    {"policy": "naive", "factor": 0.6},
)
POLICIES = ("lru", "lru", "lru", "lru-control", "fifo", "lfu", "oracle")


@dataclass(frozen=True)
class Workload:
    """A trace and how it is replayed."""

    rows: list[dict[str, Any]]
    asked: dict[str, Any]


def workload(seed: int, folder: Path) -> Workload:
    """Everything about it is drawn from the seed; the cache holds just the longest request, some more, or plenty."""
    chance = random.Random(1000 + seed)
    of_mooncake = seed in OF_MOONCAKE
    rows = mooncake_rows(seed) if of_mooncake else token_rows(seed)
    block_size = chance.choice([16, 32, 128, 512] if of_mooncake else [1, 2, 4, 16])
    longest = longest_tokens(rows)
    least = -(-longest // block_size) + 1
    asked = {
        "trace": str(write_trace(folder / f"{seed}.jsonl", rows)),
        "block_size": block_size,
        "num_blocks": 1 + least + chance.choice([0, least // 4, least // 2, 2 * least, 50 * least]),
        "prefix_caching": chance.random() < 0.85,
        "policy": POLICIES[seed % len(POLICIES)],
        "watermark": chance.choice([0.0, 0.0, 0.01, 0.1]),
        "headroom": HEADROOMS[seed % len(HEADROOMS)] if seed in WITH_HEADROOM else None,
        "offload": None,
        "max_num_seqs": chance.choice([2, 8, 256]),
        "max_num_batched_tokens": chance.choice([256, 1000, 8192]),
        "max_model_len": longest + 1,
        "scheduler_cls": None,
        "step_time": STEP_TIME,
        "events": True,
        "steps": True,
        "limit": None,
    }
    return Workload(rows, asked)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[int, Workload], Path]:
    """Every workload through both loops (``<seed>-fast``, ``<seed>-stock``, ``<seed>-bare``), in one process."""
    engine = engine_of(load_pin(DEFAULT_CPU_PIN))
    if engine.installed_as() is None:
        pytest.skip("the default engine is not installed: bash run_tests.sh --setup-only")
    folder = tmp_path_factory.mktemp("loops")
    workloads = {seed: workload(seed, folder) for seed in SEEDS}
    replays = through_both_loops(workloads, folder)
    # The control: vLLM's own queue and a policy queue with the same order, on a workload that evicts.
    replays += [
        {**workloads[0].asked, "policy": policy, "prefix_caching": True, "loop": "stock", "out": str(folder / policy)}
        for policy in ("lru", "lru-control")
    ]
    replays += [
        {**unbounded(workloads[seed]), "loop": "fast", "out": str(folder / f"{seed}-unbounded")} for seed in OF_MOONCAKE
    ]
    if (trace := TRACES.find(MOONCAKE_CONVERSATION)) is not None:
        replays.append(
            {
                **workloads[0].asked,
                "trace": str(trace),
                "block_size": 512,
                "num_blocks": 310_000,
                "prefix_caching": True,
                "max_model_len": 200_000,
                "policy": "lru",
                "watermark": 0.0,
                "headroom": None,
                "max_num_seqs": 256,
                "max_num_batched_tokens": 8192,
                "events": False,
                "steps": False,
                "loop": "fast",
                "out": str(folder / "mooncake"),
            }
        )
    request = folder / "request.json"
    request.write_text(json.dumps({"replays": replays, "processes": 1}), encoding="utf-8")
    run_worker(engine.python, WORKER, (request, folder / "result.json"), {}, "the replays", 400)
    return workloads, folder


def through_both_loops(workloads: dict[int, Workload], folder: Path) -> list[dict[str, Any]]:
    """What is asked of the worker. ``bare``: the fast loop as users run it; asked for steps, it takes no short cut."""
    bare = {"steps": False, "events": False}
    return [
        {**each.asked, **more, "loop": loop, "out": str(folder / f"{seed}-{name}")}
        for seed, each in workloads.items()
        for name, loop, more in (("fast", "fast", {}), ("stock", "stock", {}), ("bare", "fast", bare))
    ]


def unbounded(each: Workload) -> dict[str, Any]:
    """The same trace with room for everything."""
    tokens = longest_tokens(each.rows) * len(each.rows)
    blocks = tokens // each.asked["block_size"] + 2 * len(each.rows) + 2
    return {
        **each.asked,
        "policy": "lru",
        "prefix_caching": True,
        "watermark": 0.0,
        "headroom": None,
        "num_blocks": blocks,
    }


def counters(folder: Path) -> dict[str, Any]:
    """Of a replay, without what depends on the machine."""
    found: dict[str, Any] = json.loads((folder / "counters.json").read_text(encoding="utf-8"))
    return {name: value for name, value in found.items() if name not in ("wall_s", "max_rss_bytes")}


def events(folder: Path) -> list[str]:
    with gzip.open(folder / "events.jsonl.gz", "rt", encoding="utf-8") as file:
        return list(file)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_loops_come_to_the_same_in_every_number_file_event_and_step(
    replayed: tuple[dict[int, Workload], Path], seed: int
) -> None:
    assert_alike(replayed[1], seed)


def assert_alike(folder: Path, seed: int) -> None:
    fast, stock, bare = (folder / f"{seed}-{name}" for name in ("fast", "stock", "bare"))
    assert counters(fast) == counters(stock) == counters(bare)
    assert events(fast) == events(stock)
    for name in FILES:
        assert (fast / name).read_bytes() == (stock / name).read_bytes(), name
        assert name == STEPS or (bare / name).read_bytes() == (stock / name).read_bytes(), name


def decoding_only(folder: Path, seed: int) -> int:
    """Steps of a workload in which the same sequences decode as in the step before, and nobody else does anything."""
    steps = [json.loads(line) for line in (folder / f"{seed}-stock" / STEPS).read_text(encoding="utf-8").splitlines()]
    return sum(now[0] == before[0] and set(now[0].values()) == {1} for before, now in pairwise(steps))


@pytest.mark.slow
def test_both_loops_come_to_the_same_on_many_more_workloads(tmp_path: Path) -> None:
    workloads = {seed: workload(seed, tmp_path) for seed in MORE_SEEDS}
    request = tmp_path / "request.json"
    request.write_text(
        json.dumps({"replays": through_both_loops(workloads, tmp_path), "processes": 2}), encoding="utf-8"
    )
    python = engine_of(load_pin(DEFAULT_CPU_PIN)).python
    run_worker(python, WORKER, (request, tmp_path / "result.json"), {}, "the replays", 1200)
    for seed in workloads:
        assert_alike(tmp_path, seed)


def test_the_random_workloads_contain_what_the_loops_could_differ_in(
    replayed: tuple[dict[int, Workload], Path],
) -> None:
    workloads, folder = replayed
    found = {seed: counters(folder / f"{seed}-stock") for seed in workloads}
    assert sum(each["preemptions"] > 0 for each in found.values()) >= 4
    assert sum(each["blocks_recovered"] > 0 for each in found.values()) >= 3
    assert sum(each["evictions"] > 0 for each in found.values()) >= 6
    assert sum(each["blocks_reused_within_session"] > 0 for each in found.values()) >= 4
    assert sum(decoding_only(folder, seed) for seed in workloads) >= 1000  # what the fast loop coasts through
    assert all(each["finished"] == len(workloads[seed].rows) for seed, each in found.items())


def test_a_policy_queue_in_the_order_of_vllms_own_changes_nothing(
    replayed: tuple[dict[int, Workload], Path],
) -> None:
    _, folder = replayed
    assert counters(folder / "lru")["evictions"] > 0
    assert events(folder / "lru") == events(folder / "lru-control")


def test_the_oracle_evicts_what_is_needed_last_and_never_a_beginning_before_what_follows_it(tmp_path: Path) -> None:
    workloads = {seed: workload(seed, tmp_path) for seed in SEEDS[:4]}
    least = {seed: -(-longest_tokens(each.rows) // each.asked["block_size"]) + 1 for seed, each in workloads.items()}
    tight = {"policy": "oracle", "prefix_caching": True, "loop": "stock", "watermark": 0.0, "max_num_seqs": 8}
    replays = [
        {**each.asked, **tight, "num_blocks": 2 * least[seed], "out": str(tmp_path / f"{seed}-oracle")}
        for seed, each in workloads.items()
    ]
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"replays": replays, "processes": 1}), encoding="utf-8")
    python = engine_of(load_pin(DEFAULT_CPU_PIN)).python
    module = "tests.engine.worker_checked_oracle"
    run_worker(python, module, (request, tmp_path / "result.json"), {}, "the oracle's replays", 400)
    found = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert found["evictions"] > 200
    assert (found["wrong"], found["orphaned"]) == (0, 0)


@pytest.mark.parametrize("seed", OF_MOONCAKE)
def test_hits_in_an_unbounded_cache_are_those_of_a_set_of_hash_ids(
    replayed: tuple[dict[int, Workload], Path], seed: int
) -> None:
    workloads, folder = replayed
    each = workloads[seed]
    assert counters(folder / f"{seed}-unbounded")["hit_tokens"] == hits_of_a_set(each.rows, each.asked["block_size"])


def test_hits_of_the_conversation_trace_in_an_unbounded_cache_are_those_of_a_set_of_hash_ids(
    replayed: tuple[dict[int, Workload], Path],
) -> None:
    trace = TRACES.need(MOONCAKE_CONVERSATION)
    rows = [json.loads(line) for line in trace.read_text(encoding="utf-8").splitlines()]
    found = counters(replayed[1] / "mooncake")
    assert found["finished"] == len(rows)
    assert found["hit_tokens"] == hits_of_a_set(rows, 512)


def hits_of_a_set(rows: list[dict[str, Any]], block_size: int) -> int:
    """Tokens found, counted without blocks: leading parts of ids seen before, whole blocks, never the last token.

    A part of an id is seen once a prompt has filled it: prompts end inside ids.
    """
    seen: set[tuple[int, int]] = set()
    tokens = 0
    for row in rows:
        parts = MOONCAKE_BLOCK // block_size
        chain = [(hash_id, part) for hash_id in row["hash_ids"] for part in range(parts)]
        whole = row["input_length"] // block_size
        findable = (row["input_length"] - 1) // block_size
        hits = next((i for i, part in enumerate(chain[:findable]) if part not in seen), findable)
        tokens += hits * block_size
        seen.update(chain[:whole])
    return tokens
