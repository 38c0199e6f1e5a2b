"""The tables of the prefix-sharing figure's slot. What the quantities are: docs/prefix-sharing.md.

    data.csv           one number of one replay a row
    distributions.csv  quantiles of the replays at an unlimited cache: value below which ``probability`` of n lies
    occupancy.csv      blocks in use over virtual time, of the first repeat
    comparison.csv     single-turn against multi-turn: mean, half width of the 95 % interval and n of each metric
    mooncake.csv       hit ratios by policy at published capacities: published; of this trace, in one pool and in vLLM

``repeat`` is the seed of generated dialogues or of arrivals, 0 where nothing is random. ``policy`` is ``none`` where
prefix caching is off. An ``unlimited`` cache's ``cache_blocks`` are more than the replay could use.
"""

from harness.record.tables import Cell, Table

SINGLE, MULTI, MOONCAKE = "single-turn", "multi-turn", "mooncake"  # workloads
NONE = "none"
LIMITED, UNLIMITED = "limited", "unlimited"
PUBLISHED, GLOBAL_POOL, VLLM = "published", "one pool", "vLLM"

_CASE: dict[str, type[Cell]] = {
    "case": str,
    "workload": str,
    "repeat": int,
    "policy": str,
    "cache": str,
    "cache_blocks": int,
    "block_size": int,
}
_LARGE = {"repeat": 1e15, "cache_blocks": 1e15, "block_size": 1e9}
_VALUES = {"value": 1e18, "n": 1e15}

DATA = Table(
    "data.csv",
    {**_CASE, "metric": str, "value": float, "unit": str},
    {"block_size": "tokens"},
    _LARGE | _VALUES,
)
DISTRIBUTIONS = Table(
    "distributions.csv",
    {**_CASE, "quantity": str, "part": str, "n": int, "probability": float, "value": float},
    {"block_size": "tokens"},
    _LARGE | _VALUES | {"probability": 1.0},
)
OCCUPANCY = Table(
    "occupancy.csv",
    {**_CASE, "begin_s": float, "end_s": float, "mean_blocks": float, "max_blocks": int},
    {"block_size": "tokens", "begin_s": "virtual s", "end_s": "virtual s"},
    _LARGE | {"mean_blocks": 1e15, "max_blocks": 1e15},
)
COMPARISON = Table(
    "comparison.csv",
    {"metric": str, "unit": str, "of": str, "statistic": str, "value": float},
    {},
    _VALUES,
)
RATIOS = Table(
    "mooncake.csv",
    {"source": str, "policy": str, "cache": str, "capacity_blocks": int, "hit_ratio": float},
    {"capacity_blocks": "blocks of 512 tokens"},
    {"capacity_blocks": 1e15, "hit_ratio": 1.0},
)
SHARING_TABLES = (DATA, DISTRIBUTIONS, OCCUPANCY, COMPARISON, RATIOS)
