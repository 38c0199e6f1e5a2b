"""The starts of the check's figures, from their slots' sessions in the store, as far as its numbers need them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.analyse.dataset import captured
from harness.analyse.parts import parts_from
from harness.errors import HarnessError
from harness.record.gpu_check import CheckedStart
from harness.record.run import Run
from harness.record.slot import Slot, find_slots, read_slot
from harness.record.slotcheck import SlotError
from harness.record.store import CaseStore
from harness.record.tables import PARTS, cells_of, read_table
from harness.spec.gpu_check import FigureStage, GpuCheck
from harness.workspace import Workspace

STORAGE = "storage"


def stages_of(check: GpuCheck) -> dict[str, tuple[FigureStage, ...]]:
    """The stages that make starts, in their order."""
    return {
        "figure2": (check.figure2,),
        "figure8": (check.figure8,),
        "figure9": (check.figure9,),
        STORAGE: (check.storage.ram, check.storage.ssd),
    }


def checked_runs(stage: FigureStage, pin: str, node: str, workspace: Workspace) -> list[tuple[Run, CheckedStart]]:
    """Every run of the stage's slot that is of this engine and node, in the order of the manifest; none without a slot.

    Each with its record.

    Raises:
        HarnessError: the slot, or a table of a run, cannot be read.
    """
    try:
        slots = [read_slot(path) for path in find_slots(workspace.figure(stage.figure))]
        found = [slot for slot in slots if slot.manifest["node"]["id"] == node and _is_of(slot, stage)]
        return [each for slot in found for each in _starts(slot, stage, pin, node, workspace)]
    except SlotError as error:
        raise HarnessError(f"{error}; measure the stage again, or move the slot away") from None


def _is_of(slot: Slot, stage: FigureStage) -> bool:
    return stage.slot is None or str(slot.manifest["slot"])[-1:] == str(stage.slot)


def _starts(
    slot: Slot, stage: FigureStage, pin: str, node: str, workspace: Workspace
) -> Iterator[tuple[Run, CheckedStart]]:
    for case in slot.manifest["cases"]:
        if case["engine"].get("pin") != pin or case["model"].get("name") not in stage.models:
            continue
        store = CaseStore.of(workspace.runs, node, "cold_start", str(case["case"]))
        for run in store.session_runs(str(case["session"])):
            rows = _parts(store.run_folder(run.session, run.run) / PARTS.name)
            yield run, _start(stage, str(slot.manifest["slot"]), str(case["case"]), run, rows)


def _parts(path: Path) -> list[dict[str, Any]]:
    """Rows of a run's parts.csv; a run whose spans state none has no such file. Raises SlotError: they are no parts."""
    if not path.exists():
        return []
    rows = read_table(PARTS, path)
    parts_from(rows)
    return cells_of(PARTS, rows)


def _start(stage: FigureStage, slot: str, case: str, run: Run, rows: list[dict[str, Any]]) -> CheckedStart:
    sizes = captured(run.case.get("parameters", {})).get("captured_sizes")
    return CheckedStart(
        figure=stage.figure,
        slot=slot,
        case=case,
        run_id=run.run_id,
        kind=run.kind,
        model=str(run.model.get("name")),
        twin=bool(run.model.get("twin")),
        status=run.status,
        counts=run.counts,
        reason=run.reason,
        ready_s=run.ready_s,
        first_token_s=run.first_token_s,
        unattributed_s=run.unattributed_s,
        hook_s=run.tracer.get("self_s"),
        tensor_bytes=run.model.get("tensor_bytes"),
        captured_sizes=None if sizes is None else int(sizes),
        phases=run.phases,
        parts=tuple(rows),
        marks=tuple(run.marks),
    )
