"""Runs of one session per case → the slot folder of a figure."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.record.rows import Row
from harness.record.run import Run
from harness.record.same_machine import mixed
from harness.record.slot import write_slot
from harness.record.slotcheck import SlotError
from harness.record.slotfacts import AT_ONCE
from harness.record.store import CaseStore
from harness.record.tables import PARTS, SAMPLED, SLOT_TABLES, TIMELINE, Cell, read_table, table_csv


@dataclass(frozen=True)
class CaseRuns:
    """One whole session of one case: a slot never mixes sessions."""

    case: str
    store: CaseStore
    session: str

    def runs(self) -> list[Run]:
        """The session's runs, oldest first."""
        return self.store.session_runs(self.session)


@dataclass(frozen=True)
class Gap:
    """An engine of a figure over all versions that has no start to show."""

    engine: str  # pin
    version: str
    reason: str


def failed_starts(cases: Iterable[CaseRuns]) -> list[Gap]:
    """The cases without a measured run that counts: why their last run does not."""
    gaps = []
    for case in cases:
        runs = case.runs()
        if runs and not any(run.counts and run.kind == "measured" for run in runs):
            doubts = [part.get("reason") for part in runs[-1].certificate.values() if not part.get("holds")]
            why = next((text for text in (runs[-1].reason, *doubts) if text), "no reason is recorded")
            engine = runs[-1].engine
            gaps.append(Gap(str(engine.get("pin")), str(engine.get("version")), f"start {_outcome(runs[-1])}: {why}"))
    return gaps


def _outcome(run: Run) -> str:
    return "does not count" if run.status == "ok" else run.status


def collect(figure: str, slot: str, folder: Path, cases: Iterable[CaseRuns], gaps: Sequence[Gap] = ()) -> None:
    """Write the slot ``folder``: rows of every run that counts, and in the manifest every run there is.

    ``gaps``: what the figure would show too if it could be had.

    Raises:
        SlotError: the folder holds another node's slot, or cannot be written; a run does not say what it is of; or a
            session's runs that count were not made on the same machine in the same state.
        ValueError: there are no runs at all.
    """
    sessions = [(case, case.runs()) for case in cases]
    if not any(runs for _, runs in sessions):
        raise ValueError(f"no runs to collect for figure {figure}")
    for case, runs in sessions:
        _check(case.case, runs)
    rows = [row for case, runs in sessions for run in runs if run.counts for row in _rows(figure, slot, case.case, run)]
    some_run = next(run for _, runs in sessions for run in runs)
    manifest = {
        "figure": figure,
        "slot": slot,
        "node": some_run.node,
        "cases": [
            {
                "case": case.case,
                "session": case.session,
                "engine": runs[0].engine,
                "model": runs[0].model,
                "parameters": _parameters(runs[0].case),
                "environment": runs[0].case.get("environment", {}),
                "samples": runs[0].case.get("samples", []),
                "state": runs[0].case.get("state", {}),
            }
            for case, runs in sessions
            if runs
        ],
        "runs": [
            {
                "run_id": f"{case.case}/{run.run_id}",
                "case": case.case,
                "run": run.run,
                "kind": run.kind,
                "round": run.round,
                "status": run.status,
                "counts": run.counts,
                "marks": run.marks,
                **({"gpus": run.gpus} if run.gpus else {}),
                "graph": run.graph,
                "first_token_s": run.first_token_s,
                "output": run.output,
                "run_json_sha256": _sha256(case.store.run_folder(run.session, run.run) / "run.json"),
            }
            for case, runs in sessions
            for run in runs
        ],
        "certificates": {f"{case.case}/{run.run_id}": run.certificate for case, runs in sessions for run in runs},
        **({"gaps": [asdict(gap) for gap in gaps]} if gaps else {}),
    }
    write_slot(folder, rows, manifest, _tables(sessions))


def _tables(sessions: list[tuple[CaseRuns, list[Run]]]) -> dict[str, bytes]:
    """The tables of the runs that count, in their order: what they have of parts, and those of sampled cases.

    Raises SlotError if a run of a sampled case lacks one.
    """
    rows: dict[str, list[Sequence[Cell]]] = {}
    for case, runs in sessions:
        for run in runs:
            if not run.counts:
                continue
            run_folder = case.store.run_folder(run.session, run.run)
            sampled = run.case.get("samples") or ()
            tables = [*(SAMPLED[name] for name in sampled if name in SAMPLED), *([TIMELINE] if sampled else ())]
            tables += [PARTS] if (run_folder / PARTS.name).exists() else []
            for table in tables:
                found = read_table(table, run_folder / table.name)
                rows.setdefault(table.name, []).extend((case.case, run.run, run.kind, *row) for row in found)
    return {name: table_csv(SLOT_TABLES[name], found) for name, found in rows.items()}


def _parameters(case: dict[str, Any]) -> dict[str, Any]:
    """What was asked of the engine; ``mode`` only where it is not the usual one."""
    mode = {} if case.get("mode", "offline") == "offline" else {"mode": case["mode"]}
    storage = {"storage": case["state"]["storage"]} if "state" in case else {}
    dropped = {"drop_caches": case["drop_caches"]} if "drop_caches" in case else {}
    parallel = {"parallel": AT_ONCE} if case.get("parallel") else {}
    return {**case["parameters"], "eager": case["eager"], **mode, **storage, **dropped, **parallel}


def _check(case: str, runs: list[Run]) -> None:
    for run in runs:
        lacking = [name for name in ("model", "parameters", "eager") if name not in run.case]
        if lacking:
            raise SlotError(f"{case}: run {run.run_id} does not say of which {', '.join(lacking)} it is")
    if differs := mixed([run for run in runs if run.counts]):
        raise SlotError(f"{case}: runs of one session that cannot be averaged: {differs}; measure anew with --again")


def _rows(figure: str, slot: str, case: str, run: Run) -> Iterator[Row]:
    values = [("span", name, seconds) for name, seconds in run.phases.items()]
    values += [("log", name, seconds) for name, seconds in run.log_quantities.items() if seconds is not None]
    for source, phase, seconds in values:
        yield Row(
            figure=figure,
            slot=slot,
            case=case,
            model=str(run.case["model"]),
            run=run.run,
            kind=run.kind,
            phase=phase,
            seconds=seconds,
            source=source,
            session=run.session,
            status=run.status,
        )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
