"""The deployment's routers over simulated replicas: what each decides, and what no router may do."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from harness.engine.environment import Engine, engine_of
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError
from harness.measure.simulate import SimulationJob, simulate
from harness.record.replay import StepTime
from harness.record.routing_tables import EXACT, POWER_OF_TWO, PREFIX, ROUND_ROBIN, SESSION, STRATEGIES
from harness.record.simulated import REQUESTS, Simulated, SimulationParameters
from harness.spec.pin import load_pin
from tests.replay_traces import mooncake_rows, token_rows, write_trace

pytestmark = [pytest.mark.engine, pytest.mark.beside, pytest.mark.slow]

PIN = "ray-2.60-vllm-0.32.0-cpu"
STEP = StepTime(base_s=0.01, prefill_token_s=1e-5, decode_seq_s=0.0, context_token_s=0.0)


LONG = "abcdefghijklmnopqrst"
FILLER = [chr(0x100 + number) for number in range(208)]
FOLLOWED = [(number * 7) % 3 for number in range(30)]
REQUESTS_OF = {"tokens": token_rows(7), "mooncake": mooncake_rows(8)}


@pytest.fixture(scope="module")
def engine() -> Engine:
    found = engine_of(load_pin(PIN))
    if found.installed_as() is None:
        pytest.skip(f"{PIN} is not installed: python3 harness engines install --pin {PIN}")
    return found


def row(at_s: float, session: str, prompt: str, output: int = 2) -> dict[str, Any]:
    """A request whose tokens are the numbers of the prompt's letters."""
    ids = [ord(letter) for letter in prompt]
    return {"session_id": session, "arrival_s": at_s, "prompt_token_ids": ids, "output_token_ids": [7] * output}


def job(trace: Path, strategy: str, replicas: int = 2, seed: int = 3, **more: Any) -> SimulationJob:
    decisions = more.pop("decisions", None)
    rest = {"num_blocks": 2000, "router": {}, "block_size": 4, "step_time": STEP, "max_num_batched_tokens": 8192} | more
    return SimulationJob(trace, SimulationParameters(strategy, replicas, seed=seed, **rest), None, decisions)


def cells(run: Simulated, name: str) -> list[Any]:
    """A column of the requests."""
    place = list(REQUESTS.columns).index(name)
    return [each[place] for each in run.requests]


def bare(run: Simulated) -> tuple[Any, ...]:
    """Without what depends on the machine and the moment."""
    return dataclasses.replace(run.facts.result, wall_s=0.0), run.requests


def jobs(folder: Path) -> dict[str, SimulationJob]:
    """Everything that is simulated here, by name: an engine takes longer to start than all of it."""
    found = {}

    def add(name: str, rows: list[dict[str, Any]], strategies: tuple[str, ...], replicas: int = 2, **more: Any) -> None:
        trace = write_trace(folder / f"{name}.jsonl", rows)
        for strategy in strategies:
            key = name if len(strategies) == 1 else f"{name} {strategy}"
            found[key] = job(trace, strategy, replicas, **more)

    add("tokens", REQUESTS_OF["tokens"], STRATEGIES, 3, max_ongoing_requests=2)
    add("mooncake", REQUESTS_OF["mooncake"], STRATEGIES, 3, max_ongoing_requests=2, block_size=512)
    add("alone", mooncake_rows(4), STRATEGIES, 1, block_size=512)
    prefix = [
        row(0.0, "a", LONG * 4),  # an empty tree: all replicas have as little
        row(10.0, "b", "ABCDEFGH" * 5),  # nothing in common: where fewer characters are
        row(20.0, "a", LONG * 4 + "xyz"),  # 80 of 83 characters
        row(30.0, "b", "ABCDEFGH" * 5 + "uvwxyz"),
        row(40.0, "c", "0123456789" * 4),  # nothing in common: 46 characters there, 83 here
        *(row(50.0, "a", LONG * 4 + "xyz", 200) for _ in range(6)),
    ]
    add("prefix", prefix, (PREFIX,), router={"imbalanced_threshold": 3})
    exact = [
        row(0.0, "a", LONG[:16]),
        row(1.0, "b", "ABCDEFGHIJKLMNOP"),
        row(2.0, "a", LONG[:16] + "qrstuvwx"),  # 16 of 24 tokens are cached
        row(3.0, "c", "".join(FILLER[:104])),  # evicts whatever is where it goes
        row(4.0, "d", "".join(FILLER[104:])),
        row(5.0, "a", LONG[:16] + "qrstuvwx"),  # nowhere any more
    ]
    add("exact", exact, (EXACT,), num_blocks=28)
    turns = [row(float(turn), f"s{turn % 5}", "abcdefgh" * (1 + turn)) for turn in range(40)]
    add("turns", turns, (SESSION, ROUND_ROBIN), 4)
    add("full", [row(0.0, f"s{n}", "abcd" * (n + 2), 20) for n in range(12)], STRATEGIES, max_ongoing_requests=1)
    add("limit", [row(0.0, "s", "abcdefgh", 10) for _ in range(9)], (POWER_OF_TWO,), max_concurrency=3)
    decisions = folder / "decisions.json"
    decisions.write_text(json.dumps(dict(enumerate(FOLLOWED))), encoding="utf-8")
    add("followed", token_rows(3, 30), (PREFIX,), 3, decisions=decisions)
    return found


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> list[dict[str, Simulated]]:
    """Every job, simulated in two processes."""
    folder = tmp_path_factory.mktemp("simulated")
    wanted = jobs(folder)
    found = [simulate(list(wanted.values()), engine, folder / store, "node", 300) for store in ("one", "two")]
    assert simulate(list(wanted.values()), engine, folder / "one", "node", 0.001) == found[0], "stored, not made again"
    return [dict(zip(wanted, runs, strict=True)) for runs in found]


