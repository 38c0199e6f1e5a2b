"""Stored runs of the routing study → the figure's slot, and what ``--json`` prints.

A call's label takes the place of what the slot had under it; other labels' runs stay beside it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.prefix_routing.study import Case
from harness.commands.routing.runs import Deployed, Planned, with_label
from harness.commands.routing.slot import RoutingSource, write_routing_slot
from harness.errors import HarnessError
from harness.measure.replay import engine_record
from harness.progress import say
from harness.record.repeats import Repeats
from harness.record.routing_lines import RoutingRunError
from harness.record.routing_run import RoutingRun, read_routing_run
from harness.record.routing_tables import FINDINGS, ROUTING_TABLES, SIMULATED, STUDY
from harness.record.slotcheck import SlotError
from harness.record.study_slot import StudySlot, read_study_slot
from harness.record.tables import Cell
from harness.workspace import Workspace

Row = tuple[Cell, ...]


def present_slot(slot: Path) -> StudySlot | None:
    """The slot as it is now; None: there is none.

    Raises:
        HarnessError: it cannot be read, so that what it shows under other labels would be lost.
    """
    if not slot.is_dir() or not any(slot.iterdir()):
        return None
    try:
        return read_study_slot(slot, ROUTING_TABLES, STUDY)
    except SlotError as error:
        what = f"its other labels would be lost: move {slot} away, and repeat for each label that is to be shown"
        raise HarnessError(f"{error}; {what} (stored runs are not made again)") from None


def collect(slot: Path, runs: Planned, simulated: Sequence[Row]) -> None:
    """Write the slot. Raises HarnessError: a stored run is damaged, or the slot is another node's or cannot be read."""
    on = runs.on
    found = [run for case in on.asked.cases for run in runs_of(runs, case)]
    others = _other_labels(slot, on)
    source = RoutingSource(dict(on.node), engine_record(on.engine), on.model.record)
    rows = [*simulated, *others.simulated]
    write_routing_slot(slot, on.asked.figure.figure, [*found, *others.runs], source, rows)


def runs_of(runs: Planned, case: Case) -> Iterator[RoutingRun]:
    """The case's runs that were asked for, under this call's label, failed ones too."""
    for folder in runs.folders(case):
        yield with_label(_read(folder), runs.on.asked.label)


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


@dataclass(frozen=True)
class _Others:
    """What the slot shows under other labels."""

    runs: Sequence[RoutingRun] = ()
    simulated: Sequence[Row] = ()


def _other_labels(slot: Path, on: Deployed) -> _Others:
    """Runs of this node under other labels, read from the store again, and what was simulated beside them."""
    there = present_slot(slot)
    if there is None or there.manifest["node"]["id"] != on.node["id"]:
        return _Others()  # write_routing_slot refuses another node's
    found: list[RoutingRun] = []
    for entry in there.manifest["runs"]:
        if entry["label"] == on.asked.label:
            continue
        case = Repeats(on.workspace.runs / str(on.node["id"]) / STUDY / entry["case"])
        folder = case.shown(entry["repeat"])
        if folder is not None:
            found.append(with_label(_read(folder), entry["label"]))
        else:
            say(f"label {entry['label']}: {case.run(entry['repeat'])} is not in the store any more; left out")
    at = list(SIMULATED.columns).index("label")
    simulated = [row for row in there.tables[SIMULATED.name] if row[at] != on.asked.label]
    return _Others(found, simulated)


def _read(folder: Path) -> RoutingRun:
    try:
        return read_routing_run(folder)
    except RoutingRunError as error:
        raise HarnessError(f"{error}; remove {folder} and repeat") from None
