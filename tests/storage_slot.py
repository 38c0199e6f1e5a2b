"""Slots of figure 13: starts whose certificates tell of their weights, made from a seed."""

import random
from typing import Any

from harness.record.rows import Row
from tests.synthetic_slot import manifest, synthetic

GB = 1_000_000_000


def storage_slot(
    slot: str,
    storage: str,
    models: tuple[str, ...] = ("llama3-3b",),
    starts: int = 5,
    weight_bytes: int = 2 * GB,
    rate: float = 0.8e9,
    disk: float | None = 1e9,
    holds: bool = True,
) -> tuple[list[Row], dict[str, Any]]:
    """Rows and manifest: weights loaded at about ``rate`` bytes per second; ``disk``: what the probe found, about."""
    rng = random.Random(f"{slot} {storage}")
    rows: list[Row] = []
    whole = manifest([], slot=slot, figure="13")
    (like,) = whole["cases"]
    whole["cases"] = []
    for model in models:
        case = f"{model}-{storage}-1a2b3c4d"
        facts = {"model": {**like["model"], "name": model}, "state": {"storage": storage, "libraries": "warm"}}
        whole["cases"].append({**like, **facts, "case": case, "parameters": {**like["parameters"], "storage": storage}})
        seconds: dict[str, float] = {}
        for row in synthetic(measured=starts, slot=slot, figure="13")[0]:
            slowness = seconds.setdefault(row.run, rng.gauss(1, 0.05))  # of the disk, around this start
            loading = weight_bytes / rate * slowness * rng.gauss(1, 0.02)
            took = loading if (row.phase, row.source) == ("load_weights", "span") else row.seconds
            rows.append(Row(**{**vars(row), "case": case, "model": model, "seconds": took}))
        for run, slowness in seconds.items():
            kind = "measured" if run.isdigit() else "warmup"
            told = {"case": case, "run_id": f"{case}/{run}", "run": run, "kind": kind, "status": "ok"}
            whole["runs"].append({**told, "run_json_sha256": "d" * 64})
            part = {"declared": storage, "holds": holds, "weight_bytes": weight_bytes}
            part["read_bytes"] = {"load": 0 if storage == "ram" else weight_bytes, "tree": None, "device": None}
            part["probe_bytes_per_s"] = disk / slowness if disk else None
            whole["certificates"][f"{case}/{run}"] = {"storage": part}
    return rows, whole
