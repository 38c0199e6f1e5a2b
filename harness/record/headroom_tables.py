"""The tables of the head-room figure's slot. What the quantities are: docs/headroom.md.

    points.csv       one number of one point (workload, repeat, policy parameter, mode, tier) a row
    calibration.csv  engine steps: measured seconds, and what the step-time model says of them
    memory.csv       traced points: blocks in use, and blocks that changed hands, in equal intervals of time
    lanes.csv        traced points: when the first requests were admitted, preempted, resumed and finished
    findings.csv     settings against a baseline, over the repeats that both have: one statistic (``findings.py``) a row

``repeat`` is the seed of the workload. ``search`` ``none`` is vLLM as it is and has the parameter 0. Points whose
``arrivals`` are ``steps`` have engine steps for a clock: their times are steps, and the units say so. What does not
exist has no row.
"""

from harness.record.tables import Table

STUDY = "kv_headroom"

# Tiers. Replayed: what the real engine answered, simulated; paced: the same by the clock, with step times scaled by how
# long the other points' steps took.
SIM, REAL, REPLAYED, PACED = "sim", "real", "replayed", "paced"
NONE, NAIVE, TARGET, WATERMARK = "none", "naive", "target", "watermark"
PROBABILISTIC, PREDICTED, ORACLE = "probabilistic", "predicted", "oracle"
SEARCHES = (NONE, NAIVE, TARGET, WATERMARK, PROBABILISTIC, PREDICTED, ORACLE)
FORESEEING = (PROBABILISTIC, PREDICTED, ORACLE)  # head-rooms from what is expected of the running requests
RECOMPUTE, SWAP = "recompute", "swap"  # modes
SECONDS, STEPS = "seconds", "steps"  # arrivals
FITTED, HELD_OUT = "fit", "held out"  # parts of the calibration
ADMIT, PREEMPT, RESUME, FINISH = "admit", "preempt", "resume", "finish"  # events of a lane

_VALUE = {"value": 1e18}
_COUNTS = {"repeat": 1e15, "gpu_blocks": 1e15, "cpu_blocks": 1e15, "block_size": 1e9}

POINTS = Table(
    "points.csv",
    {
        "case": str,
        "workload": str,
        "repeat": int,
        "model": str,
        "tier": str,
        "search": str,
        "parameter": float,
        "mode": str,
        "arrivals": str,
        "gpu_blocks": int,
        "cpu_blocks": int,
        "block_size": int,
        "metric": str,
        "value": float,
        "unit": str,
    },
    {"block_size": "tokens"},
    _COUNTS | _VALUE,
)
CALIBRATION = Table(
    "calibration.csv",
    {
        "model": str,
        "step": int,
        "part": str,
        "prefill_tokens": int,
        "decode_seqs": int,
        "context_tokens": int,
        "measured_s": float,
        "predicted_s": float,
    },
    {"prefill_tokens": "tokens", "context_tokens": "tokens", "measured_s": "s", "predicted_s": "s"},
    dict.fromkeys(("step", "prefill_tokens", "decode_seqs", "context_tokens"), 1e15),
)
_MEMORY_COUNTS = ("max_blocks_in_use", "allocated", "freed", "hit", "evicted", "preempted")
MEMORY = Table(
    "memory.csv",
    {
        "case": str,
        "tier": str,
        "workload": str,
        "search": str,
        "parameter": float,
        "begin_s": float,
        "end_s": float,
        "mean_blocks_in_use": float,
        **dict.fromkeys(_MEMORY_COUNTS, int),
    },
    {"begin_s": "s", "end_s": "s", "allocated": "blocks", "freed": "blocks", "hit": "blocks", "evicted": "blocks"},
    dict.fromkeys(("mean_blocks_in_use", *_MEMORY_COUNTS), 1e15),
)
LANES = Table(
    "lanes.csv",
    {"case": str, "request": int, "event": str, "t_s": float, "blocks": int},
    {"t_s": "s"},
    {"blocks": 1e15},
)
FINDINGS = Table(
    "findings.csv",
    {
        "workload": str,
        "model": str,
        "mode": str,
        "search": str,
        "parameter": float,
        "baseline": str,
        "metric": str,
        "statistic": str,
        "value": float,
    },
    {},
    _VALUE,
)
HEADROOM_TABLES = (POINTS, CALIBRATION, MEMORY, LANES, FINDINGS)
