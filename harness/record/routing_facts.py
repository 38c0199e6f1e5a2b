"""routing.json: what a run of the routing study was asked, of which model and engine, and how it ended."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.record.bounded import UnreadableError, read_object
from harness.record.load_output import ClientSummary, summary_of
from harness.record.routing_lines import RoutingRunError, checked
from harness.record.routing_tables import COLD, FAILED, OK, STRATEGIES, STUDY, WARM
from harness.record.versioned import check_fields, read_versioned, texts_are_names, types_of, write_facts

# 1 (2026-11-29): first version.
SCHEMA_VERSION = 1
FILE = "routing.json"
_MAX_BYTES = 16 << 20


@dataclass(frozen=True)
class Replica:
    """A replica: its number, from 0 in the order of ids, and Ray Serve's id."""

    number: int
    replica: str


@dataclass(frozen=True)
class Phase:
    """A pass of the load; wall-clock seconds, the client's start and end included.

    ``client``: the document of a ``ClientSummary``.
    """

    name: str  # cold, warm
    begin_at: float
    end_at: float
    client: dict[str, Any]

    @property
    def summary(self) -> ClientSummary:
        """What the client says of the whole pass. Raises ValueError: the document is none."""
        return summary_of(self.client)

    @property
    def sending_at(self) -> tuple[float, float]:
        """From the load's begin, which the client's times are since, to the end of its last request."""
        summary = self.summary
        return summary.begin_at, summary.begin_at + summary.wall_s


@dataclass(frozen=True)
class RoutingFacts:
    """routing.json. Absent is None, never 0.

    ``parameters`` are everything that the label stands for: ``load`` and ``engine`` as objects, others beside them
    (the names that the sweep's CSVs know: ``analyse/routing_sweep.py``). ``accounting``:
    ``analyse.routing_accounting.accounting_document`` of the run; None: it was not reached.
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
        write_facts(folder / FILE, self)


def numbered(ids: list[str]) -> list[Replica]:
    """Replicas numbered in the order of their ids, as routing.json has them."""
    return [Replica(number, replica) for number, replica in enumerate(sorted(ids))]


def read_routing_facts(folder: Path) -> RoutingFacts:
    """Read ``folder/routing.json``, which may come from anywhere.

    Raises:
        RoutingRunError: absent, damaged, of another schema, or it contradicts itself.
    """
    path = folder / FILE
    document = read_versioned(path, _MAX_BYTES, SCHEMA_VERSION, RoutingRunError)
    types = types_of(RoutingFacts, replicas=list[Any], phases=list[Any])
    check_fields(document, types, str(path), RoutingRunError, texts_are_names)
    for name in ("replicas", "phases"):
        if not all(isinstance(entry, dict) for entry in document[name]):
            raise RoutingRunError(f"{path}: {name} must be a list of objects")
    replicas = [Replica(**checked(each, Replica, f"{path}: replicas")) for each in document["replicas"]]
    phases = [_phase(each, f"{path}: phases") for each in document["phases"]]
    facts = RoutingFacts(**document | {"replicas": replicas, "phases": phases})
    if problem := _problem(facts):
        raise RoutingRunError(f"{path}: {problem}")
    return facts


def json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises RoutingRunError."""
    try:
        return read_object(path, _MAX_BYTES)
    except UnreadableError as error:
        raise RoutingRunError(f"{path}: {error}") from None


def _phase(found: dict[str, Any], where: str) -> Phase:
    """A phase whose own fields are checked; ``Phase.summary`` checks the client's."""
    hollow = {**found, "client": {}} if isinstance(found.get("client"), dict) else found
    checked(hollow, Phase, where)
    return Phase(**found)


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
        "a failed run says where and why": facts.status == FAILED and not (facts.failed_in and facts.reason),
        "replicas are not numbered from 0": [each.number for each in facts.replicas] != list(range(len(ids))),
        "two replicas have one id": len(set(ids)) != len(ids),
        "a phase ends before it begins": any(phase.end_at < phase.begin_at for phase in facts.phases),
    }
    return next((what for what, is_wrong in wrong.items() if is_wrong), None)