@pytest.fixture(scope="module")
def runs(twice: list[dict[str, Simulated]]) -> dict[str, Simulated]:
    return twice[0]


def test_the_same_seed_simulates_the_same_in_every_process(twice: list[dict[str, Simulated]]):
    for name, run in twice[0].items():
        assert bare(run) == bare(twice[1][name]), name


@pytest.mark.parametrize("kind", REQUESTS_OF)
def test_every_strategy_serves_every_request_and_token(runs: dict[str, Simulated], kind: str):
    requests = REQUESTS_OF[kind]
    tokens = sum(r["input_length"] if "input_length" in r else len(r["prompt_token_ids"]) for r in requests)
    for strategy in STRATEGIES:
        run = runs[f"{kind} {strategy}"]
        assert cells(run, "request") == list(range(len(requests)))
        assert sum(run.facts.result.requests) == len(requests)
        assert sum(run.facts.result.prompt_tokens) == tokens


def test_one_replica_finds_the_same_whoever_routes(runs: dict[str, Simulated]):
    alone = [runs[f"alone {strategy}"] for strategy in STRATEGIES]
    assert len({run.facts.result.hits for run in alone}) == 1
    assert len({str(cells(run, "ttft_s")) for run in alone}) == 1


def test_the_prefix_router_follows_the_text_then_the_smallest_tree_then_the_queues(runs: dict[str, Simulated]):
    run = runs["prefix"]
    where, reasons = cells(run, "replica"), cells(run, "reason")
    first, other = where[0], 1 - where[0]
    assert where[:5] == [first, other, first, other, other]
    assert reasons[:5] == ["fewest characters so far"] * 2 + ["longest prefix"] * 2 + ["fewest characters so far"]
    assert list(zip(cells(run, "matched"), cells(run, "of"), strict=True))[2:4] == [(80, 83), (40, 46)]
    assert where[5:9] == [first] * 4  # queues of 0 to 3 there
    assert "queues too different: shorter of two" in reasons[9:]
    assert other in where[9:]


def test_the_exact_router_goes_by_what_is_cached_and_not_by_what_was_sent(runs: dict[str, Simulated]):
    run = runs["exact"]
    assert cells(run, "matched") == [0, 0, 16, 0, 0, 0]
    assert cells(run, "cached_tokens") == [0, 0, 16, 0, 0, 0]
    assert cells(run, "replica")[2] == cells(run, "replica")[0]


def test_sessions_stay_and_turns_go_round(runs: dict[str, Simulated]):
    by_session, in_turn = (cells(runs[f"turns {strategy}"], "replica") for strategy in (SESSION, ROUND_ROBIN))
    assert all(len({by_session[turn] for turn in range(first, 40, 5)}) == 1 for first in range(5))
    assert len(set(in_turn[:4])) == 4
    assert all(in_turn[turn] == in_turn[turn + 4] for turn in range(36))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_full_replica_is_passed_over_and_requests_wait_at_the_router(runs: dict[str, Simulated], strategy: str):
    run = runs[f"full {strategy}"]
    assert max(cells(run, "queued_s")) == 0.0  # each of them is alone in its replica
    assert sum(waited > 0 for waited in cells(run, "waited_s")) >= 10


def test_a_client_at_its_limit_sends_when_a_request_has_ended(runs: dict[str, Simulated]):
    sent = cells(runs["limit"], "sent_s")
    assert sent == sorted(sent)
    assert [sum(each <= sent[number] for each in sent) for number in (0, 3)] != [9, 9]
    assert sent[2] == 0.0 < sent[3]
    assert max(cells(runs["limit"], "waited_s")) == 0.0


def test_real_decisions_are_followed(runs: dict[str, Simulated]):
    assert cells(runs["followed"], "replica") == FOLLOWED
    assert set(cells(runs["followed"], "reason")) == {"followed"}


def test_nothing_is_sent_to_a_replica_that_died(tmp_path: Path, engine: Engine):
    trace = write_trace(tmp_path / "t.jsonl", [row(n / 10, f"s{n % 9}", "abcdefgh" * (1 + n % 5)) for n in range(60)])
    request, result = tmp_path / "in.json", tmp_path / "out.json"
    strategies: dict[str, Any] = {strategy: {} for strategy in STRATEGIES}
    request.write_text(json.dumps({"trace": str(trace), "died_s": 3.05, "strategies": strategies}), encoding="utf-8")
    run_worker(engine.python, "tests.engine.worker_replica_dies", (request, result), {}, "a death", 300)
    for strategy, served in json.loads(result.read_text(encoding="utf-8")).items():
        assert len(served) == 60
        assert all(replica != dead for sent, replica, dead in served if sent > 3.05), strategy


def test_what_cannot_be_simulated_is_told_in_one_line(tmp_path: Path, engine: Engine):
    with pytest.raises(HarnessError, match="no such file"):
        simulate([job(tmp_path / "none.jsonl", PREFIX)], engine, tmp_path, "node", 300)
    trace = write_trace(tmp_path / "t.jsonl", token_rows(1, 3))
    with pytest.raises(HarnessError, match="it is one of power-of-two"):
        simulate([job(trace, "best")], engine, tmp_path, "node", 300)
    with pytest.raises(HarnessError, match="nothing can be scheduled"):
        simulate([job(trace, PREFIX, num_blocks=3, block_size=1)], engine, tmp_path, "node", 300)
