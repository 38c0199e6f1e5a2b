"""Slots of figure 12: starts whose cores were sampled, made from a seed."""

import random
from typing import Any

from harness.record.rows import Row
from harness.record.tables import CORES, SLOT_TABLES, TIMELINE, table_csv
from tests.synthetic_slot import CACHED, CASE, MODEL, SESSION, manifest

RUNS = (("warmup-0", "warmup", 2.0), ("1", "measured", 1.3), ("2", "measured", 1.0), ("3", "measured", 0.9))


def sampled(
    slot: str = "node0", cores: int = 2, runs: tuple[tuple[str, str, float], ...] = RUNS
) -> tuple[list[Row], dict[str, Any], dict[str, bytes]]:
    """Rows, manifest and tables of starts that take ``runs``' third times as long as a cached start."""
    rng = random.Random(7)
    rows: list[Row] = []
    tables: dict[str, list[tuple[Any, ...]]] = {CORES.name: [], TIMELINE.name: []}
    for run, kind, factor in runs:
        begin_s = 0.0
        for phase, seconds in CACHED.items():
            end_s = begin_s + seconds * factor
            tables[TIMELINE.name].append((CASE, run, kind, begin_s, end_s, phase, phase.partition(":")[2] or "worker"))
            rows.append(Row("12", slot, CASE, MODEL, run, kind, phase, end_s - begin_s, "span", SESSION, "ok"))
            begin_s = end_s
        for number in range(1, int(begin_s * 10) + 1):
            for core in range(cores):
                percent = rng.choice((0.0, 9.1, 100.0)) if number % 40 else 100.0
                tables[CORES.name].append((CASE, run, kind, number / 10, core, percent))
    facts = manifest([(run, kind, "ok") for run, kind, _ in runs], slot=slot, figure="12")
    facts["node"] |= {"id": f"node-{slot}"}
    return rows, facts, {name: table_csv(SLOT_TABLES[name], found) for name, found in tables.items()}
