"""Made-up replays and a slot of the prefix-sharing figure, as small as the drawing and its tests need."""

import csv
import json
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import Any

from harness.analyse.sharing_rows import CaseReplay
from harness.commands.sharing.slot import Source, write_sharing_slot
from harness.record.replay import Counters, Parameters, Replay, ReplayFacts
from harness.record.replay_rows import TABLES, GapRow, HitRow, OccupancyRow, RequestRow
from harness.record.sharing_tables import MOONCAKE, MULTI, SINGLE
from harness.traces.rows import MooncakeRow

NODE: dict[str, Any] = {
    "id": "node-0123456789ab",
    "cpu_model": "CPU",
    "cpus": [0, 1],
    "memory_bytes": 8 << 30,
    "gpus": [],
}
ENGINE = {"pin": "vllm-0.32.0-cpu", "version": "0.32.0", "lock_sha256": "a" * 64}
TOKENIZER = {"name": "python-library-bpe", "sha256": "b" * 64, "chat_template": False}
_SHARED = {SINGLE: 1, MULTI: 5, MOONCAKE: 4}  # of ten blocks, at an unlimited cache


def made_replay(workload: str, repeat: int = 0, requests: int = 12, **parameters: Any) -> Replay:
    """A replay whose numbers fit together; more cache, finer blocks and multi-turn share more."""
    given = Parameters(**parameters)
    size = given.num_blocks or 10_000
    hits = (
        0
        if not given.prefix_caching
        else max(0, _SHARED[workload] - (size.bit_length() < 16) - (given.block_size > 64))
    )
    if given.policy == "oracle":
        hits += 1
    rows = [
        RequestRow(
            request_id=f"c{number}-t1",
            session_id=f"c{number // 3}",
            turn=number % 3 + 1,
            arrival_s=float(number),
            scheduled_s=number + 0.5,
            first_token_s=number + 1.0,
            finished_s=number + 2.0,
            prompt_tokens=10 * given.block_size,
            output_tokens=8,
            prompt_blocks=10,
            hit_tokens=(found := hits if number > repeat else 0) * given.block_size,
            hit_blocks=found,
            within_session_hit_blocks=found // 2,
            allocated_blocks=11 - found,
            preemptions=0,
        )
        for number in range(requests)
    ]
    reused = sum(row.hit_blocks for row in rows)
    within = sum(row.within_session_hit_blocks for row in rows)
    gaps = [GapRow(2.0 + repeat, True, within), GapRow(50.0, False, reused - within)]
    contents = [HitRow(0, 40), HitRow(reused, 1)] if reused else [HitRow(0, 40)] if given.prefix_caching else []
    counted: dict[str, Any] = {
        **{field.name: 0 for field in fields(Counters)},
        "requests": requests,
        "finished": requests,
        "prompt_tokens": sum(row.prompt_tokens for row in rows),
        "output_tokens": 8 * requests,
        "hit_tokens": sum(row.hit_tokens for row in rows),
        "blocks_allocated": sum(row.allocated_blocks for row in rows),
        "blocks_reused": reused,
        "blocks_reused_within_session": within,
        "blocks_reused_across_sessions": reused - within,
        "unique_blocks": sum(row.blocks for row in contents),
        "virtual_s": requests + 2.0,
        "wall_s": 0.1,
        "cache_blocks": size - 1,
    }
    facts = ReplayFacts(
        started_at="2026-11-29T05:00:00+00:00",
        parameters=given,
        trace={"file": f"{workload}.jsonl", "sha256": "c" * 64, "format": "tokens", "requests": requests},
        tokenizer=None if workload == MOONCAKE else TOKENIZER,
        model=None,
        engine=ENGINE,
        harness={},
        counters=Counters(**counted),
    )
    in_use = [OccupancyRow(float(t), t + 1.0, 11.0 - hits + t % 3, 14, 0.0, 0) for t in range(requests + 2)]
    return Replay(facts, rows, [gap for gap in gaps if gap.blocks], contents, in_use)


def write_tables(folder: Path, replay: Replay) -> None:
    """What a worker leaves of the replay: its tables and its counters."""
    folder.mkdir(parents=True)
    tables = {RequestRow: replay.requests, GapRow: replay.gaps, HitRow: replay.hits, OccupancyRow: replay.occupancy}
    for kind, rows in tables.items():
        with (folder / TABLES[kind]).open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([field.name for field in fields(kind)])
            for row in rows:
                writer.writerow(int(cell) if isinstance(cell, bool) else cell for cell in astuple(row))
    (folder / "counters.json").write_text(json.dumps(asdict(replay.facts.counters)))


def cases(repeats: int = 3, mooncake: bool = True) -> list[CaseReplay]:
    """The grid of a small figure."""
    kinds = [(kind, repeat, 16) for kind in (SINGLE, MULTI) for repeat in range(repeats)]
    kinds += [(MOONCAKE, 0, 512)] if mooncake else []
    found = []
    for kind, repeat, size in kinds:
        options: list[dict[str, Any]] = [{}, {"prefix_caching": False}]
        options += [{"block_size": each} for each in (64, 256)] if kind != MOONCAKE else []
        options += [
            {"num_blocks": blocks + 1, "policy": policy}
            for blocks in (64, 1024, 16384)
            for policy in (("lru",) if kind == SINGLE else ("lru", "oracle"))
        ]
        for each in options:
            replay = made_replay(kind, repeat, **{"block_size": size, **each})
            found.append(CaseReplay(f"{kind}-{repeat}-{len(found)}", kind, repeat, replay))
    return found


def made_slot(folder: Path, repeats: int = 3, mooncake: bool = True, file: str | None = None) -> Path:
    """Write such a slot; returns its folder. ``file``: of somebody's dialogues, instead of generated ones."""
    dialogues = {"kind": "sharegpt" if file else "generated", "file": file, "conversations": 300, "arrival_rate": 2.0}
    clock, trace = asdict(Parameters().step_time), {"file": "conversation.jsonl"} if mooncake else None
    source = Source(NODE, ENGINE, dialogues, TOKENIZER, clock, trace)
    requests = [MooncakeRow(float(n), 1500, 5, [0, n % 7, n]) for n in range(8, 40)] if mooncake else []
    write_sharing_slot(folder, "sharing", cases(repeats, mooncake), source, requests)
    return folder
