"""The replay is the real engine: vLLM's CPU engine generates, its token traces are replayed, every step is compared.

The virtual clock counts steps (each takes one second), so that requests arrive between the same two steps.
"""

import gzip
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.engine.environment import engine_of
from harness.engine.study_worker import run_worker
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from tests.engine.real_workloads import BLOCK, Workload, workloads

pytestmark = [pytest.mark.engine, pytest.mark.beside]

WORKLOADS = workloads(seed=6)
PAIRS = [(name, loop) for name, workload in WORKLOADS.items() for loop in workload.loops]
CLOCK = {"base_s": 1.0, "prefill_token_s": 0.0, "decode_seq_s": 0.0, "context_token_s": 0.0}
# Name → workload, what is replayed differently.
OTHERWISE: dict[str, tuple[str, dict[str, Any]]] = {
    "another-watermark": ("static-watermark", {"watermark": 0.0}),
    "one-block-less": ("preemption", {"num_blocks": WORKLOADS["preemption"].engine["num_blocks"] - 1}),
    "no-caching": ("system-prompt", {"prefix_caching": False}),
    "one-token-less": ("chunked-prefill", {"max_num_batched_tokens": 63}),
    "vllms-own-class": ("custom-class", {"scheduler_cls": None}),
}


@dataclass(frozen=True)
class Compared:
    """Where the real engine's and the replays' folders are (``<name>-real``, ``<name>-<loop>``)."""

    folder: Path

    def lines(self, which: str, file: str) -> list[Any]:
        return [json.loads(line) for line in (self.folder / which / file).read_text(encoding="utf-8").splitlines()]

    def events(self, which: str) -> list[dict[str, Any]]:
        with gzip.open(self.folder / which / "events.jsonl.gz", "rt", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def counters(self, which: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / which / "counters.json").read_text(encoding="utf-8"))
        return found


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Every workload on the real engine, then its trace through both loops (a minute on two cores)."""
    engine = engine_of(load_pin(DEFAULT_CPU_PIN))
    if engine.installed_as() is None:
        pytest.skip("the default engine is not installed: bash run_tests.sh --setup-only")
    folder = tmp_path_factory.mktemp("faithful")
    real = [
        {"out": str(folder / f"{name}-real"), "engine": each.engine, "requests": each.requests}
        for name, each in WORKLOADS.items()
    ]
    replays = [replay(folder, name, loop, f"{name}-{loop}", {}) for name, loop in PAIRS]
    replays += [replay(folder, name, "stock", case, changed) for case, (name, changed) in OTHERWISE.items()]
    for worker, request in (
        ("experiments.prefix_sharing.worker_real_engine", {"workloads": real}),
        ("experiments.model_free.worker_replay", {"replays": replays, "processes": 1}),
    ):
        paths = folder / f"{worker}.request.json", folder / f"{worker}.result.json"
        paths[0].write_text(json.dumps(request), encoding="utf-8")
        run_worker(engine.python, worker, paths, {"PYTHONDONTWRITEBYTECODE": "1"}, worker, 400)
    return Compared(folder)


def replay(folder: Path, name: str, loop: str, out: str, changed: dict[str, Any]) -> dict[str, Any]:
    """The request for a replay of what the real engine recorded."""
    asked = {
        "headroom": None,
        "offload": None,
        "policy": "lru",
        "step_time": CLOCK,
        "events": True,
        "steps": True,
        "limit": None,
        "loop": loop,
    }
    trace = str(folder / f"{name}-real" / "trace.jsonl")
    return WORKLOADS[name].engine | asked | {"trace": trace, "out": str(folder / out)} | changed


def first_difference(ours: list[Any], theirs: list[Any]) -> tuple[int, Any, Any] | None:
    """Where two sequences part, and what each has there."""
    for place in range(max(len(ours), len(theirs))):
        pair = tuple(each[place] if place < len(each) else "nothing more" for each in (ours, theirs))
        if pair[0] != pair[1]:
            return place, *pair
    return None


@pytest.mark.parametrize(("name", "loop"), PAIRS)
def test_every_step_schedules_preempts_and_finds_cached_what_the_real_engine_did(
    compared: Compared, name: str, loop: str
) -> None:
    real = compared.lines(f"{name}-real", "steps.jsonl")
    replayed = compared.lines(f"{name}-{loop}", "steps.jsonl")
    assert first_difference(replayed, real) is None
    assert compared.counters(f"{name}-{loop}")["steps"] == len(real) >= 40


@pytest.mark.parametrize(("name", "loop"), PAIRS)
def test_every_admission_is_in_the_same_step_with_the_same_cached_tokens_also_after_a_preemption(
    compared: Compared, name: str, loop: str
) -> None:
    real = sorted(map(tuple, compared.lines(f"{name}-real", "admissions.jsonl")))
    replayed = sorted(
        (event["t"], event["request"], event["hit_tokens"], event["resumed"])
        for event in compared.events(f"{name}-{loop}")
        if event["event"] == "admit"
    )
    assert first_difference(replayed, real) is None
    assert len(real) >= len(WORKLOADS[name].requests)


@pytest.mark.parametrize(("name", "loop"), PAIRS)
def test_blocks_are_cached_and_evicted_in_the_order_that_the_real_engine_announced(
    compared: Compared, name: str, loop: str
) -> None:
    real = compared.lines(f"{name}-real", "blocks.jsonl")
    replayed = [
        (event["event"], content)
        for event in compared.events(f"{name}-{loop}")
        if event["event"] in ("store", "evict")
        for content in event["contents"]
    ]
    assert first_difference(renamed(replayed), renamed(real)) is None
    assert bool(real) == WORKLOADS[name].engine["prefix_caching"]


def renamed(blocks: list[Any]) -> list[tuple[str, int]]:
    """Contents numbered as they first appear: the engine knows them by hash, the replay by number."""
    numbers: dict[Any, int] = {}
    return [(what, numbers.setdefault(content, len(numbers))) for what, content in blocks]


@pytest.mark.parametrize(("name", "loop"), PAIRS)
def test_as_many_blocks_are_taken_found_and_lost_to_preemption_as_in_the_real_engine(
    compared: Compared, name: str, loop: str
) -> None:
    counters = compared.counters(f"{name}-{loop}")
    assert {
        "preemptions": counters["preemptions"],
        "blocks_allocated": counters["blocks_allocated"],
        "blocks_hit": counters["blocks_reused"] + counters["blocks_recovered"],
    } == real_counts(compared, name)
    assert counters["finished"] == len(WORKLOADS[name].requests)


def real_counts(compared: Compared, name: str) -> dict[str, int]:
    result = compared.folder / "experiments.prefix_sharing.worker_real_engine.result.json"
    counted = json.loads(result.read_text(encoding="utf-8"))["workloads"][list(WORKLOADS).index(name)]
    return {key: counted[key] for key in ("preemptions", "blocks_allocated", "blocks_hit")}


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_makes_happen_what_it_is_there_for(compared: Compared, name: str) -> None:
    found = facts(compared, name)
    assert {fact: found[fact] for fact in WORKLOADS[name].contains if found[fact] == 0} == {}


def facts(compared: Compared, name: str) -> dict[str, int]:
    """What happened in the real engine, counted from its own record."""
    workload: Workload = WORKLOADS[name]
    trace = compared.lines(f"{name}-real", "trace.jsonl")
    steps = compared.lines(f"{name}-real", "steps.jsonl")
    admissions = compared.lines(f"{name}-real", "admissions.jsonl")
    blocks = compared.lines(f"{name}-real", "blocks.jsonl")
    first = {each: cached for _, each, cached, resumed in admissions if not resumed}
    prompts = {row["request_id"]: len(row["prompt_token_ids"]) for row in trace}
    begun = {each: scheduled[each] for scheduled, _, admitted in steps for each in admitted}
    times = Counter(tuple(row["prompt_token_ids"]) for row in trace)
    clock = [time for time, *_ in admissions]
    # A dialogue's turn that finds more than its predecessor's prompt finds blocks of the answer.
    predecessor = {
        row["request_id"]: prompts[earlier["request_id"]]
        for row in trace
        for earlier in trace
        if row["session_id"] is not None
        and (earlier["session_id"], earlier["turn"] + 1) == (row["session_id"], row["turn"])
    }
    return {
        "at_once": int(len({row["arrival_s"] for row in trace}) == 1),
        "admitting_steps": int(len(set(clock)) > 20) * len(set(clock)),
        "idle_times": int(max(clock, default=0) > len(steps)),
        "preemptions": sum(len(preempted) for _, preempted, _ in steps),
        "hit_tokens": sum(first.values()),
        "recovered_tokens": sum(cached for _, _, cached, resumed in admissions if resumed),
        "chunks": sum(cached + begun[each] < prompts[each] for each, cached in first.items()),
        "evictions": sum(what == "evict" for what, _ in blocks),
        "full_house": sum(len(scheduled) == workload.engine["max_num_seqs"] for scheduled, _, _ in steps),
        "whole_prompts": sum(length % BLOCK == 0 for length in prompts.values()),
        "twins": sum(count - 1 for count in times.values()),
        "all_share": int(len({tuple(row["prompt_token_ids"][:BLOCK]) for row in trace}) == 1),
        "one_token": int({len(row["output_token_ids"]) for row in trace} == {1}),
        "answers_found": sum(first[each] > length for each, length in predecessor.items()),
    }


@pytest.mark.parametrize("case", OTHERWISE)
def test_a_replay_of_something_else_is_told_apart(compared: Compared, case: str) -> None:
    real = compared.lines(f"{OTHERWISE[case][0]}-real", "steps.jsonl")
    assert first_difference(compared.lines(case, "steps.jsonl"), real) is not None
