"""Run records that look like those of a cold start, for tests that need no engine."""

from datetime import UTC, datetime, timedelta
from typing import Any

from harness.record.run import Run
from harness.record.store import CaseStore

BEGAN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NODE = {"id": "node-000000000001", "cpu_model": "a test"}


def certificate(holds: bool = True) -> dict[str, Any]:
    """A compile-cache certificate."""
    return {"compile_cache": {"declared": "filled", "holds": holds, "reason": None if holds else "it compiled"}}


def make_run(run: str = "1", session: str = "s1", **changes: Any) -> Run:
    """An ok run that took 3 s, with ``changes``. A status other than ok takes its results away."""
    values: dict[str, Any] = {
        "run_id": f"{session}/{run}",
        "session": session,
        "study": "cold_start",
        "case": {"model": "tiny", "parameters": {"max_model_len": 64}, "eager": False},
        "run": run,
        "round": None,
        "kind": "warmup" if run.startswith("warmup") else "measured",
        "status": "ok",
        "failed_in": None,
        "failed_process": None,
        "reason": None,
        "started_at": BEGAN.isoformat(timespec="milliseconds"),
        "pause_s": None,
        "ready_s": 3.0,
        "first_token_s": 0.1,
        "wall_s": 3.5,
        "exit_code": 0,
        "log_tail": ["the last line"],
        "window": {"pid": 7, "exec_ns": 1_000_000_000, "ready_ns": 4_000_000_000},
        "phases": {"imports:main": 2.0, "load_weights": 0.75, "unattributed": 0.25},
        "phases_by_process": {"main": {"imports:main": 2.0, "unattributed": 0.25}, "worker": {"load_weights": 0.75}},
        "unattributed_s": 0.25,
        "gaps": [],
        "import_packages": {},
        "groups": {},
        "log_quantities": {"load_weights": 0.7, "graph_capturing": None},
        "graph": None,
        "tracer": {},
        "certificate": certificate(),
        "noise": {"marks": []},
        "output": None,
        "node": NODE,
        "gpus": [],
        "engine": {"pin": "fake", "version": "1.2.3"},
        "model": {"name": "tiny", "twin": True},
        "environment": {},
        "resources": {"peak_rss_bytes": None, "cpu_s": 1.5},
        "harness": {"version": "0.1.0"},
    }
    if changes.get("status", "ok") != "ok":
        nothing = {"ready_s": None, "first_token_s": None, "window": None, "phases": {}, "phases_by_process": {}}
        values |= {**nothing, "unattributed_s": None, "reason": "it broke"}
    return Run(**(values | changes))


def put(store: CaseStore, *runs: Run) -> None:
    """Store ``runs`` as if they had been made one after the other."""
    for run in runs:
        number = len(store.runs())
        began = (BEGAN + timedelta(minutes=number)).isoformat(timespec="milliseconds")
        store.close_run(store.open_run(run.session, run.run), Run(**{**run.__dict__, "started_at": began}))
