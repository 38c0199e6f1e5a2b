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
    """The dialogues, replayed. Few enough blocks for evictions: 12, for a preemption: 10; eight are the least."""
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
    gaps = [(gap, int(within), len(list(same))) for reuses in toy.gaps for (gap, within), same in groupby(reuses)]
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
    edges = [number * width for number in range(math.ceil(end / width))]
    used, waited = (_over(toy, width, len(edges), column) for column in (1, 2))
    return [(at, min(at + width, end), *used[number], *waited[number]) for number, at in enumerate(edges)]


def _over(toy: Toy, width: float, bins: int, column: int) -> list[tuple[float, int]]:
    """Mean and maximum of a state in each bin."""
    areas, most = [0.0] * bins, [0] * bins
    times = [state[0] for state in toy.states]
    for state, until in zip(toy.states, [*times[1:], toy.now], strict=True):
        at, value = state[0], int(state[column])
        for number in range(int(at / width), math.ceil(until / width)):
            shared = min(until, (number + 1) * width) - max(at, number * width)
            areas[number] += shared * value
            most[number] = max(most[number], value if shared > 0 else 0)
    return [
        (area / (min((number + 1) * width, toy.now) - number * width), most[number])
        for number, area in enumerate(areas)
    ]
