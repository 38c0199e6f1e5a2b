"""Runs of the routing study → the figure's slot, and the two sweep files beside its tables.

``write_routing_slot(folder, figure, runs, source, simulated)`` is all that the figure command needs; ``plot.py`` reads
the slot by ``read_study_slot(folder, ROUTING_TABLES, STUDY)``. The manifest says, beside what every slot's does:

    engine, model      pin, version, lock_sha256; name, twin (its weights are random), files_sha256
    labels             label → the parameters that all its runs share
    cases              each strategy of each label: case, label, strategy, router, and its runs: repeat, status,
                       started_at, the parameters that not all runs of the label share, accounting (is_exact, and the
                       checks that did not hold), phases: name, requests, failed, cancelled, client_cpu_share,
                       send_error_s, held_back
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.analyse.routing_accounting import accounting, accounting_document
from harness.analyse.routing_findings import finding_rows
from harness.analyse.routing_rows import run_rows
from harness.analyse.routing_sweep import SweepRun, flat_parameters, sweep_files
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
from harness.record.tables import Cell

Row = tuple[Cell, ...]
_OF_RUNS = (RUNS, REQUESTS, LATENCIES, DECISIONS, SERVED, SERIES, METRICS)
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
        runs: every run that the figure asks for, failed ones too; of a label and a strategy one case.
        source: of the runs.
        simulated: rows of simulated.csv.

    Raises:
        HarnessError: two cases of one label and strategy, another node's slot, or it cannot be written.
    """
    ordered = sorted((_public(run) for run in runs), key=_order)
    _refuse_mixed(ordered)
    tables: dict[str, list[Row]] = {table.name: [] for table in _OF_RUNS}
    sweep = []
    for run in ordered:
        rows = run_rows(run)
        for name, found in rows.items():
            tables[name] += found
        if run.facts.status == OK:
            sweep.append(SweepRun(run.facts, rows))
    written: list[tuple[Any, Sequence[Row]]] = [(table, tables[table.name]) for table in _OF_RUNS]
    written += [(SIMULATED, simulated), (FINDINGS, finding_rows(tables))]
    shared = _shared_parameters(ordered)
    manifest = {
        "figure": figure,
        "slot": folder.name,
        "study": STUDY,
        **asdict(source),
        "labels": shared,
        "cases": _cases(ordered, shared),
    }
    try:
        write_study_slot(folder, written, manifest, sweep_files(sweep))
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
    seen: set[tuple[str, int]] = set()
    for facts in (run.facts for run in runs):
        what = f"label {facts.label!r}, strategy {facts.strategy}"
        if cases.setdefault((facts.label, facts.strategy), facts.case) != facts.case:
            raise HarnessError(f"{what}: runs with different parameters; give each set of parameters its own --label")
        if (facts.case, facts.run) in seen:
            raise HarnessError(f"{what}: run {facts.run} twice; name each run of the store once")
        seen.add((facts.case, facts.run))


def _shared_parameters(runs: Sequence[RoutingRun]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        own = flat_parameters(run.facts.parameters)
        shared = found.setdefault(run.facts.label, own)
        found[run.facts.label] = {name: value for name, value in shared.items() if own.get(name, ...) == value}
    return found


def _cases(runs: Sequence[RoutingRun], shared: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry a case. A parameter that differs between its runs (the load's seed) stands with each run."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        facts = run.facts
        own = flat_parameters(facts.parameters)
        entry = found.setdefault(
            facts.case,
            {
                "case": facts.case,
                "label": facts.label,
                "strategy": facts.strategy,
                "router": facts.router,
                "runs": [],
            },
        )
        differing = {name: value for name, value in own.items() if name not in shared[facts.label]}
        entry["runs"].append(_run(run) | {"parameters": differing})
    return list(found.values())


def _run(run: RoutingRun) -> dict[str, Any]:
    facts = run.facts
    found: dict[str, Any] = {"repeat": facts.run, "status": facts.status, "started_at": facts.started_at}
    if facts.status != OK:
        return found
    account = accounting_document(accounting(run))
    found["accounting"] = {
        "is_exact": account["is_exact"],
        "not_held": [check for check in account["checks"] if check["ok"] is not True],
    }
    found["phases"] = [
        {
            "name": phase.name,
            "requests": phase.summary.requests,
            "failed": phase.summary.failed,
            "cancelled": phase.summary.cancelled,
            "client_cpu_share": phase.summary.cpu_share,
            "send_error_s": phase.summary.send_error_s,
            "held_back": phase.summary.held_back,
        }
        for phase in facts.phases
    ]
    return found
