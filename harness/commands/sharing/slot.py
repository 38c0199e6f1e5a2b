"""Replays of the prefix-sharing study → the figure's slot."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.prefix_sharing.study import STUDY
from harness.analyse.global_pool import Hashed
from harness.analyse.mooncake_table import CAPACITIES, POLICY_NAMES, table_rows
from harness.analyse.sharing_rows import CaseReplay, comparison_rows, data_rows, distribution_rows, occupancy_rows
from harness.errors import HarnessError
from harness.record.sharing_tables import (
    COMPARISON,
    DATA,
    DISTRIBUTIONS,
    LIMITED,
    MOONCAKE,
    MULTI,
    NONE,
    OCCUPANCY,
    RATIOS,
    SINGLE,
    UNLIMITED,
    VLLM,
)
from harness.record.slotcheck import SlotError
from harness.record.study_slot import write_study_slot
from harness.record.tables import Cell

Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Source:
    """Where the replays come from, as the manifest says it."""

    node: dict[str, Any]
    engine: dict[str, Any]  # pin, version, lock_sha256
    dialogues: dict[str, Any]  # kind (generated, or of a file), shape or file, sha256, conversations, arrival_rate
    tokenizer: dict[str, Any] | None
    step_time: dict[str, float]
    mooncake: dict[str, Any] | None  # file, sha256, requests; None: the trace was not there


def write_sharing_slot(
    folder: Path, figure: str, cases: Iterable[CaseReplay], source: Source, requests: Sequence[Hashed] = ()
) -> None:
    """Write the slot; ``requests``: of the Mooncake trace, for the published table counted again.

    Raises:
        HarnessError: the folder holds another node's slot, or cannot be written.
    """
    data: list[Row] = []
    distributions: list[Row] = []
    occupancy: list[Row] = []
    ratios: list[Row] = list(table_rows(requests)) if requests else []
    entries: list[dict[str, Any]] = []
    whole: dict[str, list[CaseReplay]] = {SINGLE: [], MULTI: []}
    first_repeat: dict[str, int] = {}
    sizes: dict[str, int] = {}  # tokens of a block in all panels but one: those of the replays without prefix caching
    for case in cases:
        entries.append(_entry(case))
        data += data_rows(case)
        if case.policy == NONE:
            sizes[case.workload] = case.block_size
        distributions += distribution_rows(case)
        occupancy += occupancy_rows(case) if case.repeat == first_repeat.setdefault(case.workload, case.repeat) else []
        ratios += _vllm_row(case)
        if case.workload in whole and case.is_unlimited and case.policy != NONE:
            whole[case.workload].append(case)
    first, second = ([case for case in whole[kind] if case.block_size == sizes.get(kind)] for kind in (SINGLE, MULTI))
    tables = [
        (DATA, data),
        (DISTRIBUTIONS, distributions),
        (OCCUPANCY, occupancy),
        (COMPARISON, list(comparison_rows(first, second))),
        (RATIOS, ratios),
    ]
    manifest = {"figure": figure, "slot": folder.name, "study": STUDY, **asdict(source), "cases": entries}
    try:
        write_study_slot(folder, tables, manifest)
    except SlotError as error:
        raise HarnessError(str(error)) from None


def _entry(case: CaseReplay) -> dict[str, Any]:
    facts = case.replay.facts
    return {
        "case": case.case,
        "workload": case.workload,
        "repeat": case.repeat,
        "parameters": asdict(facts.parameters),
        "trace_sha256": facts.trace.get("sha256"),
        "requests": facts.counters.finished,
    }


def _vllm_row(case: CaseReplay) -> list[Row]:
    """One row for the published table, if the replay is at one of its capacities."""
    if case.workload != MOONCAKE or case.policy not in POLICY_NAMES or case.block_size != 512:
        return []
    blocks = case.replay.facts.counters.cache_blocks
    if not case.is_unlimited and blocks not in CAPACITIES:
        return []
    ratio = sum(row.hit_blocks for row in case.replay.requests) / sum(row.prompt_blocks for row in case.replay.requests)
    return [(VLLM, POLICY_NAMES[case.policy], UNLIMITED if case.is_unlimited else LIMITED, blocks, ratio)]
