"""Stored runs of the routing study → the figure's slot, and what ``--json`` prints.

A call's label takes the place of what the slot had under it; other labels' runs stay beside it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from experiments.prefix_routing.study import Case
from harness.errors import HarnessError
from harness.measure.replay import engine_record
from harness.progress import say
from harness.record.routing_lines import RoutingRunError
from harness.record.routing_run import RoutingRun, read_routing_run
from harness.record.routing_store import StoredCase
from harness.record.routing_tables import FINDINGS, ROUTING_TABLES, STUDY
from harness.record.slotcheck import SlotError
from harness.record.study_slot import read_study_slot
from harness.record.tables import Cell
from harness.routing_runs import Deployed, with_label
from harness.routing_slot import RoutingSource, write_routing_slot
from harness.workspace import Workspace


def collect(slot: Path, deployed: Deployed, simulated: Sequence[tuple[Cell, ...]]) -> None:
    """Write the slot. Raises HarnessError: no run to show, a stored one is damaged, or the slot is another node's."""
    asked = deployed.asked
    runs = [run for case in asked.cases for run in runs_of(deployed, case)]
    if not runs:
        raise HarnessError(f"no run of label {asked.label} is stored; repeat the command")
    runs += _of_other_labels(slot, deployed)
    source = RoutingSource(dict(deployed.node), engine_record(deployed.engine), deployed.model_record)
    write_routing_slot(slot, asked.figure.figure, runs, source, simulated)


def runs_of(deployed: Deployed, case: Case) -> Iterator[RoutingRun]:
    """The case's runs that were asked for, under this call's label; of a repeat without an ok one, its last attempt."""
    stored = deployed.stored(case)
    for repeat in range(1, deployed.asked.setting.repeats + 1):
        place = stored.run(repeat)
        folders = [place] if place.is_dir() else stored.failed(repeat)[-1:]
        for folder in folders:
            yield with_label(_read(folder), deployed.asked.label)


def routing_document(deployed: Deployed, workspace: Workspace) -> dict[str, Any]:
    """What ``--json`` prints: where the slot is, its runs, every finding."""
    figure = deployed.asked.figure
    folder = workspace.figure(figure.figure)
    slot = read_study_slot(folder / figure.slots[0], ROUTING_TABLES, STUDY)
    return {
        "schema_version": 1,
        "figure": figure.figure,
        "label": deployed.asked.label,
        "slot": str(folder / figure.slots[0]),
        "drawn": [str(folder / f"figure-{figure.figure}.{kind}") for kind in ("pdf", "png")],
        "runs": slot.manifest["runs"],
        "findings": [dict(zip(FINDINGS.columns, row, strict=True)) for row in slot.tables[FINDINGS.name]],
    }


def _of_other_labels(slot: Path, deployed: Deployed) -> list[RoutingRun]:
    """Runs of this node that the slot shows under other labels, read from the store again."""
    if not slot.exists():
        return []
    try:
        manifest = read_study_slot(slot, ROUTING_TABLES, STUDY).manifest
    except (SlotError, OSError):
        return []  # write_routing_slot says what is wrong with what is in its way
    if manifest["node"]["id"] != deployed.node["id"]:
        return []
    found = []
    for run in manifest["runs"]:
        if run["label"] == deployed.asked.label:
            continue
        case = StoredCase(deployed.workspace.runs / str(deployed.node["id"]) / STUDY / run["case"])
        folder = case.run(run["repeat"])
        if folder.is_dir():
            found.append(with_label(_read(folder), run["label"]))
        else:
            say(f"label {run['label']}: {folder} is not in the store any more; left out")
    return found


def _read(folder: Path) -> RoutingRun:
    try:
        return read_routing_run(folder)
    except RoutingRunError as error:
        raise HarnessError(f"{error}; remove {folder} and repeat") from None
