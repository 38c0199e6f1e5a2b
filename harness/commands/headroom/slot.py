"""Points of the head-room study → the figure's slot."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.analyse.headroom_findings import finding_rows
from harness.analyse.headroom_memory import MemoryView
from harness.analyse.headroom_rows import HeadroomPoint, point_rows
from harness.analyse.headroom_series import complete, points_of
from harness.errors import HarnessError
from harness.record.headroom_tables import CALIBRATION, FINDINGS, LANES, MEMORY, POINTS, STUDY
from harness.record.slotcheck import SlotError
from harness.record.study_slot import write_study_slot
from harness.record.tables import Cell

Row = tuple[Cell, ...]


@dataclass(frozen=True)
class HeadroomSource:
    """Where the points come from, as the manifest says it."""

    node: dict[str, Any]
    engine: dict[str, Any]  # pin, version, lock_sha256
    workloads: dict[str, dict[str, Any]]  # name → kind, requests, seeds, load, num_blocks, …
    step_time: dict[str, dict[str, Any]]  # model → base_s, prefill_token_s, decode_seq_s, context_token_s, r2, …
    slo: dict[str, float]  # multiples of what a request takes that has the engine to itself: ttft, tpot
    models: dict[str, dict[str, Any]] = field(default_factory=dict)  # name → twin (its weights are random), …


@dataclass(frozen=True)
class TracedPoint:
    """What a traced point did with its memory; ``case`` is that of its ``HeadroomPoint``."""

    case: str
    tier: str
    workload: str
    search: str
    parameter: float
    view: MemoryView


def write_headroom_slot(
    folder: Path,
    figure: str,
    points: Iterable[HeadroomPoint],
    source: HeadroomSource,
    calibration: Sequence[Row] = (),
    traced: Iterable[TracedPoint] = (),
) -> None:
    """Write the slot. ``points`` are read once, one at a time; ``calibration``: rows of calibration.csv.

    Raises:
        HarnessError: the folder holds another node's slot, or cannot be written.
    """
    rows: list[Row] = []
    entries: list[dict[str, Any]] = []
    for point in points:
        entries.append({"case": point.case, "workload": point.workload, "repeat": point.repeat})
        rows += point_rows(point)
    memory: list[Row] = []
    lanes: list[Row] = []
    for each in traced:
        what = (each.case, each.tier, each.workload, each.search, float(each.parameter))
        memory += [(*what, *found.cells) for found in each.view.bins]
        lanes += [(each.case, *found.cells) for found in each.view.lanes]
    tables = [
        (POINTS, rows),
        (CALIBRATION, calibration),
        (MEMORY, memory),
        (LANES, lanes),
        (FINDINGS, list(finding_rows(complete(points_of(rows))))),
    ]
    manifest = {"figure": figure, "slot": folder.name, "study": STUDY, **asdict(source), "cases": entries}
    try:
        write_study_slot(folder, tables, manifest)
    except SlotError as error:
        raise HarnessError(str(error)) from None
