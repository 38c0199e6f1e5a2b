"""Make the missing runs of sessions, with live progress on stderr."""

import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.measure.session import CaseSession, measure
from harness.measure.session import Progress as Told
from harness.record.plain import printable
from harness.record.run import Run

# No markup: what is printed holds the engine's words, and brackets in them are theirs.
console = Console(stderr=True, highlight=False, markup=False)


def say(text: str) -> None:
    """A line for who waits."""
    console.print(printable(text), soft_wrap=True)


def measure_missing(sessions: list[CaseSession], node: dict[str, object]) -> list[Run]:
    """Make the missing runs; returns them, failed ones too."""
    for session in sessions:
        if session.changed:
            said = f"{session.case.name}: {session.changed}; its stored runs are not continued"
            say(f"{said}, a new session ({session.session}) is measured")
    total = sum(len(session.missing()) for session in sessions)
    if total == 0:
        console.print(f"Nothing to measure: every run is stored{_since(sessions)} (--again measures a new session)")
        return []
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        begun = [0.0]

        def before(session: CaseSession, kind: str, number: int, of: int) -> None:
            begun[0] = time.monotonic()
            state = "cached" if session.case.state_of(kind).compile_cache != "empty" else "uncached"
            step = f"{session.case.label}: run {number}/{of}, {state}{' warm-up' if kind == 'warmup' else ''}"
            bar.update(task, total=of, description=step)
            if not console.is_terminal:
                console.print(f"{step} …", soft_wrap=True)

        def after(session: CaseSession, run: Run) -> None:
            bar.advance(task)
            bar.console.print(printable(_report(session, run, time.monotonic() - begun[0])), soft_wrap=True)

        def announce(text: str) -> None:
            bar.console.print(printable(text), soft_wrap=True)

        return measure(sessions, node, Told(before, after, announce))


def _since(sessions: list[CaseSession]) -> str:
    """When the stored runs were made: nobody should take old ones for new."""
    last = [run.started_at for session in sessions for run in session.store.session_runs(session.session)]
    return f" since {max(last)[:16].replace('T', ' ')} UTC" if last else ""


def _report(session: CaseSession, run: Run, elapsed_s: float) -> str:
    head = f"{session.case.label} {run.run_id} ({run.kind}): "
    if run.ready_s is None:
        return f"{head}{failure(run)}"
    return (
        f"{head}ready after {run.ready_s:.2f} s, {run.unattributed_s or 0:.3f} s unattributed "
        f"({elapsed_s:.0f} s in all)"
        + (f"; does not count: {run.doubt}" if run.doubt else "")
        + (f"; marked: {'; '.join(run.marks)}" if run.marks else "")
    )


def failure(run: Run) -> str:
    """What happened to a run that failed, in which phase of which process."""
    if str(run.reason).startswith("after it was ready"):  # no phase of the start
        return f"{run.status} {run.reason}"
    where = run.failed_in or "an unknown phase"
    if run.failed_process and run.failed_process not in where:
        where += f" of the {run.failed_process} process"
    return f"{run.status} in {where}: {run.reason}"


def lost_run(session: CaseSession, made: list[Run]) -> Run | None:
    """The last of the runs just made that does not count and has not been replaced; None if there is none."""
    lost = [run for run in made if run.case == session.case.definition and not run.counts]
    return lost[-1] if lost and session.missing() else None


def why_incomplete(session: CaseSession, made: list[Run], root: Path) -> str | None:
    """One line for people: what keeps the session from being complete, and where to look; None: it is complete."""
    if not session.missing():
        return None
    run = lost_run(session, made)
    if run is None:
        asked = f"{session.counted()} of {session.iterations} measured runs of session {session.session}"
        what = f"{session.case.name}: {asked} count, and this call's attempts are used up"
    elif run.status == "ok":
        what = f"run {run.run_id} of {session.case.name} does not count: {run.doubt}"
    else:
        log = session.store.run_folder(run.session, run.run) / "engine.log"
        where = log.relative_to(root) if log.is_relative_to(root) else log
        what = f"run {run.run_id} of {session.case.name} {failure(run)}; log: {where}"
    return f"{what}; repeat the command to measure what is missing"
