"""``run_figure.sh headroom --dry-run``: how much would be replayed and served, and about how long it takes."""

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.kv_headroom.study import Lengths, fixed_policies, informed_policies, swapping_policies
from harness.commands.headroom.asked import Asked

# Measured on two cores: a request's replay by the fast loop and by vLLM's own; a request on the real engine; what is
# done once: the engine's environment aside, making traces, timing the engine, learning lengths.
_REQUEST_S, _STOCK_REQUEST_S, _REAL_REQUEST_S = 6e-4, 4e-3, 2.5e-2
_ONCE_S = 120.0
_NOTHING = Lengths((1,), (0,))
_SOME_BLOCKS = 1003.0  # per sequence: no target of the declared range falls together with one that fits


def print_headroom_plan(asked: Asked, as_json: bool) -> None:
    """The plan as a table, or as one JSON document on the last line of stdout. Stored points are counted too."""
    rows = list(_rows(asked))
    minutes = (_ONCE_S + sum(row["seconds"] for row in rows)) / 60
    console = Console(highlight=False, markup=False, stderr=as_json)
    table = Table("model", "workload", "tier", "points", "requests each", "minutes")
    for row in rows:
        cells = (row["model"], row["workload"], row["tier"], f"{row['points']:,}", f"{row['requests']:,}")
        table.add_row(*cells, f"{row['seconds'] / 60:.1f}")
    console.print(table)
    console.print(f"about {minutes:.0f} minutes with nothing stored; what is stored is not made again", soft_wrap=True)
    if as_json:
        print(json.dumps({"minutes": minutes, "rows": rows}))


def _rows(asked: Asked) -> Iterator[dict[str, Any]]:
    grid, searches = asked.grid, asked.searches
    fast = len(list(fixed_policies(grid, searches, _SOME_BLOCKS))) + len(
        list(informed_policies(grid, searches, _NOTHING))
    )
    stock = len(list(swapping_policies(grid, searches)))
    for model in asked.figure.models:
        for workload in asked.workloads:
            seeds, requests = len(grid.seeds), grid.requests
            row = {"model": model, "workload": workload, "requests": requests}
            seconds = seeds * requests * fast * _REQUEST_S
            yield row | {"tier": "simulated", "points": seeds * (fast + 1), "seconds": seconds}
            seconds = seeds * requests * stock * _STOCK_REQUEST_S
            yield row | {"tier": "simulated, swap", "points": seeds * stock, "seconds": seconds}
        if grid.real.workload in asked.workloads:
            real = grid.real
            policies = 1 + len(real.factors) + len(real.targets) + len(real.watermarks) + len(real.sigmas)
            row = {"model": model, "workload": real.workload, "requests": real.requests}
            seconds = 2 * policies * real.requests * _REAL_REQUEST_S
            yield row | {"tier": "real engine", "points": 2 * policies, "seconds": seconds}
