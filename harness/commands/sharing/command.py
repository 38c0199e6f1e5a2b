"""``run_figure.sh sharing``: set up → make traces → replay what is missing → collect → plot."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.prefix_sharing.study import STUDY, Point, Workload, points
from harness.analyse.sharing_rows import CaseReplay
from harness.commands.figure.command import set_up
from harness.commands.figure.replays import StudyReplays, replaying_pin, stored_replays
from harness.commands.figure.studies import StudyCall
from harness.commands.figure.study_steps import draw_and_print
from harness.commands.sharing.plan import print_sharing_plan
from harness.commands.sharing.slot import Source, write_sharing_slot
from harness.commands.sharing.workloads import DialogueFolder, dialogue_folders, mooncake_trace, mooncake_workload
from harness.door import json_errors
from harness.measure.conditions import check_writable, measuring
from harness.measure.replay import engine_record
from harness.measure.replay_batch import WantedReplay
from harness.progress import say
from harness.record.replay import Parameters
from harness.record.sharing_tables import COMPARISON, RATIOS, SHARING_TABLES
from harness.record.study_slot import read_study_slot
from harness.spec.pin import Pin
from harness.spec.sharing import Grid, SharingFigure, load_sharing
from harness.state.machine import this_node
from harness.traces.rows import MooncakeRow, read_trace
from harness.workspace import Workspace


def run_sharing(call: StudyCall, workspace: Workspace) -> None:
    """Do everything for the figure, or say what would be done.

    Raises:
        HarnessError: wrong use or impossible here; MeasurementFailed: a worker failed (what it finished is stored).
    """
    with json_errors(call.as_json):
        figure = load_sharing(call.figure, workspace)
        grid = figure.smoke if call.smoke else figure.full
        pin = replaying_pin(call.engine, call.figure, figure.engine)
        trace = mooncake_trace(call.trace, workspace)
        mooncake = mooncake_workload(trace, grid.mooncake.block_size) if trace else None
        folders = dialogue_folders(grid.dialogues, call.data, workspace)
        if call.dry_run:
            print_sharing_plan(grid, folders, mooncake, call.as_json)
            return
        with measuring(workspace.root, f"figure {call.figure}"):
            made, stored = _replay_and_collect(figure, grid, pin, folders, mooncake, workspace)
        draw_and_print(call, lambda: _document(figure, made, stored, workspace), workspace)


def _replay_and_collect(
    figure: SharingFigure,
    grid: Grid,
    pin: Pin,
    folders: Sequence[DialogueFolder],
    mooncake: Workload | None,
    workspace: Workspace,
) -> tuple[int, int]:
    """Returns how many replays were made, and how many were stored already."""
    slot = workspace.figure(figure.figure) / figure.slots[0]
    check_writable([workspace.runs, workspace.caches, slot.parent])
    node = this_node(workspace.runs)
    engine = set_up(pin, workspace)
    for each in folders:
        each.make(say, workspace)
    common = Parameters(step_time=figure.clock)
    dialogues = [workload for each in folders for workload in each.workloads()]
    found = [point for workload in dialogues for point in points(workload, grid.dialogues, common)]
    if mooncake:
        found += points(mooncake, grid.mooncake, common)
    replays = StudyReplays(STUDY, engine, str(node["id"]), figure.timeout_s, workspace)
    wanted = replays.wanted(found)
    made = replays.make(wanted)
    described = dialogues[0].described
    limit = grid.mooncake.limit
    source = Source(
        node=node,
        engine=engine_record(engine),
        dialogues={
            **described.get("source", {}),
            "conversations": grid.dialogues.conversations,
            "arrival_rate": grid.dialogues.arrival_rate,
        },
        tokenizer=described.get("tokenizer"),
        step_time=asdict(figure.clock),
        mooncake={"file": mooncake.trace.name, **asdict(mooncake.facts), "limit": limit} if mooncake else None,
    )
    requests = list(itertools.islice(_requests(mooncake.trace), limit)) if mooncake else []
    write_sharing_slot(slot, figure.figure, _cases(found, wanted), source, requests)
    return made, len(wanted) - made


def _cases(found: Sequence[Point], wanted: Sequence[WantedReplay]) -> Iterator[CaseReplay]:
    for point, each, replay in zip(found, wanted, stored_replays(wanted), strict=True):
        yield CaseReplay(each.stored.case, point.workload.kind, point.workload.seed or 0, replay)


def _requests(trace: Path) -> Iterator[MooncakeRow]:
    return (row for _, row in read_trace(trace) if isinstance(row, MooncakeRow))


def _document(figure: SharingFigure, made: int, stored: int, workspace: Workspace) -> dict[str, Any]:
    """What ``--json`` prints."""
    folder = workspace.figure(figure.figure)
    slot = read_study_slot(folder / figure.slots[0], SHARING_TABLES, STUDY)
    return {
        "schema_version": 1,
        "figure": figure.figure,
        "slot": str(folder / figure.slots[0]),
        "drawn": [str(folder / f"figure-{figure.figure}.{kind}") for kind in ("pdf", "png")],
        "replays": {"made": made, "stored": stored},
        "comparison": [dict(zip(COMPARISON.columns, row, strict=True)) for row in slot.tables[COMPARISON.name]],
        "mooncake": [dict(zip(RATIOS.columns, row, strict=True)) for row in slot.tables[RATIOS.name]],
    }
