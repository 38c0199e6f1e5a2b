"""``run_figure.sh sharing --dry-run``: which replays would be made, and about how long they take. Writes nothing."""

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.prefix_sharing.study import Workload, points
from harness.commands.sharing.workloads import DialogueFolder
from harness.record.replay import Parameters
from harness.spec.sharing import Dialogues, Grid, Mooncake

# Measured on two cores: building a scheduler, and one request of either kind of trace.
_REPLAY_S, _DIALOGUE_S, _MOONCAKE_S = 0.5, 2e-4, 3e-4
_WORKLOAD_S = 20.0  # traces of one seed
_SIZES = 8  # cache sizes that dialogues have, before their traces are there
_TURNS = 2.1  # requests of a dialogue, likewise


def print_sharing_plan(grid: Grid, folders: Sequence[DialogueFolder], mooncake: Workload | None, as_json: bool) -> None:
    """The plan as a table, or as one JSON document on the last line of stdout. Stored replays are counted too."""
    rows = [
        _made(each.workloads(), grid.dialogues) if each.is_made else _unmade(grid.dialogues, each.seed)
        for each in folders
    ]
    notes = []
    if mooncake:
        rows.append(_made([mooncake], grid.mooncake))
    else:
        notes.append("Mooncake's trace is not there: its panels will say how to get it (--trace FILE)")
    minutes = sum(row["seconds"] for row in rows) / 60
    console = Console(highlight=False, markup=False, stderr=as_json)
    table = Table("workload", "requests", "replays", "minutes")
    for row in rows:
        about = "" if row["made"] else "about "
        cells = (f"{about}{row['requests']:,}", f"{about}{row['replays']}", f"{row['seconds'] / 60:.1f}")
        table.add_row(row["workload"], *cells)
    console.print(table)
    for note in notes:
        console.print(note, soft_wrap=True)
    console.print(f"about {minutes:.0f} minutes with nothing stored; what is stored is not made again", soft_wrap=True)
    if as_json:
        print(json.dumps({"minutes": minutes, "notes": notes, "workloads": rows}))


def _made(workloads: list[Workload], declared: Dialogues | Mooncake) -> dict[str, Any]:
    replays = sum(len(points(workload, declared, Parameters())) for workload in workloads)
    limit = declared.limit if isinstance(declared, Mooncake) else None
    requests = sum(min(each.facts.requests, limit or each.facts.requests) for each in workloads)
    each_s = _MOONCAKE_S if isinstance(declared, Mooncake) else _DIALOGUE_S
    seconds = replays * (_REPLAY_S + each_s * requests / len(workloads))
    name = " and ".join(workload.name for workload in workloads)
    return {"workload": name, "made": True, "requests": requests, "replays": replays, "seconds": seconds}


def _unmade(declared: Dialogues, seed: int) -> dict[str, Any]:
    requests = round(declared.conversations * (1 + _TURNS))
    whole = 2 * (1 + len(declared.block_sizes))
    replays = whole + _SIZES * (1 + len(declared.policies))
    seconds = _WORKLOAD_S + replays * (_REPLAY_S + _DIALOGUE_S * requests / 2)
    name = f"single-turn and multi-turn, seed {seed}"
    return {"workload": name, "made": False, "requests": requests, "replays": replays, "seconds": seconds}
