"""A run of the routing study: one strategy, one load, N replicas, once cold and perhaps once more warm.

    routing.json   what was asked, of which model and engine, how it ended (``RoutingFacts``)
    *.jsonl        what client, router and engines wrote (``routing_records.py``)
    metrics.json   phase → before, after → replica → name → value: what each replica's own Prometheus port said at the
                   phase's begin and end; vLLM's names without labels, of several label sets the sum

An ok run has all of them. A failed one has what it came to. How they are made of raw logs: ``routing_gather.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.record.atomic import write_json
from harness.record.bounded import UnreadableError, parse_json, read_bounded
from harness.record.plain import is_name, printable
from harness.record.routing_lines import RoutingRunError, checked, read_decisions, read_records
from harness.record.routing_records import ClientRecord, Decision, Sample, Served
from harness.record.routing_tables import COLD, FAILED, OK, STRATEGIES, STUDY, WARM
from harness.record.runcheck import fits

# 1 (2026-11-29): first version.
SCHEMA_VERSION = 1
FILE = "routing.json"
CLIENT_FILE, DECISIONS_FILE, SERVED_FILE, SAMPLES_FILE = (
    "client.jsonl",
    "decisions.jsonl",
    "served.jsonl",
    "samples.jsonl",
)
METRICS_FILE = "metrics.json"
CHECK = "check-"  # request ids of the driver's own queries begin so
BEFORE, AFTER = "before", "after"
_MAX_BYTES = 16 << 20


@dataclass(frozen=True)
class Replica:
    """A replica: its number, from 0 in the order of ids, and Ray Serve's id."""

    number: int
    replica: str


@dataclass(frozen=True)
class Phase:
    """A pass of the load; wall-clock seconds, and the client's summary of it."""

    name: str  # cold, warm
    begin_at: float
    end_at: float
    client: dict[str, Any]


@dataclass(frozen=True)
class RoutingFacts:
    """routing.json. Absent is None, never 0.

    ``parameters`` are everything that the label stands for: ``load`` and ``engine`` as objects, others beside them.
    ``accounting``: ``analyse.routing_accounting.accounting_document`` of the run; None: it was not reached.
    """

    case: str
    run: int  # the repeat, from 1; runs of the same repeat have the same load
    strategy: str
    label: str
    status: str  # ok, failed
    failed_in: str | None
    reason: str | None
    started_at: str  # ISO 8601, UTC
    router: dict[str, Any]  # class, parameters
    parameters: dict[str, Any]
    engine: dict[str, Any]  # pin, version, lock_sha256
    model: dict[str, Any]  # name, twin, files_sha256
    node: dict[str, Any]
    harness: dict[str, Any]
    replicas: list[Replica]
    phases: list[Phase]
    accounting: dict[str, Any] | None = None
    study: str = STUDY
    schema_version: int = SCHEMA_VERSION

    def write(self, folder: Path) -> None:
        """Write ``folder/routing.json``, schema version first. Raises OSError."""
        document = asdict(self)
        write_json(folder / FILE, {"schema_version": document.pop("schema_version"), **document})


@dataclass(frozen=True)
class PhaseMetrics:
    """Replica → metric → value, as the replicas told it when the phase began and when it had ended."""

    before: Mapping[str, Mapping[str, float]]
    after: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class RoutingRun:
    """A run as it was stored."""

    facts: RoutingFacts
    client: Sequence[ClientRecord] = ()
    decisions: Sequence[Decision] = ()
    served: Sequence[Served] = ()
    samples: Sequence[Sample] = ()
    metrics: Mapping[str, PhaseMetrics] = field(default_factory=dict)

    def phase_records(self, phase: str) -> list[ClientRecord]:
        """What the client saw in a phase."""
        return [record for record in self.client if record.phase == phase]


def read_routing_run(folder: Path) -> RoutingRun:
    """Read a run's folder, which may come from anywhere.

    Raises:
        RoutingRunError: a file is damaged or of another schema, files contradict each other, or an ok run lacks one.
    """
    facts = read_routing_facts(folder)

    def there(name: str) -> bool:
        return facts.status == OK or (folder / name).exists()

    run = RoutingRun(
        facts,
        read_records(folder / CLIENT_FILE, ClientRecord) if there(CLIENT_FILE) else (),
        read_decisions(folder / DECISIONS_FILE) if there(DECISIONS_FILE) else (),
        read_records(folder / SERVED_FILE, Served) if there(SERVED_FILE) else (),
        read_records(folder / SAMPLES_FILE, Sample) if there(SAMPLES_FILE) else (),
        _read_metrics(folder / METRICS_FILE) if there(METRICS_FILE) else {},
    )
    for name, rows in ((DECISIONS_FILE, run.decisions), (SERVED_FILE, run.served), (SAMPLES_FILE, run.samples)):
        times = [row.t for row in rows]
        for number, (one, next_one) in enumerate(pairwise(times), start=2):
            if next_one < one:
                raise RoutingRunError(f"{folder / name}:{number}: earlier than the line before it")
    _refuse_disagreement(run, folder)
    return run


