"""One run: prepare the state → start the engine traced → wait until it is ready → end it → record."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.analyse.phases import COMPILING_LEAVES
from harness.engine.process_tree import Exit, process_tree
from harness.errors import HarnessError
from harness.measure.core_sampler import CoreSamples, core_samples
from harness.measure.provenance import harness_facts
from harness.measure.result import Outcome, outcome_of
from harness.measure.start import Ready, Start
from harness.record.run import Run
from harness.record.secrets import redact_file
from harness.record.store import CaseStore
from harness.record.tables import CORES, TIMELINE, table_csv
from harness.state.sandbox import Sandbox, cache_certificate

_NOT_OF_RUN = ("gc_s", "trace_certificate", "timeline")  # of an outcome: they stand elsewhere


@dataclass(frozen=True)
class Case:
    """One point of the study's grid, ready to run."""

    name: str  # case id
    label: str  # the case in a few words, for progress
    definition: dict[str, Any]
    engine_facts: dict[str, Any]
    model_facts: dict[str, Any]
    start: Start
    environment: dict[str, str]  # of the engine, whole, but for what the sandbox and the tracer add
    declared: dict[str, str]  # what of it is recorded
    timeout_s: float
    always_uncached: bool = False  # measured starts too begin with empty caches
    must_hit: bool = True  # a cached start that compiles again does not count
    secrets: frozenset[str] = frozenset()  # texts that must not stay in log or record
    samples: tuple[str, ...] = ()  # what is sampled while it starts: "cores"


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
    with _this_run_at_most(store):
        case.start.check()
        run_name = store.next_run(session, kind)
        folder = store.open_run(session, run_name)
        previous = store.session_runs(session)
        uncached = kind == "warmup" or case.always_uncached
        sandbox.prepare(empty=uncached)
        before = sandbox.contents()
        started_at = datetime.now(UTC)
        ended, outcome = _start(case, sandbox, folder)
        compiling_s = sum(outcome.phases.get(leaf, 0.0) for leaf in COMPILING_LEAVES)
        caches = cache_certificate(uncached, before, sandbox.contents(), compiling_s, case.must_hit)
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
            certificate={**caches, **outcome.trace_certificate},
            node=node,
            engine=case.engine_facts,
            model=case.model_facts,
            environment=case.declared,
            resources={**ended.resources, "gc_s": outcome.gc_s, "leftover_processes": len(ended.ended)},
            harness=harness_facts(),
            **{name: value for name, value in vars(outcome).items() if name not in _NOT_OF_RUN},
        )
        store.close_run(folder, run)
        return run


@contextmanager
def _this_run_at_most(store: CaseStore) -> Iterator[None]:
    """What cannot be written costs the run that is made in the block, no other, and leaves nothing of it."""
    try:
        yield
    except OSError as error:
        raise HarnessError(
            f"{error.filename or store.folder}: cannot be written ({error.strerror or error}); this run is lost, "
            "everything measured before is stored; mend it and repeat the command"
        ) from error
    finally:
        # Of a run that was lost or stopped: it would stand in the way on a full disk, and its log still has secrets.
        store.discard_partial()


def _start(case: Case, sandbox: Sandbox, folder: Path) -> tuple[Exit, Outcome]:
    """Start the engine, follow it until it is ready, end it; spans, log and tables go into ``folder``."""
    spans, log = folder / "spans", folder / "engine.log"
    spans.mkdir()
    with tempfile.TemporaryDirectory(prefix="coldstart-") as name:
        scratch = Path(name)
        environment = engine_environment(case, sandbox, spans, scratch)
        command, run_in = case.start.command(scratch), case.start.run_in or scratch
        with (
            process_tree(command, environment, log, run_in, case.timeout_s, scratch) as tree,
            core_samples(tree.exec_ns) if "cores" in case.samples else nullcontext() as samples,
        ):
            ready: Ready | None = case.start.follow(tree, scratch, spans)
    assert tree.exit is not None
    for written in (log, *spans.glob("*.jsonl")):  # a hook's detail can hold an argument
        redact_file(written, case.secrets)
    outcome = outcome_of(tree.exit, ready, case.start.awaited, spans, log)
    _write_tables(folder, outcome, samples, ready)
    return tree.exit, outcome


def _write_tables(folder: Path, outcome: Outcome, samples: CoreSamples | None, ready: Ready | None) -> None:
    if outcome.timeline:
        (folder / TIMELINE.name).write_bytes(table_csv(TIMELINE, map(astuple, outcome.timeline)))
    if samples is not None:
        (folder / CORES.name).write_bytes(samples.csv(ready.ready_ns if ready else None))


def engine_environment(case: Case, sandbox: Sandbox, spans: Path, scratch: Path) -> dict[str, str]:
    """The engine's whole environment; ``spans`` and ``scratch`` are existing folders."""
    return {
        **sandbox.environment(),
        **case.environment,  # of the sandbox's variables it may only have VLLM_CONFIG_ROOT, where no cache is
        # Unix socket paths are limited to 107 bytes: keep vLLM's out of the sandbox's long path.
        "VLLM_RPC_BASE_PATH": str(scratch),
        "COLDSTART_TRACE_DIR": str(spans),
        "COLDSTART_TRACE_ROLE": "main",
    }


def _pause_s(previous: Run, started_at: datetime) -> float | None:
    """Seconds between the end of the session's previous run and this start; None where the clock was set back."""
    pause_s = (started_at - datetime.fromisoformat(previous.started_at)).total_seconds() - previous.wall_s
    return pause_s if pause_s >= 0 else None
