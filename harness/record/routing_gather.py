"""Raw logs of a routing run → the files of its folder, in one order, whoever wrote them and when they were flushed.

In a run's log folder lie ``decisions.<pid>.jsonl`` of each router, and ``served-<id>.jsonl`` and ``samples-<id>.jsonl``
of each replica, whose id is that of the file's name. A replica that was killed leaves a last line without an end; it is
left out.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from harness.record.atomic import write_json
from harness.record.load_output import read_records as read_client
from harness.record.routing_lines import read_decisions, read_records, write_records
from harness.record.routing_records import Sample, Served, event_order
from harness.record.routing_run import (
    CLIENT_FILE,
    DECISIONS_FILE,
    METRICS_FILE,
    SAMPLES_FILE,
    SERVED_FILE,
    PhaseMetrics,
)


def gather_run(logs: Path, clients: Mapping[str, Path], metrics: Mapping[str, PhaseMetrics], folder: Path) -> None:
    """Write every file of ``folder`` but routing.json.

    Args:
        logs: the folder of the workers' logs; what it lacks was not written, which is no error.
        clients: phase → the client's output file, in the order of phases.
        metrics: phase → what the replicas told.
        folder: an existing folder.

    Raises:
        RoutingRunError, LoadError: a log is damaged (file and line).
        OSError: it cannot be written.
    """
    write_records(
        folder / CLIENT_FILE,
        [replace(record, phase=phase) for phase, path in clients.items() for record in read_client(path)],
    )
    decisions = [each for path in sorted(logs.glob("decisions.*.jsonl")) for each in read_decisions(path, torn=True)]
    write_records(folder / DECISIONS_FILE, sorted(decisions, key=event_order))
    served = [
        record
        for path in sorted(logs.glob("served-*.jsonl"))
        for record in read_records(path, Served, {"replica": path.stem.removeprefix("served-")}, torn=True)
    ]
    write_records(folder / SERVED_FILE, sorted(served, key=lambda record: (record.t, record.replica, record.request)))
    samples = [
        record
        for path in sorted(logs.glob("samples-*.jsonl"))
        for record in read_records(path, Sample, {"replica": path.stem.removeprefix("samples-")}, torn=True)
    ]
    write_records(folder / SAMPLES_FILE, sorted(samples, key=lambda record: (record.t, record.replica)))
    write_json(folder / METRICS_FILE, {phase: asdict(told) for phase, told in metrics.items()})
