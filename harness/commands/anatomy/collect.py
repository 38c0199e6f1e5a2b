"""Stored runs of the anatomy study → the figure's slot, and what ``--json`` prints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.analyse.anatomy_rows import split_rows
from harness.commands.anatomy.runs import AnatomyOn, PlannedRuns
from harness.errors import HarnessError
from harness.record.anatomy_run import AnatomyRun, read_anatomy_run
from harness.record.anatomy_tables import ANATOMY_TABLES, CLAIM, FINDINGS, STUDY
from harness.record.private import names_here, without_private
from harness.record.serving_trace import AnatomyRunError
from harness.record.slotcheck import SlotError
from harness.record.study_slot import read_study_slot, write_study_slot
from harness.record.tables import Cell

Rows = Sequence[tuple[Cell, ...]]


def collect(runs: PlannedRuns, features: Mapping[str, Rows], listed: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Write the slot.

    Args:
        runs: the serving runs; those that are stored are shown.
        features: rows of the feature tables by the table's name.
        listed: ``cases`` and ``runs`` of the features, for the manifest.

    Raises:
        HarnessError: a stored run is damaged, or the slot is another node's.
    """
    on = runs.on
    found = [_read(folder) for folder in runs.shown()]
    names = names_here()
    rows = without_private({**split_rows(found), **features}, names)
    cases = [{"case": runs.stored.case, "parameters": on.asked.case.parameters()}] if found else []
    figure = on.asked.figure
    place = on.workspace.figure(figure.figure) / figure.slots[0]
    manifest = {
        "figure": figure.figure,
        "slot": place.name,
        "study": STUDY,
        "node": dict(on.node),
        "engine": on.engine_record,
        "environment": on.environment,
        "model": on.model.record,
        "device": on.engine.pin.device,
        "cases": [*cases, *listed["cases"]],
        "runs": [*map(_told, found), *listed["runs"]],
    }
    try:
        write_study_slot(place, [(table, rows.get(table.name, ())) for table in ANATOMY_TABLES], manifest)
    except SlotError as error:
        raise HarnessError(str(error)) from None


def _told(run: AnatomyRun) -> dict[str, Any]:
    facts = run.facts
    return {
        "case": facts.case,
        "repeat": facts.run,
        "status": facts.status,
        "started_at": facts.started_at,
        "ready_s": facts.ready_s,
        "harness": facts.harness,
    }


def anatomy_document(on: AnatomyOn) -> dict[str, Any]:
    """What ``--json`` prints: where the slot is, its runs, every finding, the claim."""
    figure = on.asked.figure
    folder = on.workspace.figure(figure.figure)
    slot = read_study_slot(folder / figure.slots[0], ANATOMY_TABLES, STUDY)
    tables = {"findings": FINDINGS, "claim": CLAIM}
    return {
        "schema_version": 1,
        "figure": figure.figure,
        "slot": str(folder / figure.slots[0]),
        "drawn": [str(folder / f"figure-{figure.figure}.{kind}") for kind in ("pdf", "png")],
        "runs": slot.manifest["runs"],
        **{
            name: [dict(zip(table.columns, row, strict=True)) for row in slot.tables[table.name]]
            for name, table in tables.items()
        },
    }


def _read(folder: Path) -> AnatomyRun:
    try:
        return read_anatomy_run(folder)
    except AnatomyRunError as error:
        raise HarnessError(f"{error}; remove {folder} and repeat") from None