def read_routing_facts(folder: Path) -> RoutingFacts:
    """Read ``folder/routing.json`` alone. Raises as ``read_routing_run``."""
    path = folder / FILE
    document = _json_object(path)
    version = document.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        is_newer = isinstance(version, int | float) and version > SCHEMA_VERSION
        told = f"schema_version is {printable(repr(version), 40)}, this harness reads {SCHEMA_VERSION}"
        raise RoutingRunError(f"{path}: {told}{'; it is newer: update the harness' if is_newer else ''}")
    lists = {name: document.get(name) for name in ("replicas", "phases")}
    for name, entries in lists.items():
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise RoutingRunError(f"{path}: {name} must be a list of objects")
    replicas = [Replica(**checked(each, Replica, f"{path}: replicas")) for each in lists["replicas"] or ()]
    phases = [Phase(**_without_texts(each, f"{path}: phases")) for each in lists["phases"] or ()]
    facts = RoutingFacts(**_facts(document, str(path)) | {"replicas": replicas, "phases": phases})
    if problem := _problem(facts):
        raise RoutingRunError(f"{path}: {problem}")
    return facts


def _facts(document: dict[str, Any], where: str) -> dict[str, Any]:
    """The top level, whose objects hold whatever the run says of itself."""
    annotations = RoutingFacts.__annotations__ | {"replicas": list[Any], "phases": list[Any]}
    if document.keys() != annotations.keys():
        differing = ", ".join(sorted(document.keys() ^ annotations.keys()))
        raise RoutingRunError(f"{where}: missing or unknown keys: {differing[:200]}")
    for name, annotation in annotations.items():
        value = document[name]
        if not fits(value, annotation) or (isinstance(value, str) and name != "reason" and not is_name(value)):
            raise RoutingRunError(f"{where}: {name} has a value that cannot be (got {repr(value)[:80]})")
    return document


def _without_texts(phase: dict[str, Any], where: str) -> dict[str, Any]:
    """A phase whose own fields are checked; the client's summary holds whatever it says of itself."""
    checked({**phase, "client": {}} if isinstance(phase.get("client"), dict) else phase, Phase, where)
    return phase


def _problem(facts: RoutingFacts) -> str | None:
    phases = [phase.name for phase in facts.phases]
    ids = [replica.replica for replica in facts.replicas]
    wrong = {
        f"study is {facts.study}, not {STUDY}": facts.study != STUDY,
        f"strategy must be one of {', '.join(STRATEGIES)}": facts.strategy not in STRATEGIES,
        f"status must be {OK} or {FAILED}": facts.status not in (OK, FAILED),
        "run must be at least 1": facts.run < 1,
        f"phases must be {COLD}, or {COLD} and {WARM}": phases not in ([], [COLD], [COLD, WARM]),
        "an ok run has phases and replicas": facts.status == OK and not (phases and ids),
        "a failed run says in what it failed, and why": facts.status == FAILED
        and not (facts.failed_in and facts.reason),
        "replicas are not numbered from 0": [each.number for each in facts.replicas] != list(range(len(ids))),
        "two replicas have one id": len(set(ids)) != len(ids),
        "a phase ends before it begins": any(phase.end_at < phase.begin_at for phase in facts.phases),
    }
    return next((what for what, is_wrong in wrong.items() if is_wrong), None)


def _read_metrics(path: Path) -> dict[str, PhaseMetrics]:
    document = _json_object(path)
    annotation = dict[str, dict[str, dict[str, dict[str, float]]]]
    if not fits(document, annotation) or any(set(sides) != {BEFORE, AFTER} for sides in document.values()):
        raise RoutingRunError(f"{path}: must hold, by phase, before and after, replica and name, numbers")
    for phase, sides in document.items():
        for replica, name, value in (
            (r, n, v) for side in sides.values() for r, of in side.items() for n, v in of.items()
        ):
            if value < 0:
                raise RoutingRunError(f"{path}: {phase}: {name} of {replica} is negative")
    return {phase: PhaseMetrics(sides[BEFORE], sides[AFTER]) for phase, sides in document.items()}


def _refuse_disagreement(run: RoutingRun, folder: Path) -> None:
    phases = {phase.name: phase for phase in run.facts.phases}
    seen: set[str] = set()
    for number, record in enumerate(run.client, start=1):
        if record.phase not in phases:
            raise RoutingRunError(f"{folder / CLIENT_FILE}:{number}: {FILE} has no phase {record.phase}")
        if record.request_id in seen:
            raise RoutingRunError(f"{folder / CLIENT_FILE}:{number}: request id {record.request_id} a second time")
        seen.add(record.request_id)
    for name, phase in phases.items() if run.facts.status == OK else ():
        told, found = phase.client.get("requests"), len(run.phase_records(name))
        if told != found:
            raise RoutingRunError(f"{folder / CLIENT_FILE}: {found} requests in phase {name}, {FILE} says {told}")
        if name not in run.metrics:
            raise RoutingRunError(f"{folder / METRICS_FILE}: nothing of phase {name}")


def _json_object(path: Path) -> dict[str, Any]:
    try:
        document = parse_json(read_bounded(path, _MAX_BYTES))
    except OSError as error:
        raise RoutingRunError(f"{path}: not readable ({error.strerror})") from None
    except UnreadableError as error:
        raise RoutingRunError(f"{path}: not readable ({error})") from None
    if not isinstance(document, dict):
        raise RoutingRunError(f"{path}: not a JSON object")
    return document
