"""A consistent replay folder, written from a toy's event stream (tests/replay_toy.py)."""

import csv
import gzip
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from itertools import groupby
from pathlib import Path
from typing import Any

from harness.record.replay import EVENTS, Counters, Parameters, ReplayFacts
from harness.record.replay_rows import TABLES, GapRow, HitRow, OccupancyRow, RequestRow
from tests.replay_toy import Toy, ToyRequest

# Two dialogues whose second turns carry the first, and a stranger with the same beginning; blocks of 4 tokens.
HELLO = tuple(range(1, 9))
ASKED = {"a": ((*HELLO, 9), tuple(range(100, 110))), "b": ((*HELLO, 20, 21), tuple(range(200, 212)))}
DIALOGUES: tuple[tuple[str, str | None, float, tuple[int, ...], tuple[int, ...]], ...] = (
    ("a-1", "a", 0.0, *ASKED["a"]),
    ("b-1", "b", 1.5, *ASKED["b"]),
    ("a-2", "a", 20.0, (*ASKED["a"][0], *ASKED["a"][1], 50, 51, 52), tuple(range(300, 306))),
    ("b-2", "b", 21.5, (*ASKED["b"][0], *ASKED["b"][1], 60), tuple(range(400, 408))),
    ("c", None, 60.0, (*HELLO, 40), (41,)),
)
SIZE = 4


def toy_requests() -> list[ToyRequest]:
    """Fresh ones: a toy changes them."""
    return [ToyRequest(*each) for each in DIALOGUES]


def small_toy(blocks: int = 40, caching: bool = True) -> Toy:
    """The dialogues, replayed. Twelve blocks are few enough for evictions, ten for a preemption, eight are the least."""
    return Toy(toy_requests(), blocks, SIZE, caching=caching).replay()


def write_replay(folder: Path, toy: Toy | None = None, **parameters: Any) -> Toy:
    """Make ``folder`` a replay folder."""
    toy = toy or small_toy()
    folder.mkdir(parents=True)
    replay_facts(toy, **parameters).write(folder)
    for kind, rows in toy_tables(toy).items():
        with (folder / TABLES[kind]).open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([field.name for field in fields(kind)])
            writer.writerows(rows)
    write_events(folder / EVENTS, toy.events)
    return toy


def write_events(path: Path, events: Sequence[dict[str, Any]]) -> None:
    """An event log."""
    path.write_bytes(gzip.compress("".join(json.dumps(each) + "\n" for each in events).encode()))


def replay_facts(toy: Toy, **parameters: Any) -> ReplayFacts:
    """replay.json of a toy."""
    trace = {"file": "toy.jsonl", "sha256": "0" * 64, "format": "tokens", "requests": len(toy.requests)}
    engine = {"pin": "toy-1", "version": "1.0", "lock_sha256": "1" * 64}
    tokenizer = {"name": "none: the tokens are numbers"}
    given = Parameters(**{"block_size": toy.size, "num_blocks": toy.blocks + 1, "max_num_seqs": toy.at_once}
                       | {"prefix_caching": toy.caching, "max_num_batched_tokens": toy.chunk} | parameters)  # fmt: skip
    harness = {"version": "0", "commit": None, "dirty": None}
    return ReplayFacts("2026-11-29T00:00:00Z", given, trace, tokenizer, None, engine, harness, toy_counters(toy))


def toy_counters(toy: Toy) -> Counters:
    """What the toy counted; what no event tells (tokens scheduled) is made up."""
    rows, counted = toy.requests, toy.counted
    within = counted["blocks_reused_within_session"]
    across = counted["blocks_reused_across_sessions"]
    known: dict[str, Any] = {
        "requests": len(rows),
        "finished": len(rows),
        "prompt_tokens": sum(len(each.prompt) for each in rows),
        "output_tokens": sum(len(each.output) for each in rows),
        "hit_tokens_within_session": within * toy.size,
        "hit_tokens_across_sessions": across * toy.size,
        "blocks_reused": within + across,
        "unique_blocks": len(toy.names),
        "steps": toy.steps,
        "virtual_s": toy.now,
        "wall_s": 0.5,
        "max_rss_bytes": 1 << 20,
        "cache_blocks": toy.blocks,
    }
    return Counters(**{field.name: known.get(field.name, counted[field.name]) for field in fields(Counters)})


def toy_tables(toy: Toy) -> dict[type, list[tuple[Any, ...]]]:
    """The tables' rows, cells as the files have them."""
    requests = [
        {"request_id": each.name, "session_id": each.session or "", "turn": "", "arrival_s": each.arrival}
        | {"prompt_tokens": len(each.prompt), "output_tokens": len(each.output)}
        | {"prompt_blocks": math.ceil(len(each.prompt) / toy.size), "preemptions": 0, "allocated_blocks": 0}
        | each.row
        for each in toy.requests
    ]
    gaps = [(gap, int(within), len(list(same))) for (gap, within), same in groupby(toy.gaps)]
    return {
        RequestRow: [tuple(row[field.name] for field in fields(RequestRow)) for row in requests],
        GapRow: gaps,
        HitRow: sorted(Counter(toy.hits.values()).items()),
        OccupancyRow: toy_occupancy(toy),
    }


def toy_occupancy(toy: Toy) -> list[tuple[float, float, float, int, float, int]]:
    """Bins of the smallest width that needs at most 1024 of them, integrated the long way."""
    end, width = toy.now, 1 / 1024  # toys live at times that floats hold exactly
    while math.ceil(end / width) > 1024:
        width *= 2
    bins = []
    for number in range(math.ceil(end / width)):
        begin, until = number * width, min((number + 1) * width, end)
        used = _over(toy, begin, until, 1)
        waited = _over(toy, begin, until, 2)
        bins.append((begin, until, *used, *waited))
    return bins


def _over(toy: Toy, begin: float, until: float, column: int) -> tuple[float, int]:
    """Mean and maximum of a state between two times."""
    states = [(state[0], int(state[column])) for state in toy.states]
    area, most = 0.0, 0
    for (at, value), (following, _) in zip(states, [*states[1:], (toy.now, 0)], strict=True):
        shared = min(following, until) - max(at, begin)
        if shared > 0:
            area += shared * value
            most = max(most, value)
    return area / (until - begin), most
