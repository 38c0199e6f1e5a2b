"""One run: prepare the state → start the engine traced → wait until it is ready → end it → record."""

import errno
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.analyse.parts import part_rows
from harness.engine.process_tree import Exit, process_tree
from harness.errors import HarnessError
from harness.measure.core_sampler import core_samples
from harness.measure.gpu_sampler import gpu_samples
from harness.measure.preparation import StateNotReachedError, Surroundings, evidence, prepared
from harness.measure.provenance import harness_facts
from harness.measure.result import Outcome, outcome_of
from harness.measure.start import Ready, Start
from harness.record.run import Run, last_warm_up
from harness.record.secrets import redact_file
from harness.record.store import CaseStore
from harness.record.tables import CORES, GPU, PARTS, TIMELINE, table_csv
from harness.spec.state import StartState
from harness.state.sandbox import Sandbox

# Of an outcome: they stand elsewhere.
_NOT_OF_RUN = (
    *("gc_s", "trace_certificate", "trace_marks", "cache_lines", "load_read_bytes", "timeline", "parts", "gpu_samples"),
)
_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)  # errors that reading does not have
PREPARATION = "preparation"  # where a run failed that was not started: its state could not be brought about


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
    state: StartState = field(default_factory=StartState)  # that a measured start begins from
    around: Surroundings = field(default_factory=lambda: Surroundings(None, ()))
    traced: bool = True
    untimed_hooks: frozenset[str] = frozenset()  # should one of these fail, every phase still has its seconds
    secrets: frozenset[str] = frozenset()  # texts that must not stay in log or record
    samples: tuple[str, ...] = ()  # what is sampled while it starts: "cores", "gpu"

    def state_of(self, kind: str) -> StartState:
        """What a start of this kind begins from."""
        return self.state if kind == "measured" else self.state.of_warm_up()


@dataclass(frozen=True)
class Place:
    """Where a run belongs: its session, the store and caches of its case, the machine, its round (``Run.round``)."""

    session: str
    store: CaseStore
    sandbox: Sandbox
    node: dict[str, Any]
    round: str | None = None


def execute(case: Case, kind: str, place: Place, announce: Callable[[str], None]) -> Run:
    """Run ``case`` once and store the record, whatever happens to the engine.

    Raises:
        HarnessError: the record or the caches cannot be written (a full disk): this run is lost, no other. Or the run
            is stored, but not what it left in its caches.
    """
    store, sandbox = place.store, place.sandbox
    with _this_run_at_most(store):
        case.start.check()
        run_name = store.next_run(place.session, kind)
        folder = store.open_run(place.session, run_name)
        previous = store.session_runs(place.session)
        started_at = datetime.now(UTC)
        gpus: list[dict[str, Any]] = []
        try:
            with prepared(case.state_of(kind), case.around, sandbox, announce) as state:
                gpus = list(state.gpus)
                started_at = datetime.now(UTC)
                ended, outcome = _start(case, sandbox, folder)
                wall_s = (ended.exit_ns - ended.exec_ns) / 1e9
                warm_up = last_warm_up(previous)
                left = warm_up.certificate if warm_up else {}
                certificate, noise = evidence(state, sandbox, outcome, ended.resources, left)
        except StateNotReachedError as error:
            ended, outcome = None, Outcome("failed", PREPARATION, reason=str(error))
            certificate, noise, wall_s = {}, {}, 0.0
        run = Run(
            run_id=f"{place.session}/{run_name}",
            session=place.session,
            study="cold_start",
            case=case.definition,
            run=run_name,
            round=place.round,
            kind=kind,
            started_at=started_at.isoformat(timespec="milliseconds"),
            pause_s=_pause_s(previous[-1], started_at) if previous else None,
            wall_s=wall_s,
            exit_code=ended.exit_code if ended else None,
            certificate=certificate,
            noise=noise,
            node=place.node,
            gpus=gpus,
            engine=case.engine_facts,
            model=case.model_facts,
            environment=case.declared,
            resources=_resources(ended, outcome),
            harness=harness_facts(),
            **{name: value for name, value in vars(outcome).items() if name not in _NOT_OF_RUN},
        )
        store.close_run(folder, run)
    if kind == "warmup" and run.counts and case.state.compile_cache != "keep":
        try:
            sandbox.keep_as_warm_up()
        except OSError as error:
            what = f"the caches of warm-up {run.run_id} cannot be kept ({error.strerror or error})"
            raise HarnessError(
                f"{error.filename or sandbox.folder}: {what}; its run is stored; mend it and repeat the command, "
                "which makes the warm-up again"
            ) from error
    return run


def _resources(ended: Exit | None, outcome: Outcome) -> dict[str, Any]:
    used = {**ended.resources, "leftover_processes": len(ended.ended)} if ended else {}
    return {**used, "gc_s": outcome.gc_s, "load_read_bytes": outcome.load_read_bytes} if ended else {}


@contextmanager
def _this_run_at_most(store: CaseStore) -> Iterator[None]:
    """What cannot be written or read costs the run that is made in the block, no other, and leaves nothing of it."""
    try:
        yield
    except OSError as error:
        what = "written" if error.errno in _NOT_WRITTEN else "written or read"
        raise HarnessError(
            f"{error.filename or store.folder}: cannot be {what} ({error.strerror or error}); this run is lost, "
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
            core_samples(tree.exec_ns) if "cores" in case.samples else nullcontext() as cores,
            gpu_samples(tree.exec_ns, case.around.gpus) if "gpu" in case.samples else nullcontext() as gpus,
        ):
            ready: Ready | None = case.start.follow(tree, scratch, spans)
    assert tree.exit is not None
    for written in (log, *spans.glob("*.jsonl")):  # a hook's detail can hold an argument
        redact_file(written, case.secrets)
    outcome = outcome_of(tree.exit, ready, case.start.awaited, spans, log, case.traced, case.untimed_hooks)
    if outcome.timeline:
        (folder / TIMELINE.name).write_bytes(table_csv(TIMELINE, map(astuple, outcome.timeline)))
    if outcome.parts:
        (folder / PARTS.name).write_bytes(table_csv(PARTS, part_rows(outcome.parts)))
    until_ns = ready.ready_ns if ready else None
    if cores is not None:
        (folder / CORES.name).write_bytes(cores.csv(until_ns))
    if gpus is not None:
        outcome.gpu_samples = gpus.rows(until_ns)
        (folder / GPU.name).write_bytes(table_csv(GPU, outcome.gpu_samples))
    return tree.exit, outcome


def engine_environment(case: Case, sandbox: Sandbox, spans: Path, scratch: Path) -> dict[str, str]:
    """The engine's whole environment; ``spans`` and ``scratch`` are existing folders."""
    return {
        **sandbox.environment(),
        **case.environment,  # an own start's has HOME and VLLM_CONFIG_ROOT, which are the user's then
        # Unix socket paths are limited to 107 bytes: keep vLLM's out of the sandbox's long path.
        "VLLM_RPC_BASE_PATH": str(scratch),
        "COLDSTART_TRACE_DIR": str(spans),
        "COLDSTART_TRACE_ROLE": "main",
    }


def _pause_s(previous: Run, started_at: datetime) -> float | None:
    """Seconds between the end of the session's previous run and this start; None where the clock was set back."""
    pause_s = (started_at - datetime.fromisoformat(previous.started_at)).total_seconds() - previous.wall_s
    return pause_s if pause_s >= 0 else None
