"""``run_figure.sh anatomy --dry-run``: which runs would be made, and about how long they take. Writes nothing."""

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.anatomy_asked import Asked
from harness.feature_plan import feature_plan

# Measured on two cores with the default twin: a server's start from a filled compile cache, its stop, one output token
# of a request alone and of one in a full batch, each with its share of the prompt.
_START_S, _STOP_S = 45.0, 5.0
_TOKEN_S, _BATCHED_TOKEN_S = 0.0095, 0.0012


def print_anatomy_plan(asked: Asked, as_json: bool) -> None:
    """The plan as a table, or as one JSON document on the last line of stdout. Stored runs are counted too."""
    rows: list[dict[str, Any]] = [_serving(asked), *feature_plan(asked.figure.features, asked.features, asked.smoke)]
    minutes = sum(row["seconds"] for row in rows) / 60
    console = Console(highlight=False, markup=False, stderr=as_json)
    table = Table("what", "runs", "minutes")
    for row in rows:
        table.add_row(row["what"], str(row["runs"]), f"{row['seconds'] / 60:.1f}")
    console.print(table)
    console.print(f"{asked.setting.model} on {asked.pin.name}", soft_wrap=True)
    console.print(f"about {minutes:.0f} minutes with nothing stored; what is stored is not made again", soft_wrap=True)
    if as_json:
        print(json.dumps({"minutes": minutes, "rows": rows}))


def _serving(asked: Asked) -> dict[str, Any]:
    levels, prompts = asked.case.levels, asked.setting.prompts
    seconds = _START_S + _STOP_S
    for level in levels:
        tokens = level.requests * prompts.output_tokens
        seconds += tokens * (_BATCHED_TOKEN_S + _TOKEN_S / level.concurrency)
    concurrencies = ", ".join(str(level.concurrency) for level in levels)
    repeats = asked.setting.repeats
    return {"what": f"vllm serve at concurrency {concurrencies}", "runs": repeats, "seconds": repeats * seconds}
