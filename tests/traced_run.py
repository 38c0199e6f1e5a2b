"""A stored run with spans: the main process imports, then waits for the worker, which loads."""

from pathlib import Path

from harness.record.run import Run
from harness.workspace import Workspace
from tests.analyse.span_files import importing, span, write_process

S = 1_000_000_000


def store_run(root: Path, run: Run, case: str = "tiny-00000000", spans: bool = True) -> Path:
    """A run of 3 s in the store: the main process imports, then waits for the worker, which loads."""
    folder = Workspace(root).runs / "node-1" / "cold_start" / case / run.run
    (folder / "spans").mkdir(parents=True)
    run.write(folder)
    if spans:
        main = [
            importing("torch", S + 10, 2 * S),
            span("wait", 2 * S, 4 * S if run.status == "ok" else None, "wait", waits_for=[8]),
            span("tracer disarmed", 4 * S, 4 * S, "note", self_ns=5, events=2),
        ]
        load = span("load", 2 * S + 10, 3 * S if run.status == "ok" else None, phase="load_weights")
        write_process(folder / "spans", 7, "main", S, S + 10, main[: 3 if run.status == "ok" else 2])
        write_process(folder / "spans", 8, "worker", 2 * S, 2 * S + 10, [load], parent=7)
    return folder
