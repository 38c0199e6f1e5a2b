"""A consistent folder of a real engine's point, written from a toy's event stream (tests/replay_toy.py)."""

import csv
import json
from dataclasses import asdict, fields, replace
from pathlib import Path

from harness.record.real_point import (
    COUNTED,
    FILE,
    STEPS,
    RealEngine,
    RealFacts,
    RealParameters,
    Seconds,
    StepRow,
)
from harness.record.replay import Counters
from harness.record.replay_rows import TABLES
from tests.replay_folder import small_toy, toy_counters, toy_tables
from tests.replay_toy import Toy

ENGINE = RealEngine(num_blocks=11, max_model_len=2048, block_size=32)
PARAMETERS = RealParameters(ENGINE, "steps", {"policy": "naive", "factor": 2.0})
SECONDS = Seconds(wall_s=2.5, step_s=2.0, step_cpu_s=1.9, adding_s=0.1, idle_s=0.3)
STEP_S = 0.01


def steps_of(toy: Toy) -> list[StepRow]:
    """A step for each of the toy's; what they compute is made up, the preemptions are all of the last."""
    rows = [StepRow(n, n * STEP_S, STEP_S * 0.9, n % 3, 1 + n % 2, 10 + n, 0) for n in range(toy.steps)]
    return [*rows[:-1], replace(rows[-1], preempted=toy.counted["preemptions"])]


def counters_of(toy: Toy) -> Counters:
    """What the toy and its steps count."""
    steps = steps_of(toy)
    return replace(
        toy_counters(toy),
        output_tokens=sum(len(each.output) for each in toy.requests),
        prefill_tokens_scheduled=sum(each.prefill_tokens for each in steps),
        decode_tokens_scheduled=sum(each.decode_seqs for each in steps),
    )


def facts_of(toy: Toy) -> RealFacts:
    """real.json of a toy."""
    trace = {"file": "toy.jsonl", "sha256": "0" * 64, "format": "tokens", "requests": len(toy.requests)}
    model = {"name": "opt-125m", "twin": True, "files_sha256": "2" * 64}
    engine = {"pin": "toy-1", "version": "1.0", "lock_sha256": "1" * 64}
    harness = {"version": "0", "commit": None, "dirty": None}
    counters = counters_of(toy)
    return RealFacts("2026-11-29T00:00:00Z", PARAMETERS, trace, model, engine, harness, counters, SECONDS)


def write_tables(folder: Path, toy: Toy) -> None:
    """What a worker leaves in a point's folder."""
    folder.mkdir(parents=True)
    tables = {TABLES[kind]: (kind, rows) for kind, rows in toy_tables(toy).items()}
    tables[STEPS] = StepRow, [tuple(asdict(row).values()) for row in steps_of(toy)]
    for name, (kind, rows) in tables.items():
        with (folder / name).open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([field.name for field in fields(kind)])
            writer.writerows(rows)
    counted = {"counters": asdict(counters_of(toy)), "seconds": asdict(SECONDS)}
    (folder / COUNTED).write_text(json.dumps(counted))


def write_point(folder: Path, toy: Toy | None = None) -> Toy:
    """Make ``folder`` a point's folder."""
    toy = toy or small_toy(blocks=10)
    write_tables(folder, toy)
    (folder / COUNTED).unlink()
    facts_of(toy).write(folder)
    assert (folder / FILE).is_file()
    return toy
