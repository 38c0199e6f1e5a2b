"""Replays before and after the engine: what fits into memory and blocks, and folders that are whole or not there."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.engine.environment import Engine
from harness.errors import HarnessError, MeasurementFailed
from harness.measure import replay as measured
from harness.measure import replay_job
from harness.measure.replay_job import blocks_needed, make_job
from harness.record.replay import Parameters, read_replay
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.state.limits import Memory
from harness.traces.check import TraceFacts
from tests.replay_place import Worker
from tests.replay_place import place as place
from tests.replay_place import worker as worker


def refusal(trace: Path, parameters: Parameters, facts: TraceFacts | None = None) -> str:
    with pytest.raises(HarnessError) as error:
        make_job(trace, parameters, facts=facts)
    return str(error.value)


def test_what_does_not_fit_into_memory_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch):
    trace, mooncake = place / "trace.jsonl", place / "mooncake.jsonl"
    monkeypatch.setattr(replay_job, "memory", lambda: Memory(available_bytes=1 << 30, limit_bytes=None))
    assert make_job(trace, Parameters(num_blocks=100_000)).num_blocks == 100_000
    text = refusal(trace, Parameters(num_blocks=10_000_000))
    assert "its replay with 10000000 blocks takes about 2.0 GB of memory, 1.1 GB are available; take a smaller" in text
    assert text.endswith("or a larger --block-size, or fewer --num-blocks")
    # A trace of tokens keeps every content that it has seen, however few blocks there are; Mooncake's a few bytes.
    small, oracle = Parameters(num_blocks=1000), Parameters(num_blocks=1000, policy="oracle")
    tokens = replace(make_job(trace, small).facts, total_blocks=2_000_000, prompt_tokens=16 * 2_000_000)
    hashed = replace(make_job(mooncake, small).facts, total_blocks=2_000_000, prompt_tokens=16 * 30_000_000)
    assert refusal(trace, small, tokens).endswith("or a larger --block-size, or fewer --num-blocks")
    assert make_job(trace, replace(small, prefix_caching=False), facts=tokens)
    assert make_job(mooncake, small, facts=hashed)
    assert refusal(mooncake, oracle, hashed).endswith(", or another --policy than oracle")


def test_the_last_sampled_token_needs_no_block(place: Path):
    assert (blocks_needed(16, 1, 16), blocks_needed(16, 2, 16), blocks_needed(1, 1, 16)) == (1, 2, 1)
    facts = make_job(place / "mooncake.jsonl", Parameters(block_size=512, num_blocks=3)).facts
    assert facts.max_tokens == 1025  # of which 1024 are computed: two blocks and vLLM's null block
    with pytest.raises(
        HarnessError, match="line 1: its 600 prompt and 2 output tokens take 2 blocks of 512, the cache"
    ):
        make_job(place / "mooncake.jsonl", Parameters(block_size=512, num_blocks=2))


def test_only_the_stock_loop_runs_other_schedulers(place: Path):
    other = Parameters(scheduler_cls="a.b:C")
    with pytest.raises(HarnessError, match="only vLLM's own step loop"):
        make_job(place / "trace.jsonl", other)
    assert make_job(place / "trace.jsonl", replace(other, loop="stock")).request(place)["scheduler_cls"] == "a.b:C"


def test_folders_are_made_whole_and_never_overwritten(worker: Worker, place: Path):
    job = make_job(place / "trace.jsonl", Parameters(num_blocks=11, block_size=4))
    engine = Engine(load_pin(DEFAULT_CPU_PIN), place)
    folders = [place / "out" / "1", place / "out" / "2"]
    facts = measured.run_replays([job, job], folders, engine)
    assert [read_replay(folder).facts for folder in folders] == facts
    assert facts[0].trace["file"] == "trace.jsonl"
    assert sorted(path.name for path in (place / "out").iterdir()) == ["1", "2"]
    with pytest.raises(HarnessError, match="exists already; replays are not overwritten"):
        measured.run_replays([job], folders[:1], engine)
    assert len(worker.asked) == 2


def test_what_was_finished_stays_if_a_later_replay_fails(worker: Worker, place: Path):
    job = make_job(place / "trace.jsonl", Parameters(num_blocks=11, block_size=4))
    folders = [place / "out" / "1", place / "out" / "2"]
    worker.failure, worker.fails_from = "replaying failed", 1
    with pytest.raises(MeasurementFailed, match="replaying failed"):
        measured.run_replays([job, job], folders, Engine(load_pin(DEFAULT_CPU_PIN), place))
    assert [path.name for path in (place / "out").iterdir()] == ["1"]
    assert read_replay(folders[0]).facts.parameters == job.parameters
