"""``run_figure.sh routing --dry-run``: which runs would be made, and about how long they take. Writes nothing."""

import json
import math
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.commands.routing.asked import Asked

# Measured on two cores: starting Ray and two replicas one after another, and stopping them; the simulated twin.
_DEPLOY_S, _DEPLOY_REPLICA_S, _STOP_S = 25.0, 25.0, 10.0
_SIMULATED_S = 60.0
_LAST_S = 5.0  # from the last arrival to its last token


def print_routing_plan(asked: Asked, as_json: bool) -> None:
    """The plan as a table, or as one JSON document on the last line of stdout. Stored runs are counted too."""
    setting = asked.setting
    seconds = _run_s(asked)
    rows: list[dict[str, Any]] = [
        {
            "strategy": case.strategy,
            "router": case.router,
            "runs": setting.repeats,
            "seconds": setting.repeats * seconds,
        }
        for case in asked.cases
    ]
    minutes = (_SIMULATED_S + sum(row["seconds"] for row in rows)) / 60
    console = Console(highlight=False, markup=False, stderr=as_json)
    table = Table("strategy", "router's parameters", "runs", "minutes")
    for row in rows:
        said = ", ".join(f"{name} {value}" for name, value in row["router"]["parameters"].items()) or "none"
        table.add_row(row["strategy"], said, str(row["runs"]), f"{row['seconds'] / 60:.1f}")
    console.print(table)
    load = setting.load
    console.print(
        f"{setting.replicas} replicas of {setting.model} on {asked.pin.name}; {load.num_prompts} requests at "
        f"{load.request_rate:g}/s, at most {load.max_concurrency} at once, {load.min_output_tokens} to "
        f"{load.max_output_tokens} output tokens",
        soft_wrap=True,
    )
    console.print(f"about {minutes:.0f} minutes with nothing stored; what is stored is not made again", soft_wrap=True)
    if as_json:
        print(json.dumps({"minutes": minutes, "label": asked.label, "rows": rows}))


def _run_s(asked: Asked) -> float:
    setting = asked.setting
    rate = setting.load.request_rate
    sending = (0.0 if math.isinf(rate) else setting.load.num_prompts / rate) + _LAST_S
    phases = 2 if setting.with_warmup else 1
    return _DEPLOY_S + _DEPLOY_REPLICA_S * setting.replicas + phases * sending + _STOP_S
