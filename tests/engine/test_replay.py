"""Real replays: every number is counted again from the event log, and the smallest possible cache is enough."""

import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.analyse.sharing import summary
from harness.engine.environment import Engine
from harness.errors import HarnessError
from harness.measure.replay import replay_engine, run_replays
from harness.measure.replay_job import make_job
from harness.record.event_log import read_events
from harness.record.replay import EVENTS, Parameters, Replay, read_replay
from harness.workspace import Workspace
from tests.replay_recount import Recounted, recount

pytestmark = [pytest.mark.engine, pytest.mark.beside]

BLOCK = 8
NOT_TOLD = {"wall_s", "max_rss_bytes", "cache_blocks", "prefill_tokens_scheduled", "decode_tokens_scheduled"}
TIGHT = Parameters(block_size=BLOCK, num_blocks=30, max_num_seqs=8, max_num_batched_tokens=64)
CASES = {
    "endless": Parameters(block_size=BLOCK),
    "tight": TIGHT,
    "tight, stock loop": Parameters(**{**vars(TIGHT), "loop": "stock"}),
    "tight, fifo": Parameters(**{**vars(TIGHT), "policy": "fifo"}),
    "tight, lfu": Parameters(**{**vars(TIGHT), "policy": "lfu"}),
    "tight, oracle": Parameters(**{**vars(TIGHT), "policy": "oracle"}),
    "tight, watermark": Parameters(**{**vars(TIGHT), "watermark": 0.2}),
    "tight, no caching": Parameters(**{**vars(TIGHT), "prefix_caching": False}),
}


@dataclass(frozen=True)
class Replayed:
    """A replay, and what its log says."""

    replay: Replay
    log: Recounted


def write_trace(path: Path) -> None:
    """Dialogues with a common beginning, so dense that they preempt each other in a small cache."""
    draw = random.Random(20_261_129)
    beginning = list(range(3 * BLOCK))
    rows: list[dict[str, Any]] = []
    for number in range(12):
        history, at = [*beginning, 100 + number], draw.uniform(0, 0.3)
        for turn in range(1, draw.randint(1, 3) + 1):
            history += [draw.randrange(200, 220) for _ in range(draw.randint(1, 20))]
            output = [draw.randrange(300, 320) for _ in range(draw.randint(1, 30))]
            session = None if number % 4 == 0 else f"s{number}"
            rows.append(
                {"request_id": f"{number}-{turn}", "session_id": session, "turn": turn, "arrival_s": at}
                | {"prompt_token_ids": list(history), "output_token_ids": output}
            )
            history += output
            at += draw.uniform(0, 0.6)
    rows.sort(key=lambda row: float(row["arrival_s"]))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def engine() -> Engine:
    try:
        return replay_engine(None, Workspace())
    except HarnessError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "trace.jsonl"
    write_trace(path)
    return path


@pytest.fixture(scope="module")
def replays(engine: Engine, trace: Path) -> dict[str, Replayed]:
    folders = [trace.parent / str(number) for number in range(len(CASES))]
    run_replays([make_job(trace, one, events=True) for one in CASES.values()], folders, engine)
    return {
        name: Replayed(read_replay(folder), recount(read_events(folder / EVENTS), BLOCK))
        for name, folder in zip(CASES, folders, strict=True)
    }


@pytest.mark.parametrize("name", CASES)
def test_every_number_is_counted_again_from_the_event_log(replays: dict[str, Replayed], name: str):
    replay, log = replays[name].replay, replays[name].log
    counted = asdict(replay.facts.counters)
    told = {key: value for key, value in counted.items() if key not in NOT_TOLD}
    assert {key: log.counters.get(key, 0) for key in told} == told
    scheduled = counted["prefill_tokens_scheduled"] + counted["decode_tokens_scheduled"]
    assert log.counters["tokens_scheduled"] == scheduled
    assert replay.hits == log.hits
    for table in ("requests", "gaps", "occupancy"):
        written, again = ([asdict(row) for row in getattr(each, table)] for each in (replay, log))
        assert written == [pytest.approx(row, abs=1e-6) for row in again]


def test_the_workload_asks_what_these_tests_are_about(replays: dict[str, Replayed]):
    tight = replays["tight"].replay.facts.counters
    assert min(tight.preemptions, tight.evictions, tight.blocks_recovered, tight.recomputed_tokens) > 0
    assert min(tight.blocks_reused_within_session, tight.blocks_reused_across_sessions) > 0
    endless = replays["endless"].replay.facts.counters
    assert (endless.preemptions, endless.evictions) == (0, 0)
    assert endless.hit_tokens > tight.hit_tokens
    assert replays["tight, no caching"].replay.facts.counters.hit_tokens == 0


def test_both_loops_give_the_same_numbers(replays: dict[str, Replayed]):
    fast, stock = (summary(replays[name].replay) for name in ("tight", "tight, stock loop"))
    for document in (fast, stock):
        del document["wall_s"], document["max_rss_bytes"], document["step_loop"]
    assert fast == stock


def test_the_smallest_cache_that_is_not_refused_is_enough(engine: Engine, tmp_path: Path):
    row = {"request_id": "r", "session_id": None, "turn": 1, "arrival_s": 0.0}
    row |= {"prompt_token_ids": list(range(2 * BLOCK)), "output_token_ids": list(range(BLOCK + 1))}
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(HarnessError, match="take 3 blocks of 8, the cache has 2"):
        make_job(path, Parameters(block_size=BLOCK, num_blocks=3))
    (facts,) = run_replays(
        [make_job(path, Parameters(block_size=BLOCK, num_blocks=4, watermark=0.9))], [tmp_path / "replay"], engine
    )
    assert (facts.counters.finished, facts.counters.blocks_allocated) == (1, 3)
