"""Runs of the routing study → the figure's slot, and the two sweep files beside its tables.

``write_routing_slot(folder, figure, runs, source, simulated)`` is all that the figure command needs; ``plot.py`` reads
the slot by ``read_study_slot(folder, ROUTING_TABLES, STUDY)``. What the manifest says: ``analyse/routing_manifest.py``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.analyse.routing_findings import finding_rows
from harness.analyse.routing_manifest import manifest_of_runs
from harness.analyse.routing_rows import run_rows
from harness.analyse.routing_sweep import SweepRun, sweep_files
from harness.errors import HarnessError
from harness.record.private import names_here, without_private
from harness.record.routing_run import RoutingRun
from harness.record.routing_tables import (
    DECISIONS,
    FINDINGS,
    LATENCIES,
    METRICS,
    OK,
    REQUESTS,
    RUNS,
    SERIES,
    SERVED,
    SIMULATED,
    STRATEGIES,
    STUDY,
)
from harness.record.slotcheck import SlotError
from harness.record.study_slot import write_study_slot
from harness.record.tables import Cell, Table

Row = tuple[Cell, ...]
_OF_RUNS = (RUNS, REQUESTS, LATENCIES, DECISIONS, SERVED, SERIES, METRICS)
_WITH_LABEL = (RUNS.name, METRICS.name)  # a run under a second label is in these once more
_PRIVATE = ("reason", "failed_in", "router", "parameters", "model")  # of the facts that get into tables


@dataclass(frozen=True)
class RoutingSource:
    """Where the runs come from, as the manifest says it."""

    node: dict[str, Any]
    engine: dict[str, Any]  # pin, version, lock_sha256
    model: dict[str, Any]  # name, twin, files_sha256


def write_routing_slot(
    folder: Path,
    figure: str,
    runs: Iterable[RoutingRun],
    source: RoutingSource,
    simulated: Sequence[Row] = (),
) -> None:
    """Write the slot, replacing what this node wrote there. The same runs, in any order, make the same bytes.

    Args:
        folder: ``figures/figure-routing/<slot>``.
        figure: the figure's name, "routing".
        runs: every run that the figure shows, failed ones too. A label has one case of each strategy; a run may come
            once under each of several labels.
        source: of the runs.
        simulated: rows of simulated.csv.

    Raises:
        HarnessError: two cases of one label and strategy, another node's slot, or it cannot be written.
    """
    ordered = sorted((_public(run) for run in runs), key=_order)
    _refuse_mixed(ordered)
    tables: dict[str, list[Row]] = {table.name: [] for table in _OF_RUNS}
    sweep = []
    there: set[tuple[str, int]] = set()
    for run in ordered:
        rows = run_rows(run)
        known = (run.facts.case, run.facts.run) in there
        there.add((run.facts.case, run.facts.run))
        for name in _WITH_LABEL if known else tables:
            tables[name] += rows[name]
        if run.facts.status == OK:
            sweep.append(SweepRun(run.facts, rows))
    written: list[tuple[Table, Sequence[Row]]] = [(table, tables[table.name]) for table in _OF_RUNS]
    written += [(SIMULATED, simulated), (FINDINGS, finding_rows(tables))]
    said = manifest_of_runs(ordered)
    model = dict(source.model)
    said["models"] |= {str(model.pop("name")): model}
    place = {"figure": figure, "slot": folder.name, "study": STUDY, "node": source.node, "engine": source.engine}
    try:
        write_study_slot(folder, written, place | said, sweep_files(sweep))
    except SlotError as error:
        raise HarnessError(str(error)) from None


def _public(run: RoutingRun) -> RoutingRun:
    """The run without names of this machine and its user in what gets into tables."""
    names = names_here()
    cleaned = {name: without_private(getattr(run.facts, name), names) for name in _PRIVATE}
    return replace(run, facts=replace(run.facts, **cleaned))


def _order(run: RoutingRun) -> tuple[str, int, int]:
    return run.facts.label, STRATEGIES.index(run.facts.strategy), run.facts.run


def _refuse_mixed(runs: Sequence[RoutingRun]) -> None:
    cases: dict[tuple[str, str], str] = {}
    seen: set[tuple[str, str, int]] = set()
    for facts in (run.facts for run in runs):
        what = f"label {facts.label!r}, strategy {facts.strategy}"
        if cases.setdefault((facts.label, facts.strategy), facts.case) != facts.case:
            raise HarnessError(f"{what}: runs with different parameters; give each set of parameters its own --label")
        if (facts.label, facts.case, facts.run) in seen:
            raise HarnessError(f"{what}: run {facts.run} twice; name each run of the store once")
        seen.add((facts.label, facts.case, facts.run))
