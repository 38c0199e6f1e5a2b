"""Swap: vLLM's offload connector decides, transfers run on the virtual clock; nobody is lost, everything adds up."""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.engine.environment import engine_of
from harness.engine.study_worker import run_worker
from harness.record.event_log import read_events
from harness.record.replay import EVENTS
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from tests.replay_recount import Recounted, recount
from tests.replay_traces import longest_tokens, mooncake_rows, token_rows, write_trace

pytestmark = [pytest.mark.engine, pytest.mark.beside]

WORKER = "tests.engine.worker_checked_offload"
STEP_TIME = {"base_s": 5e-3, "prefill_token_s": 2e-5, "decode_seq_s": 5e-5, "context_token_s": 1e-8}
SEEDS = range(18)
HEADROOMS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"policy": "naive", "factor": 6.0},
    {"policy": "target", "blocks_per_sequence": 6.4},
)
BLOCK_BYTES = 1000
SLOW, FAST, AT_ONCE = 20.0 * BLOCK_BYTES, 3000.0 * BLOCK_BYTES, 1e30  # bytes/s; a step takes 5 ms and more
ANSWERS = {"recompute": None, "swap": AT_ONCE, "slow swap": SLOW / 20}


def random_replay(seed: int, folder: Path) -> dict[str, Any]:
    """Everything about it is drawn from the seed; the GPU holds the longest request and not much more."""
    chance = random.Random(seed)
    rows = mooncake_rows(seed, 16, 4) if seed % 4 == 1 else token_rows(seed)
    block_size = chance.choice([64, 128] if seed % 4 == 1 else [1, 4, 16])
    longest = longest_tokens(rows)
    least = -(-longest // block_size) + 1
    return {
        "trace": str(write_trace(folder / f"{seed}.jsonl", rows)),
        "out": str(folder / str(seed)),
        "block_size": block_size,
        "num_blocks": 1 + least + chance.choice([0, 0, least // 4, least]),
        "prefix_caching": True,
        "policy": "lru",
        "watermark": 0.0,
        "headroom": HEADROOMS[seed % 3],
        "offload": {
            "cpu_blocks": chance.choice([2, 3, least, 20 * least]),
            "block_bytes": BLOCK_BYTES,
            "bandwidth_bytes_s": chance.choice([SLOW, FAST, AT_ONCE]),
            "lazy": seed % 2 == 1,
        },
        "max_num_seqs": chance.choice([4, 16, 256]),
        "max_num_batched_tokens": chance.choice([256, 8192]),
        "max_model_len": longest + 1,
        "loop": "stock",
        "scheduler_cls": None,
        "step_time": STEP_TIME,
        "events": True,
        "steps": True,
        "limit": None,
    }


def growing_answers(folder: Path) -> list[dict[str, Any]]:
    """Sequences of two blocks of prompt that grow to eight, many at once: without head-room most are preempted."""
    chance = random.Random(1)
    rows = [
        {
            "request_id": str(number),
            "session_id": None,
            "turn": None,
            "arrival_s": number * 0.02,
            "prompt_token_ids": [chance.randrange(1000) for _ in range(32)],
            "output_token_ids": [chance.randrange(1000) for _ in range(88)],
        }
        for number in range(100)
    ]
    asked = random_replay(0, folder) | {"trace": str(write_trace(folder / "growing.jsonl", rows)), "headroom": None}
    asked |= {"block_size": 16, "num_blocks": 81, "max_num_seqs": 256, "max_model_len": 121}
    return [
        asked
        | {"out": str(folder / name)}
        | {
            "offload": None
            if speed is None
            else {"cpu_blocks": 1200, "block_bytes": BLOCK_BYTES, "bandwidth_bytes_s": speed, "lazy": False}
        }
        for name, speed in ANSWERS.items()
    ]


def small_host(folder: Path) -> dict[str, Any]:
    """Lazy stores to a host that is smaller than the GPU, slowly: it forgets, and is given the same again and again."""
    rows = mooncake_rows(9)
    least = -(-longest_tokens(rows) // 128) + 1
    return random_replay(9, folder) | {
        "trace": str(write_trace(folder / "small-host.jsonl", rows)),
        "out": str(folder / "small-host"),
        "block_size": 128,
        "num_blocks": least + least // 4 + 1,
        "max_model_len": longest_tokens(rows) + 1,
        "max_num_batched_tokens": 256,
        "headroom": None,
        "offload": {"cpu_blocks": least, "block_bytes": BLOCK_BYTES, "bandwidth_bytes_s": SLOW, "lazy": True},
    }


@dataclass(frozen=True)
class Replayed:
    """Of one replay."""

    asked: dict[str, Any]
    seen: dict[str, Any]  # by the worker, from inside

    @property
    def counters(self) -> dict[str, Any]:
        """What it counted."""
        return self.seen["counters"]

    @property
    def events(self) -> list[dict[str, Any]]:
        """Its log."""
        return [event for _, event in read_events(Path(self.asked["out"]) / EVENTS)]

    def recounted(self) -> Recounted:
        """Counted again from its log."""
        return recount(read_events(Path(self.asked["out"]) / EVENTS), self.asked["block_size"])


@pytest.fixture(scope="module")
def replays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Replayed]:
    """By name: seeds, and kinds of answers."""
    engine = engine_of(load_pin(DEFAULT_CPU_PIN))
    if engine.installed_as() is None:
        pytest.skip("the default engine is not installed: bash run_tests.sh --setup-only")
    folder = tmp_path_factory.mktemp("offload")
    asked = [random_replay(seed, folder) for seed in SEEDS] + growing_answers(folder)
    asked.append(small_host(folder))
    request, result = folder / "request.json", folder / "result.json"
    request.write_text(json.dumps({"replays": asked}), encoding="utf-8")
    run_worker(engine.python, WORKER, (request, result), {"PYTHONDONTWRITEBYTECODE": "1"}, "the replays", 300)
    seen = json.loads(result.read_text(encoding="utf-8"))["replays"]
    return {Path(one["out"]).name: Replayed(one, each) for one, each in zip(asked, seen, strict=True)}


NAMES = [*map(str, SEEDS), *ANSWERS, "small-host"]


@pytest.mark.parametrize("name", NAMES)
def test_every_request_finishes_and_every_block_is_let_go_of(replays: dict[str, Replayed], name: str) -> None:
    one = replays[name]
    assert one.counters["finished"] == one.counters["requests"] > 0
    assert one.seen.get("gpu_held", 0) == one.seen.get("cpu_held", 0) == 0


@pytest.mark.parametrize("name", NAMES)
def test_what_was_counted_is_counted_again_from_the_log(replays: dict[str, Replayed], name: str) -> None:
    one = replays[name]
    counters, found = dict(one.counters), one.recounted().counters
    tokens = counters.pop("prefill_tokens_scheduled") + counters.pop("decode_tokens_scheduled")
    for not_told in ("wall_s", "max_rss_bytes", "cache_blocks"):
        del counters[not_told]
    assert {each: found.get(each, 0) for each in counters} == counters
    assert found["tokens_scheduled"] == tokens
    assert (counters["blocks_swapped_out"] > 0) == (counters["swap_outs"] > 0)
    assert counters["swapped_in_tokens"] == counters["blocks_swapped_in"] * one.asked["block_size"]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_host_has_the_blocks_asked_for_and_gives_back_what_it_was_given(
    replays: dict[str, Replayed], seed: int
) -> None:
    one = replays[str(seed)]
    asked = one.asked["offload"]["cpu_blocks"]
    assert one.seen["cpu_blocks"] == asked
    assert one.seen["cpu_used"] <= asked - 1  # vLLM's null block holds nothing
    assert one.seen["loaded"] == one.counters["blocks_swapped_in"]
    assert one.seen["wrong"] == 0


def test_the_workloads_swap_preempt_and_wait_for_transfers(replays: dict[str, Replayed]) -> None:
    ways = [(headroom, lazy) for headroom in range(3) for lazy in (0, 1)]
    for headroom, lazy in ways:
        counted = [replays[str(seed)].counters for seed in SEEDS if (seed % 3, seed % 2) == (headroom, lazy)]
        assert any(each["swap_ins"] > 0 for each in counted), (headroom, lazy)
        assert any(each["swap_outs"] > 0 and each["preemptions"] > 0 for each in counted), (headroom, lazy)
    assert sum(waits(replays[str(seed)]) for seed in SEEDS) >= 10


def waits(one: Replayed) -> int:
    """How many requests had to wait for their blocks to be filled, longer than no time."""
    begun: dict[str, float] = {}
    found = 0
    for event in one.events:
        if event["event"] == "swap_in":
            begun[event["request"]] = event["t"]
        elif event["event"] == "admit" and event["request"] in begun:
            found += event["t"] > begun.pop(event["request"])
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_runs_before_its_transfer_could_be_over(replays: dict[str, Replayed], seed: int) -> None:
    one = replays[str(seed)]
    block_s = BLOCK_BYTES / one.asked["offload"]["bandwidth_bytes_s"]
    ordered: dict[str, tuple[float, int]] = {}
    for event in one.events:
        if event["event"] == "swap_in":
            ordered[event["request"]] = event["t"], len(event["blocks"])
        elif event["event"] == "swapped_in":
            begin, blocks = ordered[event["request"]]
            assert event["t"] >= begin + blocks * block_s


def test_what_was_swapped_out_need_not_be_computed_again(replays: dict[str, Replayed]) -> None:
    recompute, swap = replays["recompute"].counters, replays["swap"].counters
    assert recompute["preemptions"] > 50
    assert recompute["swap_outs"] == recompute["swap_ins"] == recompute["swapped_in_tokens"] == 0
    assert swap["recomputed_tokens"] < recompute["recomputed_tokens"] / 2
    assert swap["blocks_swapped_in"] > swap["preemptions"]
    assert swap["prefill_tokens_scheduled"] < recompute["prefill_tokens_scheduled"]
    back = [event for event in replays["swap"].events if event["event"] == "swap_in"]
    preempted = {event["request"] for event in replays["swap"].events if event["event"] == "preempt"}
    assert back
    assert {event["request"] for event in back} <= preempted  # prompts share nothing: nobody else finds anything


def test_a_slow_link_is_felt(replays: dict[str, Replayed]) -> None:
    assert replays["slow swap"].counters["virtual_s"] > replays["swap"].counters["virtual_s"]


def test_a_step_that_preempts_waits_for_every_transfer_under_way(replays: dict[str, Replayed]) -> None:
    events = replays["slow swap"].events
    under_way: dict[int, float] = {}  # transfer → when it was ordered
    waited = 0
    for index, event in enumerate(events):
        if event["event"] == "swap_out":
            under_way.setdefault(event["transfer"], event["t"])
        elif event["event"] == "swapped_out":
            del under_way[event["transfer"]]
        elif event["event"] == "preempt":
            before = {transfer for transfer, ordered in under_way.items() if ordered < event["t"]}
            later = [each for each in events[index:] if each["t"] > event["t"]]
            step = [each for each in later if each["t"] == later[0]["t"]]  # what is known at its end
            assert before <= {each["transfer"] for each in step if each["event"] == "swapped_out"}
            waited += len(before)
    assert waited > 10
