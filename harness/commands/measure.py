"""``python3 harness measure -- COMMAND``: start somebody's own command again and again; where does its time go?"""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console

from harness.analyse.by_process import phase_table
from harness.commands.compare import Compared, compared, parse_gate
from harness.door import json_errors
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.address import address_of_url
from harness.measure.conditions import check_temporary_folder, check_writable, measuring
from harness.measure.one_run import Case
from harness.measure.own_case import Wanted, own_case, split_command
from harness.measure.session import CaseSession, continues_pair, open_session
from harness.progress import console, lost_run, measure_missing, why_incomplete
from harness.record.plain import printable
from harness.record.run import Run
from harness.show import own_start
from harness.state.machine import this_node
from harness.workspace import Workspace


@dataclass(frozen=True)
class Plan:
    """How often, and against what."""

    iterations: int = 3
    again: bool = False
    against: str | None = None  # a second command, measured in turns with the first
    gate: str | None = None  # as for ``compare``: the second command must not be slower by more


def run_measure(command: Sequence[str], wanted: Wanted, plan: Plan, as_json: bool, workspace: Workspace) -> int:
    """Measure ``command`` and print its phases; with ``against`` a second one too, and compare them.

    Returns the exit code: 1 if the gate was crossed.

    Raises:
        HarnessError: the command cannot be measured; MeasurementFailed: a start failed.
    """
    with json_errors(as_json):
        cases = _cases(command, wanted, plan)
        with measuring(workspace.root, f"measure {cases[0].label}"):
            sessions, node = _open(cases, plan, workspace)
            _announce(sessions)
            made = measure_missing(sessions, node)
        documents = [_show(session, as_json) for session in sessions]
        problem = next((found for session in sessions if (found := _problem(session, made, workspace))), None)
        comparison = _compare(sessions, plan, workspace) if plan.against is not None and problem is None else None
    if comparison:
        comparison.show(as_json)
    if as_json:
        first, *second = documents
        more = {"against": second[0], "comparison": comparison and comparison.document} if second else {}
        print(json.dumps({**first, **more, **({"error": problem} if problem else {})}, allow_nan=False))
    if problem:
        raise MeasurementFailed(problem)
    return comparison.exit_code() if comparison else 0


def _cases(command: Sequence[str], wanted: Wanted, plan: Plan) -> list[Case]:
    if not command:
        raise HarnessError("no command to measure; give one after --, such as: measure -- vllm serve MODEL")
    if not math.isfinite(wanted.timeout_s):
        raise HarnessError(f"--timeout {wanted.timeout_s}: not a number of seconds; give one, such as 1800")
    address = address_of_url(wanted.url) if wanted.url is not None else None
    cases = [own_case(command, wanted, address)]
    if plan.gate is not None:
        parse_gate(plan.gate)  # before anything is measured
        if plan.against is None:
            raise HarnessError("--gate holds the command against another one; give that with --against")
    if plan.against is not None:
        cases.append(own_case(split_command(plan.against), wanted, address))
        if cases[0].definition == cases[1].definition:
            raise HarnessError("--against: the second command is the first one; there is nothing to compare")
        cases = [replace(case, label=f"{letter}: {case.label}") for letter, case in zip("AB", cases, strict=True)]
    return cases


def _compare(sessions: list[CaseSession], plan: Plan, workspace: Workspace) -> Compared:
    first, second = (f"{session.store.folder}@{session.session}" for session in sessions)
    return compared(workspace.runs, first, second, "measured", plan.gate)


def _open(cases: list[Case], plan: Plan, workspace: Workspace) -> tuple[list[CaseSession], dict[str, object]]:
    check_writable((workspace.runs, workspace.caches))
    check_temporary_folder()
    node = this_node(workspace.runs)
    sessions = [open_session(case, workspace, node, plan.iterations, plan.again) for case in cases]
    if len(cases) > 1 and not plan.again and not continues_pair(sessions):
        # Runs of another day cannot be paired with today's.
        sessions = [open_session(case, workspace, node, plan.iterations, True) for case in cases]
    return sessions, node


def _announce(sessions: list[CaseSession]) -> None:
    """Say what ends a start, and where to look while it lasts."""
    for session in sessions:
        if session.missing():
            console.print(
                f"{session.case.label}: waits for {session.case.start.awaited}; "
                f"its log meanwhile: {session.store.folder}/.*.partial/engine.log",
                soft_wrap=True,
            )


def _show(session: CaseSession, as_json: bool) -> dict[str, Any]:
    """Print the table of a session; returns it as a document."""
    runs = session.store.session_runs(session.session)
    headings = (
        {"measured": "uncached"}
        if not session.case.state.needs_warm_up
        else {"warmup": "uncached", "measured": "cached"}
    )
    found = phase_table(runs, tuple(headings))
    if found.ready:
        title = " · ".join(_title(session.case))
        _tables(as_json).print(own_start.table(found, title, headings))
        for note in _notes(session.case, runs):
            _tables(as_json).print(note, markup=False)
    return {
        "case": session.case.name,
        "session": session.session,
        "folder": str(session.store.folder),
        "runs": [_run_facts(run) for run in runs],
        **own_start.document(found),
    }


def _title(case: Case) -> list[str]:
    engine, model = case.engine_facts, case.model_facts
    return [
        " ".join(case.definition["command"]),
        f"vLLM {engine['version']}" + (f" (unpinned: {engine['hooks']} hooks)" if engine["unpinned"] else ""),
        *(["structural twin (random weights)"] if model["twin"] else []),
        case.name,
    ]


def _notes(case: Case, runs: list[Run]) -> list[str]:
    """What a reader should know besides the seconds."""
    counted = [run for run in runs if run.counts]
    notes = []
    unattributed = [
        run.unattributed_s / run.ready_s for run in counted if run.ready_s and run.unattributed_s is not None
    ]
    if unattributed:
        notes.append(f"unattributed: at most {100 * max(unattributed):.2f} % of a start is not explained by any hook")
    compiled = [run.certificate["compile_cache"].get("compiling_s", 0.0) for run in counted if run.kind == "measured"]
    if case.state.needs_warm_up and compiled and min(compiled) > 0:
        notes.append(
            f"cached starts compiled again for {min(compiled):.1f} s or more: this engine's compile cache does not hit"
        )
    return notes


def _run_facts(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "kind": run.kind,
        "status": run.status,
        "counts": run.counts,
        "ready_s": run.ready_s,
        "unattributed_s": run.unattributed_s,
        "failed_in": run.failed_in,
        "failed_process": run.failed_process,
        "reason": run.reason or run.doubt,
        "marks": run.marks,
    }


def _problem(session: CaseSession, made: list[Run], workspace: Workspace) -> str | None:
    """What keeps the session from being complete, after the log's end was shown; None if nothing does."""
    run = lost_run(session, made)
    if run is not None and run.status != "ok":
        console.print(f"the log of {session.case.label} {run.run_id} ends so:")
        for line in run.log_tail:
            console.print(f"  {printable(line, 500)}", soft_wrap=True)
    return why_incomplete(session, made, workspace.root)


def _tables(as_json: bool) -> Console:
    """Where people read: standard error if a program reads standard output."""
    return Console(file=sys.stderr if as_json else sys.stdout, highlight=False)
