"""run.json: the record of one run. Raw samples and facts only; no statistic is ever stored in a run."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from harness.record.bounded import UnreadableError, parse_json, read_bounded
from harness.record.plain import printable
from harness.record.runcheck import KINDS as KINDS
from harness.record.runcheck import STATUSES as STATUSES
from harness.record.runcheck import problem
from harness.record.versioned import write_facts

# 1 (2026-11-20): first version.
# 2 (2026-11-20): failed_process, phases_by_process, window, round.
# 3 (2026-11-20): graph.
# 4 (2026-11-28): noise, output; the certificate's parts compile_cache (per part, by hash), model_info, storage,
#                 libraries, clock.
# 5 (2026-11-30): gpus.
SCHEMA_VERSION = 5
_MAX_BYTES = 16 << 20


class RunFileError(ValueError):
    """A run.json that cannot be used; the message, one printable line, names the file and what is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True)
class Run:
    """One execution of a case. Seconds and bytes only; absent is None, never 0."""

    run_id: str  # <session>/<run>
    session: str
    study: str
    case: dict[str, Any]
    run: str  # warmup-0, 1, 2, …: the number of the attempt within its kind
    round: str | None  # runs of several cases with the same round were made next to each other: they are paired
    kind: str
    status: str
    failed_in: str | None  # leaf that was being worked on when it failed
    failed_process: str | None  # role of the process that was working on it
    reason: str | None
    started_at: str  # ISO 8601, UTC
    pause_s: float | None  # since the session's previous run ended; long after an interruption; None: first run
    ready_s: float | None  # exec → ready
    first_token_s: float | None  # ready → first token
    wall_s: float  # exec → exit
    exit_code: int | None
    log_tail: list[str]
    window: dict[str, int] | None  # pid of the main process, exec_ns and ready_ns on the clock of the spans
    phases: dict[str, float]  # leaf → seconds; sums to ready_s
    phases_by_process: dict[str, dict[str, float]]  # role → leaf → seconds: where each leaf's seconds were spent
    unattributed_s: float | None
    gaps: list[dict[str, Any]]  # longest unattributed pieces and their neighbours
    import_packages: dict[str, dict[str, float]]  # imports leaf → package → seconds
    groups: dict[str, float]
    log_quantities: dict[str, float | None]
    graph: dict[str, int] | None  # nodes and code_bytes of the graph that the compiler traced; None: none was
    tracer: dict[str, Any]  # what tracing itself cost and could not do
    certificate: dict[str, Any]
    noise: dict[str, Any]  # marks (shown, never a reason to leave the run out), and what they were read from
    output: dict[str, Any] | None  # what the engine answered after it was ready: equal weights answer alike
    node: dict[str, Any]
    gpus: list[dict[str, Any]]  # facts of each GPU that the start could use, right before it (state/gpu_facts.py)
    engine: dict[str, Any]
    model: dict[str, Any]
    environment: dict[str, str]
    resources: dict[str, float | int | None]
    harness: dict[str, Any]
    schema_version: int = SCHEMA_VERSION

    @property
    def attempt(self) -> int:
        """The number of the attempt within its kind."""
        return int(self.run.removeprefix("warmup-"))

    @property
    def marks(self) -> list[str]:
        """What disturbed the start, one line each: ``kind: detail``."""
        return list(self.noise.get("marks", []))

    @property
    def doubt(self) -> str | None:
        """Why its certificate does not hold; None if it does."""
        return next((str(part["reason"]) for part in self.certificate.values() if not part["holds"]), None)

    @property
    def counts(self) -> bool:
        """Whether this run may be used: it is ok and its certificate holds."""
        return self.status == "ok" and all(part["holds"] for part in self.certificate.values())

    def write(self, folder: Path) -> None:
        """Write ``folder/run.json``, schema version first."""
        write_facts(folder / "run.json", self)


def last_warm_up(runs: Sequence[Run]) -> Run | None:
    """The newest warm-up start of a session that counts: later ones begin with its caches.

    The number of its attempt tells, not its time: the wall clock may have been set back since.
    """
    warm_ups = [run for run in runs if run.kind == "warmup" and run.counts]
    return max(warm_ups, key=lambda run: run.attempt, default=None)


def read_run(folder: Path) -> Run:
    """Read ``folder/run.json``, which may come from anywhere.

    Raises:
        RunFileError: not readable, not a run of a known schema, a key is missing, or a value cannot be.
    """
    path = folder / "run.json"
    try:
        document = parse_json(read_bounded(path, _MAX_BYTES))
    except OSError as error:
        raise RunFileError(f"{path}: not readable ({error.strerror})") from None
    except UnreadableError as error:
        raise RunFileError(f"{path}: not readable ({error})") from None
    version = document.get("schema_version") if isinstance(document, dict) else None
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        found = printable(repr(version), 40)
        raise RunFileError(f"{path}: schema_version is {found}, this harness reads 1 to {SCHEMA_VERSION}")
    if version < 2:
        document = _from_1(document)
    if version < 3:
        document = {**document, "graph": None, "schema_version": 3}
    if version < 4:
        document = {**document, "noise": {}, "output": None, "schema_version": 4}
    if version < 5:
        document = {**document, "gpus": [], "schema_version": 5}
    types = {field.name: field.type for field in fields(Run)}
    if set(document) != set(types):
        odd = ", ".join(sorted(set(document) ^ set(types)))
        raise RunFileError(f"{path}: missing or unknown keys: {printable(odd, 200)}")
    wrong = problem(document, types)
    if wrong is not None:
        raise RunFileError(f"{path}: {wrong}")
    return Run(**document)


def _from_1(document: dict[str, Any]) -> dict[str, Any]:
    """A run of schema 1: what it did not record is absent, not empty."""
    new: dict[str, Any] = {"failed_process": None, "phases_by_process": {}, "window": None, "round": None}
    return {**document, **new, "schema_version": 2}
