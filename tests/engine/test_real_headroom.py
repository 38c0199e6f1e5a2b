"""Head-room on vLLM's real CPU engine: what it decides, step by step and block by block, is what a replay decides.

One engine serves every point, so what one leaves behind would show in the next; each of their traces is then replayed
by both loops, whose clock counts steps.
"""

import gzip
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from harness.engine.environment import engine_of
from harness.engine.study_worker import run_worker
from harness.measure.real_job import make_real_job
from harness.record.event_log import read_events
from harness.record.real_point import RealEngine, RealParameters, read_counted, read_steps
from harness.record.replay_rows import GapRow, HitRow, OccupancyRow, RequestRow, read_rows
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from tests.engine.real_workloads import TIGHT, workloads
from tests.replay_recount import recount

pytestmark = [pytest.mark.engine, pytest.mark.beside]

ENGINE = RealEngine(**{name: TIGHT[name] for name in asdict(RealEngine(1, 1))})
MODEL = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 64,
    "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 64, "vocab_size": 1000,
    "max_position_embeddings": 4096, "torch_dtype": "float32", "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
QUANTILES = [-40, -12, -4, 0, 5, 14, 30]
POINTS: dict[str, RealParameters] = {
    "none": RealParameters(ENGINE, "steps"),
    "static": RealParameters(ENGINE, "steps", watermark=0.2),
    "naive": RealParameters(ENGINE, "steps", {"policy": "naive", "factor": 5.2}),
    "target": RealParameters(ENGINE, "steps", {"policy": "target", "blocks_per_sequence": 4.4}),
    "predicted": RealParameters(
        ENGINE, "steps", {"policy": "probabilistic", "sigmas": 0.5, "of": "residual", "quantiles": QUANTILES}
    ),
    "by seconds": RealParameters(ENGINE, "seconds", {"policy": "naive", "factor": 2.0}, limit=20),
}
BY_STEPS = [name for name, point in POINTS.items() if point.arrivals == "steps"]
LOOPS = ("stock", "fast")
CLOCK = {"base_s": 1.0, "prefill_token_s": 0.0, "decode_seq_s": 0.0, "context_token_s": 0.0}
CONTEXT_S = 1e-9  # of each token of context, where the clock counts them too
COUNTING = "none"  # the point of which this is asked
LAST_S = 0.3  # of the workload by seconds: longer than its requests take, so that the engine idles


def write_trace(path: Path, by_seconds: bool) -> None:
    requests = workloads(seed=6)["preemption"].requests
    last = requests[-1]["arrival"]
    with path.open("w", encoding="utf-8") as file:
        for number, each in enumerate(requests):
            output = each["output_tokens"]
            row = {
                "request_id": f"asked-{number}",
                "session_id": each["session"],
                "turn": 1,
                "arrival_s": LAST_S * each["arrival"] / last if by_seconds else each["arrival"],
                "prompt_token_ids": each["prompt_token_ids"],
                "output_token_ids": [0] * output,
                "predicted_output_tokens": max(0, output + QUANTILES[number % len(QUANTILES)]),
            }
            print(json.dumps(row), file=file)


