"""The folder of a simulated run: what is read is what was written, and what contradicts itself is refused."""

import json
from pathlib import Path

import pytest

from harness.analyse.routing_simulated import rows_of, step_time_of
from harness.record.replay import StepTime
from harness.record.replay_rows import ReplayError
from harness.record.routing_records import Served
from harness.record.routing_tables import SIMULATED
from harness.record.simulated import (
    FILE,
    REQUESTS,
    SimulatedFacts,
    SimulationParameters,
    SimulationResult,
    read_simulated,
)
from harness.record.tables import parse_table, table_csv

ROWS = [
    (0, 0, "longest prefix", 3, 4, "characters", 100, 64, 0.0, 0.0, 0.5, 1.0),
    (1, 1, "by chance", 0, 0, "-", 60, 0, 0.25, 0.5, 0.0, 0.75),
]


def write(folder: Path) -> Path:
    """A run of two requests on two replicas."""
    result = SimulationResult(
        requests=[1, 1],
        prompt_tokens=[100, 60],
        hit_tokens=[64, 0],
        queries=160,
        hits=64,
        hit_rate=0.4,
        imbalance=1.0,
        ttft_mean_s=0.875,
        ttft_median_s=0.875,
        ttft_p99_s=1.0,
        preemptions=0,
        virtual_s=2.0,
        wall_s=0.1,
    )
    parameters = SimulationParameters("prefix", 2, 100, {"imbalanced_threshold": 10})
    trace = {"file": "tokens.jsonl", "sha256": "0" * 64}
    folder.mkdir(parents=True, exist_ok=True)
    SimulatedFacts("2026-11-29T00:00:00Z", parameters, trace, None, None, {}, {}, result).write(folder)
    (folder / REQUESTS.name).write_bytes(table_csv(REQUESTS, ROWS))
    return folder


def test_what_is_read_is_what_was_written(tmp_path: Path):
    run = read_simulated(write(tmp_path))
    assert run.requests == ROWS
    assert run.facts.parameters.router == {"imbalanced_threshold": 10}
    assert run.facts.result.hit_rate == 0.4


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (("result", "hits"), 63, "hits of requests.csv"),
        (("result", "hit_rate"), 0.5, "hit_rate"),
        (("result", "requests"), [2, 0], "requests of requests.csv"),
        (("result", "queries"), 161, "queries"),
        (("parameters", "strategy"), "best", "strategy must be one of"),
        (("parameters", "replicas"), 1, "no such replica"),
        (("parameters", "step_time", "base_s"), "soon", "base_s"),
        (("result", "preemptions"), -1, "preemptions"),
        (("schema_version",), 2, "schema_version is 2"),
        (("more",), 1, "unknown keys: more"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, place: tuple[str, ...], value: object, told: str):
    path = write(tmp_path) / FILE
    document = json.loads(path.read_text(encoding="utf-8"))
    inner = document
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ReplayError, match=told):
        read_simulated(tmp_path)


def test_more_tokens_cached_than_the_prompt_has_are_refused(tmp_path: Path):
    table = write(tmp_path) / REQUESTS.name
    table.write_text(table.read_text(encoding="utf-8").replace("60,0,", "60,61,"), encoding="utf-8")
    with pytest.raises(ReplayError, match=r"requests.csv:3"):
        read_simulated(tmp_path)


def test_its_rows_fit_into_the_slots_table(tmp_path: Path):
    rows = rows_of("default", "own", 3, read_simulated(write(tmp_path)))
    assert parse_table(SIMULATED, table_csv(SIMULATED, rows), "simulated.csv") == rows
    assert ("default", "own", "prefix", 2, 3, "hit_rate", 0.4, "share of the looked-up tokens") in rows


def served(prefill_s: float, decode_s: float, prompt: int, output: int) -> Served:
    """What an engine said of a request."""
    values = dict.fromkeys(Served.__dataclass_fields__, 0) | {"request": "cold-0", "replica": "a"}
    more = {"prompt_tokens": prompt, "output_tokens": output, "prefill_s": prefill_s, "decode_s": decode_s}
    return Served(**values | more)  # type: ignore[arg-type]


def test_a_step_takes_what_an_output_token_takes_and_its_prefilled_tokens():
    found = step_time_of([served(0.12, 0.2, 1000, 11), served(0.12, 0.4, 1000, 21), served(0.12, 0.0, 1000, 1)])
    assert found == StepTime(0.02, 0.0001, 0.0, 0.0)
    assert step_time_of([]) == StepTime()
