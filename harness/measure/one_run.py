"""One run: prepare the state → start the engine traced → wait → record."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from experiments.cold_start import study
from harness.analyse.phases import COMPILING_LEAVES
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.engine.process_tree import run_tree
from harness.errors import HarnessError
from harness.measure.provenance import harness_facts
from harness.measure.result import outcome_of
from harness.record.run import Run
from harness.record.store import CaseStore
from harness.spec.pin import Pin
from harness.state.sandbox import Sandbox, cache_certificate

# Of the caller's environment, only these reach the engine: a result must not depend on what only one shell has.
INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
)
# Of these, the ones that change a start: part of the case's identity and of the record. Paths stay out of both.
DEFINING = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Case:
    """One point of the study's grid, ready to run."""

    name: str  # case id
    definition: dict[str, Any]
    engine: Engine
    engine_facts: dict[str, Any]
    model: ModelFiles
    parameters: dict[str, Any]
    eager: bool
    timeout_s: float


def execute(
    case: Case,
    kind: str,
    session: str,
    store: CaseStore,
    sandbox: Sandbox,
    node: dict[str, Any],
    round: str | None = None,
) -> Run:
    """Run ``case`` once and store the record, whatever happens to the engine.

    Raises:
        HarnessError: the record or the caches cannot be written (a full disk); this run is lost, no other.
    """
    try:
        return _execute(case, kind, session, store, sandbox, node, round)
    except OSError as error:
        raise HarnessError(
            f"{error.filename or store.folder}: cannot be written ({error.strerror or error}); this run is lost, "
            "everything measured before is stored; mend it and repeat the command"
        ) from error


def _execute(
    case: Case,
    kind: str,
    session: str,
    store: CaseStore,
    sandbox: Sandbox,
    node: dict[str, Any],
    round: str | None,
) -> Run:
    run_name = store.next_run(session, kind)
    folder = store.open_run(session, run_name)
    spans = folder / "spans"
    spans.mkdir()
    previous = store.session_runs(session)
    started_at = datetime.now(UTC)
    uncached = kind == "warmup"
    sandbox.prepare(empty=uncached)
    before = sandbox.contents()
    with tempfile.TemporaryDirectory(prefix="coldstart-") as scratch:
        request, result = Path(scratch) / "request.json", Path(scratch) / "result.json"
        request.write_text(json.dumps(study.request(case.model.path, case.parameters, case.eager)), encoding="utf-8")
        ended = run_tree(
            study.command(case.engine.python, request, result),
            engine_environment(case, sandbox, spans, Path(scratch)),
            log=folder / "engine.log",
            cwd=Path(scratch),
            timeout_s=case.timeout_s,
        )
        outcome = outcome_of(ended, result, spans, folder / "engine.log")
    run = Run(
        run_id=f"{session}/{run_name}",
        session=session,
        study="cold_start",
        case=case.definition,
        run=run_name,
        round=round,
        kind=kind,
        started_at=started_at.isoformat(timespec="milliseconds"),
        pause_s=_pause_s(previous[-1], started_at) if previous else None,
        wall_s=(ended.exit_ns - ended.exec_ns) / 1e9,
        exit_code=ended.exit_code,
        certificate={
            **cache_certificate(
                uncached, before, sandbox.contents(), sum(outcome.phases.get(leaf, 0.0) for leaf in COMPILING_LEAVES)
            ),
            **outcome.trace_certificate,
        },
        node=node,
        engine=case.engine_facts,
        model={key: value for key, value in asdict(case.model).items() if key != "path"},
        environment=declared_environment(case.engine.pin),
        resources={**ended.resources, "gc_s": outcome.gc_s, "leftover_processes": ended.leftovers},
        harness=harness_facts(),
        **{name: value for name, value in vars(outcome).items() if name not in ("gc_s", "trace_certificate")},
    )
    store.close_run(folder, run)
    return run


def engine_environment(case: Case, sandbox: Sandbox, spans: Path, scratch: Path) -> dict[str, str]:
    """The engine's whole environment; ``spans`` and ``scratch`` are existing folders."""
    return {
        **{name: os.environ[name] for name in INHERITED if name in os.environ},
        **case.engine.pin.environment,
        **sandbox.environment(),
        **study.environment(),
        # Unix socket paths are limited to 107 bytes: keep vLLM's out of the sandbox's long path.
        "VLLM_RPC_BASE_PATH": str(scratch),
        "COLDSTART_TRACE_DIR": str(spans),
        "COLDSTART_TRACE_ROLE": "main",
    }


def _pause_s(previous: Run, started_at: datetime) -> float:
    """Seconds between the end of the session's previous run and this start."""
    return (started_at - datetime.fromisoformat(previous.started_at)).total_seconds() - previous.wall_s


def declared_environment(pin: Pin) -> dict[str, str]:
    """The variables that define a start: the pin's, which win, and the caller's that change one."""
    return {**{name: os.environ[name] for name in DEFINING if name in os.environ}, **pin.environment}
