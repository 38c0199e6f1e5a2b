"""A run of the routing study: one strategy, one load, N replicas, once cold and perhaps once more warm.

    routing.json     ``routing_facts.RoutingFacts``
    client.jsonl     what the client saw (``load_output.ClientRecord``), of all phases
    decisions.jsonl, served.jsonl, samples.jsonl  what router and engines wrote (``routing_records.py``)
    metrics.json     phase → before, after → replica → name → value: what each replica's own Prometheus port said at the
                     phase's begin and end; vLLM's names without labels, of several label sets the sum

An ok run has all of them, a failed one what it came to. How they are made of raw logs: ``routing_gather.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from harness.record.load import LoadError
from harness.record.load_output import ClientRecord
from harness.record.load_output import read_records as read_client
from harness.record.routing_facts import FILE, RoutingFacts, json_object, read_routing_facts
from harness.record.routing_lines import RoutingRunError, read_decisions, read_records
from harness.record.routing_records import Decision, Sample, Served
from harness.record.routing_tables import OK
from harness.record.runcheck import fits

CLIENT_FILE, DECISIONS_FILE = "client.jsonl", "decisions.jsonl"
SERVED_FILE, SAMPLES_FILE, METRICS_FILE = "served.jsonl", "samples.jsonl", "metrics.json"
CHECK = "check-"  # request ids of the driver's own queries begin so
BEFORE, AFTER = "before", "after"


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
        _read_client(folder / CLIENT_FILE) if there(CLIENT_FILE) else (),
        read_decisions(folder / DECISIONS_FILE) if there(DECISIONS_FILE) else (),
        read_records(folder / SERVED_FILE, Served) if there(SERVED_FILE) else (),
        read_records(folder / SAMPLES_FILE, Sample) if there(SAMPLES_FILE) else (),
        _read_metrics(folder / METRICS_FILE) if there(METRICS_FILE) else {},
    )
    for name, rows in ((DECISIONS_FILE, run.decisions), (SERVED_FILE, run.served), (SAMPLES_FILE, run.samples)):
        for number, (earlier, later) in enumerate(pairwise(row.t for row in rows), start=2):
            if later < earlier:
                raise RoutingRunError(f"{folder / name}:{number}: earlier than the line before it")
    _refuse_disagreement(run, folder)
    return run


def _read_client(path: Path) -> list[ClientRecord]:
    try:
        return read_client(path)
    except LoadError as error:
        raise RoutingRunError(str(error)) from None


def _read_metrics(path: Path) -> dict[str, PhaseMetrics]:
    document = json_object(path)
    annotation = dict[str, dict[str, dict[str, dict[str, float]]]]
    if not fits(document, annotation) or any(set(sides) != {BEFORE, AFTER} for sides in document.values()):
        raise RoutingRunError(f"{path}: must hold, by phase, before and after, replica and name, numbers")
    for phase, sides in document.items():
        for replica, told in (entry for side in sides.values() for entry in side.items()):
            if wrong := next((name for name, value in told.items() if value < 0), None):
                raise RoutingRunError(f"{path}: {phase}: {wrong} of {replica} is negative")
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
        try:
            told, found = phase.summary.requests, len(run.phase_records(name))
        except ValueError as error:
            raise RoutingRunError(f"{folder / FILE}: phase {name}: client: {error}") from None
        if told != found:
            raise RoutingRunError(f"{folder / CLIENT_FILE}: {found} requests in phase {name}, {FILE} says {told}")
        if name not in run.metrics:
            raise RoutingRunError(f"{folder / METRICS_FILE}: nothing of phase {name}")