def replays(folder: Path, name: str) -> list[dict[str, Any]]:
    """What the real engine did, to be done again by both loops, and once with the context's tokens on the clock."""
    point = POINTS[name]
    asked = asdict(ENGINE) | {"headroom": point.headroom, "watermark": point.watermark, "offload": None}
    asked |= {"trace": str(folder / name / "trace.jsonl"), "limit": None, "policy": "lru", "scheduler_cls": None}
    asked |= {"events": True, "steps": True}
    several = [{"out": f"{name}-{loop}", "loop": loop, "step_time": CLOCK} for loop in LOOPS]
    if name == COUNTING:
        several.append({"out": f"{name}-context", "loop": "fast", "step_time": CLOCK | {"context_token_s": CONTEXT_S}})
    return [asked | each | {"out": str(folder / each["out"])} for each in several]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for every point and every replay."""
    engine = engine_of(load_pin(DEFAULT_CPU_PIN))
    if engine.installed_as() is None:
        pytest.skip("the default engine is not installed: bash run_tests.sh --setup-only")
    folder = tmp_path_factory.mktemp("headroom")
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text(json.dumps(MODEL), encoding="utf-8")
    for arrivals in ("steps", "seconds"):
        write_trace(folder / f"{arrivals}.jsonl", arrivals == "seconds")
    points = [
        make_real_job(folder / f"{point.arrivals}.jsonl", point, events=True).request(folder / name)
        for name, point in POINTS.items()
    ]
    asked = {"model": str(folder / "model"), "engine": asdict(ENGINE), "points": points}
    again = [each for name in BY_STEPS for each in replays(folder, name)]
    for worker, request in (
        ("experiments.kv_headroom.worker_real_points", asked),
        ("experiments.model_free.worker_replay", {"replays": again, "processes": 1}),
    ):
        paths = folder / "request.json", folder / f"{worker}.json"
        paths[0].write_text(json.dumps(request), encoding="utf-8")
        environment = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        run_worker(engine.python, worker, paths, environment, worker, 300)
    return folder


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def counted(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "counters.json").read_text(encoding="utf-8"))
    return found


def events(folder: Path) -> list[dict[str, Any]]:
    """The log, with contents and blocks numbered as they first appear.

    An engine learns of contents later than a replay, and its free blocks lie in the order that the point before left.
    """
    numbers: dict[tuple[str, int], int] = {}
    with gzip.open(folder / "events.jsonl.gz", "rt", encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    for event in found:
        for key, kind in (("contents", "content"), ("blocks", "block"), ("released", "block")):
            if isinstance(event.get(key), list):
                event[key] = [numbers.setdefault((kind, each), len(numbers)) for each in event[key]]
    return found


def first_difference(ours: list[Any], theirs: list[Any]) -> tuple[int, Any, Any] | None:
    pairs = zip([*ours, "the end"], [*theirs, "the end"], strict=False)
    return next(((place, *pair) for place, pair in enumerate(pairs) if pair[0] != pair[1]), None)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("name", BY_STEPS)
def test_every_step_schedules_preempts_and_finds_cached_what_a_replay_does(made: Path, name: str, loop: str) -> None:
    real = lines(made / name / "steps.jsonl")
    assert first_difference(lines(made / f"{name}-{loop}" / "steps.jsonl"), real) is None
    assert len(real) == len(read_steps(made / name)) >= 100


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("name", BY_STEPS)
def test_every_block_changes_hands_as_in_a_replay(made: Path, name: str, loop: str) -> None:
    real = events(made / name)
    assert first_difference(events(made / f"{name}-{loop}"), real) is None
    assert {"arrive", "hit", "alloc", "admit", "store", "evict", "finish", "free", "end"} <= {e["event"] for e in real}


@pytest.mark.parametrize("name", BY_STEPS)
def test_a_real_point_counts_what_its_replay_counts(made: Path, name: str) -> None:
    counters, _ = read_counted(made / name)
    replayed = counted(made / f"{name}-stock")
    differ = {key for key, value in replayed.items() if getattr(counters, key) != value}
    assert differ <= {"wall_s", "max_rss_bytes"}


def test_what_a_step_computes_is_told_as_on_the_virtual_clock(made: Path) -> None:
    steps, counters = read_steps(made / COUNTING), counted(made / f"{COUNTING}-stock")
    assert sum(each.prefill_tokens for each in steps) == counters["prefill_tokens_scheduled"]
    assert sum(each.decode_seqs for each in steps) == counters["decode_tokens_scheduled"]
    longer = counted(made / f"{COUNTING}-context")["virtual_s"] - counters["virtual_s"]
    assert longer == pytest.approx(CONTEXT_S * sum(each.context_tokens for each in steps), rel=1e-6)


@pytest.mark.parametrize("name", POINTS)
def test_the_event_log_alone_says_what_was_counted(made: Path, name: str) -> None:
    again = recount(read_events(made / name / "events.jsonl.gz"), ENGINE.block_size)
    counters, _ = read_counted(made / name)
    known = {key: value for key, value in again.counters.items() if key != "tokens_scheduled"}
    assert known == {key: getattr(counters, key) for key in known}
    scheduled = counters.prefill_tokens_scheduled + counters.decode_tokens_scheduled
    assert again.counters["tokens_scheduled"] == scheduled
    for rows, kind in ((again.requests, RequestRow), (again.hits, HitRow)):
        assert [rounded(row) for row in rows] == [rounded(row) for row in read_rows(made / name, kind)]
    assert sum(row.blocks for row in again.gaps) == sum(row.blocks for row in read_rows(made / name, GapRow))
    assert [row.max_blocks_in_use for row in again.occupancy] == [
        row.max_blocks_in_use for row in read_rows(made / name, OccupancyRow)
    ]


def rounded(row: Any) -> dict[str, Any]:
    """Tables have nine digits of a second."""
    return {key: round(value, 9) if isinstance(value, float) else value for key, value in asdict(row).items()}


def test_head_room_makes_the_difference_that_it_is_there_for(made: Path) -> None:
    preemptions = {name: read_counted(made / name)[0].preemptions for name in BY_STEPS}
    assert preemptions["none"] > 2 * preemptions["naive"]
    assert max(preemptions[name] for name in ("static", "target", "predicted")) < preemptions["none"]


def test_by_wall_clock_requests_join_when_they_are_due_and_the_engine_idles_in_between(made: Path) -> None:
    folder = made / "by seconds"
    counters, seconds = read_counted(folder)
    rows = read_rows(folder, RequestRow)
    assert len(rows) == counters.finished == POINTS["by seconds"].limit
    assert [row.request_id for row in rows] == [f"asked-{number}" for number in range(len(rows))]
    for row in rows:
        assert row.arrival_s <= row.scheduled_s <= row.first_token_s <= row.finished_s <= seconds.wall_s
    steps = read_steps(folder)
    assert sum(each.seconds for each in steps) == pytest.approx(seconds.step_s, rel=1e-3)
    assert seconds.adding_s < seconds.step_s
    assert 0.9 * seconds.wall_s < seconds.step_s + seconds.idle_s <= seconds.wall_s


def test_the_trace_of_a_point_has_what_the_model_sampled(made: Path) -> None:
    asked, sampled = lines(made / "steps.jsonl"), lines(made / "none" / "trace.jsonl")
    kept = [row | {"output_token_ids": [0] * len(row["output_token_ids"])} for row in sampled]
    assert kept == asked
    assert len({token for row in sampled for token in row["output_token_ids"]}) > 20
