"""How much of each stored start is explained, and how much starts vary: from the run store, no engine is started.

    .venv/bin/python benchmarks/attribution.py

For every session of every cold-start case: runs, ready, unattributed (seconds and share), what the tracer cost, the
largest leaf that is not an import, harness time per run, and the coefficient of variation of the measured runs.
"""

import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from harness.analyse.stats import summarise  # noqa: E402
from harness.record.run import Run  # noqa: E402
from harness.record.store import CaseStore  # noqa: E402
from harness.workspace import Workspace  # noqa: E402


def rows(runs: list[Run]) -> Table:
    """One line per run of a session."""
    table = Table(
        "run", "ready s", "unattributed ms", "%", "tracer %", "largest leaf but imports", "harness s", box=None
    )
    for number, run in enumerate(runs):
        if run.ready_s is None or run.unattributed_s is None:
            table.add_row(run.run_id, run.status)
            continue
        leaf, seconds = max(((k, v) for k, v in run.phases.items() if "imports" not in k), key=lambda item: item[1])
        table.add_row(
            run.run_id,
            f"{run.ready_s:.2f}",
            f"{1000 * run.unattributed_s:.1f}",
            f"{100 * run.unattributed_s / run.ready_s:.3f}",
            f"{100 * run.tracer['self_s'] / run.ready_s:.2f}",
            f"{leaf} {100 * seconds / run.ready_s:.1f} %",
            f"{_between(run, runs[number + 1]):.2f}" if number + 1 < len(runs) else "",
        )
    return table


def _between(run: Run, following: Run) -> float:
    """Seconds from a run's end to the next start: recording, state, and the way back to the engine."""
    begun = [datetime.fromisoformat(r.started_at) for r in (run, following)]
    return (begun[1] - begun[0]).total_seconds() - run.wall_s


def main() -> None:
    """Print every session of the store."""
    console = Console(width=120)
    for folder in sorted(Workspace().runs.glob("*/cold_start/*")):
        store = CaseStore(folder)
        for session in sorted({run.session for run in store.runs()}):
            runs = store.session_runs(session)
            console.print(f"[bold]{folder.name}[/bold] {session}")
            console.print(rows(runs))
            summary = summarise(r.ready_s for r in runs if r.kind == "measured" and r.counts and r.ready_s is not None)
            if summary is not None and summary.cv is not None:
                interval = f"{summary.mean:.2f} ± {summary.half_width:.2f} s"
                console.print(f"measured: n = {summary.n}, ready {interval} (95 %), CV {100 * summary.cv:.1f} %\n")


if __name__ == "__main__":
    main()
