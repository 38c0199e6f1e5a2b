"""Slots of figure 12: starts whose cores (and GPUs) were sampled, made from a seed."""

import random
from typing import Any

from harness.record import gpu as words
from harness.record.rows import Row
from harness.record.tables import CORES, GPU, SLOT_TABLES, TIMELINE, table_csv
from tests.synthetic_slot import CACHED, CASE, MODEL, SESSION, manifest

RUNS = (("warmup-0", "warmup", 2.0), ("1", "measured", 1.3), ("2", "measured", 1.0), ("3", "measured", 0.9))


def sampled(
    slot: str = "node0", cores: int = 2, runs: tuple[tuple[str, str, float], ...] = RUNS, gpus: int = 0
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
    if gpus:
        tables[GPU.name] = [
            (CASE, *row) for run, kind, factor in runs for row in _gpu_rows(rng, run, kind, factor, gpus)
        ]
    facts = manifest([(run, kind, "ok") for run, kind, _ in runs], slot=slot, figure="12")
    facts["node"] |= {"id": f"node-{slot}"}
    for run in facts["runs"] if gpus else ():
        run["gpus"] = [{"name": "NVIDIA H200", "uuid": f"GPU-{gpu}", "not_told": {}} for gpu in range(gpus)]
    return rows, facts, {name: table_csv(SLOT_TABLES[name], found) for name, found in tables.items()}


def _gpu_rows(rng: random.Random, run: str, kind: str, factor: float, gpus: int) -> list[tuple[Any, ...]]:
    """GPUs that load weights in the second third of the start and compute in the last one, hot at its end."""
    until = int(sum(CACHED.values()) * factor * 10)
    rows: list[tuple[Any, ...]] = []
    for number in range(1, until + 1):
        part = number / until
        loads, computes = 0.35 < part < 0.7, part >= 0.7
        values = {
            words.UTILISATION: rng.randrange(40, 100) if computes else 3 if loads else 0,
            words.MEMORY_BUSY: rng.randrange(20, 60) if computes else 0,
            words.MEMORY_USED: (0.6 + 120 * min(max((part - 0.35) / 0.35, 0), 1)) * 2**30,
            words.PCIE_RX: rng.uniform(18e9, 25e9) if loads else rng.uniform(0, 2e6),
            words.PCIE_TX: rng.uniform(2e8, 3e8) if loads else 0.0,
            words.SM_CLOCK: 1980 if computes and part < 0.93 else 1410 if computes else 345,
            words.CLOCK_REASONS: 0x4 if part >= 0.93 else 0 if computes else 1,
        }
        rows += [(run, kind, number / 10, gpu, name, value) for gpu in range(gpus) for name, value in values.items()]
    return rows
