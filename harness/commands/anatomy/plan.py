"""``run_figure.sh anatomy --dry-run``: which runs would be made, and about how long they take. Writes nothing."""

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.commands.anatomy.asked import Asked

# Measured on two cores with the default twin: a server's start from a filled compile cache, its stop, one output token
# of a request alone and of one in a full batch, each with its share of the prompt.
_START_S, _STOP_S = 45.0, 5.0
_TOKEN_S, _BATCHED_TOKEN_S = 0.0095, 0.0012
_FEATURE_S, _COMPILED_FEATURE_S = 28.0, 60.0  # an engine's start, its passes, what a worker's prompts take


def print_anatomy_plan(asked: Asked, as_json: bool) -> None:
    """The plan as a table, or as one JSON document on the last line of stdout. Stored runs are counted too."""
    rows = [_serving(asked), *_features(asked)]
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
        tokens = level.requests * (prompts.min_output_tokens + prompts.max_output_tokens) / 2
        seconds += tokens * (_BATCHED_TOKEN_S + _TOKEN_S / level.concurrency)
    concurrencies = ", ".join(str(level.concurrency) for level in levels)
    repeats = asked.setting.repeats
    return {"what": f"vllm serve at concurrency {concurrencies}", "runs": repeats, "seconds": repeats * seconds}


def _features(asked: Asked) -> Iterator[dict[str, Any]]:
    features = asked.figure.features
    repeats = asked.iterations or (features.smoke.repeats if asked.smoke else features.repeats)
    for name, case in features.chosen(asked.features).items():
        seconds = _COMPILED_FEATURE_S if case.engine.get("enforce_eager") is False else _FEATURE_S
        runs = 1 if case.refuses else min(repeats, case.repeats or repeats)
        yield {"what": f"feature {name}", "runs": runs, "seconds": runs * seconds}
