"""``run_figure.sh NUM --dry-run``: which starts would be made, and how long they would take. Writes nothing."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.analyse.budget import Cost
from harness.commands.figure.cases import Asked, Point
from harness.commands.figure.start_seconds import StartSeconds, forecaster
from harness.measure.case import Options, declared_definition
from harness.record.run import Run
from harness.record.store import CaseStore
from harness.state.machine import this_node
from harness.workspace import Workspace


@dataclass(frozen=True)
class Planned:
    """The starts that one case of the figures still needs."""

    figures: list[str]
    model: str
    setting: str
    warmups: int
    measured: int
    seconds: float
    cost: Cost = field(repr=False)  # of any number of measured starts
    key: str = field(repr=False)  # what the case is, as far as that is known before model and engine are there
    stored: bool = field(default=False, repr=False)  # measured starts of it, whether they are to be made again or not


def plan(asked: list[Asked], options: Options, workspace: Workspace) -> list[Planned]:
    """The starts of a call, each case once. Runs that are stored and count are not made again."""
    return plan_beside(asked, options, StartSeconds(_stored(workspace), forecaster(workspace)))


def plan_beside(asked: list[Asked], options: Options, seconds: StartSeconds) -> list[Planned]:
    """``plan``, given how long starts take (without runs: as on a machine that has measured nothing)."""
    runs = seconds.runs
    planned: dict[str, Planned] = {}
    for each in asked:
        for point in each.points:
            wanted = declared_definition(each.figure, point.pin, point.model, point.setting)
            key = case_key(each, point)
            if key in planned:
                planned[key].figures.append(each.number)
                continue
            found = [run for run in runs if run.counts and _is_of(run.case, wanted)]
            mine = [] if options.again else found
            iterations = options.iterations_of(each.figure)
            warm = not point.setting.state.needs_warm_up or any(run.kind == "warmup" for run in mine)
            like = "measured" if point.setting.state.compile_cache == "warm-up" else "warmup"
            cost = Cost(
                warm_up_s=0.0 if warm else seconds.of(wanted, "warmup"),
                start_s=seconds.of(wanted, like),
                stored=sum(run.kind == "measured" for run in mine),
            )
            missing = max(0, iterations - cost.stored)
            warmups = int(missing > 0 and not warm)
            case = (point.model, point.label(each.figure), warmups, missing, cost.seconds(iterations))
            stored = any(run.kind == "measured" for run in found)
            planned[key] = Planned([each.number], *case, cost, key, stored)
    return list(planned.values())


def case_key(asked: Asked, point: Point) -> str:
    """The same text for points that are one case, of whatever figures."""
    return json.dumps(declared_definition(asked.figure, point.pin, point.model, point.setting), sort_keys=True)


def runs_of(planned: Planned, runs: Iterable[Run]) -> list[Run]:
    """Those of the runs that are of this case."""
    wanted = json.loads(planned.key)
    return [run for run in runs if _is_of(run.case, wanted)]


def print_plan(planned: list[Planned], notes: list[str], as_json: bool) -> None:
    """The plan as a table, or as one JSON document on the last line of stdout."""
    minutes = sum(each.seconds for each in planned) / 60
    console = Console(highlight=False, markup=False, stderr=as_json)
    for note in notes:
        console.print(note, soft_wrap=True)
    table = Table("figure", "model", "setting", "warm-up", "measured", "minutes")
    for each in planned:
        cells = (",".join(each.figures), each.model, each.setting, str(each.warmups), str(each.measured))
        table.add_row(*cells, f"{each.seconds / 60:.1f}")
    console.print(table)
    console.print(f"about {minutes:.0f} minutes of starts, in turns: every case's warm-up, then iteration by iteration")
    if as_json:
        print(json.dumps({"minutes": minutes, "notes": notes, "cases": [_case_json(each) for each in planned]}))


def _case_json(planned: Planned) -> dict[str, Any]:
    return {name: value for name, value in vars(planned).items() if name not in ("cost", "key", "stored")}


def _stored(workspace: Workspace) -> list[Run]:
    """The runs of every case's last session on this node."""
    folder = workspace.runs / node_here(workspace) / "cold_start"
    stores = [CaseStore(path) for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []
    return [run for store in stores for run in store.last_session_runs()]


def node_here(workspace: Workspace) -> str:
    """The name of this machine."""
    return str(this_node(_existing(workspace.runs))["id"])


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else folder.parent


def _is_of(case: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a stored case is what is wanted, as far as that is known before model and engine are there."""
    engine = case.get("engine", {})
    same_engine = all(engine.get(name) == value for name, value in wanted["engine"].items())
    # A sampled start is no start of a figure that samples nothing.
    names = (wanted.keys() | {"samples", "drop_caches", "parallel"}) - {"engine"}
    return same_engine and all(case.get(name) == wanted.get(name) for name in names)
