"""One run of the routing study: deploy → check queries → load (cold, perhaps once more warm) → stop → its folder.

Whatever goes wrong on the way is a failed run that says where and why, and keeps what there is of its logs. Ctrl-C
leaves no run, as ever; nothing that was started outlives it.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from harness.analyse.routing_accounting import accounting, accounting_document
from harness.engine.environment import Engine
from harness.errors import MeasurementFailed
from harness.measure.deployment import Deployment, Files, Wanted, deployed
from harness.measure.load_process import LoadOfServer, send_load
from harness.measure.provenance import harness_facts, utc_now
from harness.measure.replica_metrics import Told, scrape, settled
from harness.measure.routing_load import check_queries
from harness.measure.waiting import wait_for
from harness.record.load import LoadError, LoadParameters
from harness.record.load_output import read_summary, summary_path
from harness.record.plain import printable
from harness.record.repeats import Repeats
from harness.record.routing_facts import Phase, RoutingFacts, numbered
from harness.record.routing_gather import gather_run
from harness.record.routing_lines import RoutingRunError
from harness.record.routing_run import PhaseMetrics, read_routing_run
from harness.record.routing_tables import COLD, FAILED, OK, WARM
from harness.spec.routing import Limits

Processes = frozenset[psutil.Process]

_SETTLE_S = 10.0
_LONGEST_REASON = 300
_COMPLETED = "vllm:request_success_total"


@dataclass(frozen=True)
class RoutingJob:
    """One run that is to be made. ``facts``: what of routing.json is known before; ``load``: the load's file."""

    stored: Repeats
    repeat: int
    facts: Mapping[str, Any]  # label, strategy, router, parameters, engine, model, node
    wanted: Wanted
    load: Path
    parameters: LoadParameters
    with_warmup: bool
    limits: Limits

    @property
    def phases(self) -> tuple[str, ...]:
        """What is run, in this order, without a restart between."""
        return (COLD, WARM) if self.with_warmup else (COLD,)


def make_routing_run(job: RoutingJob, engine: Engine, announce: Callable[[str], None]) -> Path:
    """Make the run; returns its folder, which says whether it is ok.

    Raises:
        HarnessError: the port is taken; nothing was started.
    """
    working = job.stored.begin(job.repeat)
    run = _Run(job, working, announce)
    try:
        try:
            run.measure(engine)
            run.gather()
            run.facts(OK, None).write(working)
            account = accounting_document(accounting(read_routing_run(working)))
            replace(run.facts(OK, None), accounting=account).write(working)
        except (MeasurementFailed, RoutingRunError, LoadError, OSError) as error:
            run.facts(FAILED, printable(str(error), _LONGEST_REASON)).write(working)
            return job.stored.close(job.repeat, working, is_ok=False)
    except BaseException:  # the port is taken, or Ctrl-C: there is no run
        shutil.rmtree(working, ignore_errors=True)
        raise
    return job.stored.close(job.repeat, working, is_ok=True)


class _Run:
    """What is known of the run so far."""

    def __init__(self, job: RoutingJob, working: Path, announce: Callable[[str], None]) -> None:
        self.job, self.working, self.announce = job, working, announce
        self.started = utc_now()
        self.stage = "deploy"
        self.raw, self.logs = working / "raw", working / "logs"
        self.replicas: list[str] = []
        self.phases: list[Phase] = []
        self.metrics: dict[str, PhaseMetrics] = {}
        self.clients: dict[str, Path] = {}

    def measure(self, engine: Engine) -> None:
        """Deploy and send. Raises MeasurementFailed, HarnessError."""
        job, limits = self.job, self.job.limits
        self.logs.mkdir()
        strategy = job.facts["strategy"]
        files = Files(self.raw, self.logs / f"{strategy}_stdout.log", self.logs / f"{strategy}_stderr.log")
        whole = limits.ready + len(job.phases) * limits.phase + limits.stop
        with deployed(job.wanted, engine, files, limits.ready, whole, self.announce) as deployment:
            self.replicas = sorted(deployment.replicas)
            self.stage = "check"
            asked = check_queries(deployment, job.wanted.name, self._served)
            self.announce(f"{len(self.replicas)} replicas serve {strategy}, checked with {asked} queries")
            before = deployment.processes()
            for phase in job.phases:
                self.stage = phase
                self._phase(phase, deployment)
            _refuse_lost(before, deployment.processes())
            self.stage = "stop"

    def _phase(self, phase: str, deployment: Deployment) -> None:
        before = scrape(deployment.replicas)
        output = self.working / f"client-{phase}.jsonl"
        log = self.logs / f"{self.job.facts['strategy']}_client.log"
        name, sending = self.job.wanted.name, self.job.parameters.sending
        asked = LoadOfServer(deployment.url, name, self.job.load, sending, phase, output, log)
        send_load(asked, lambda is_over: self._wait(deployment, is_over))
        self.clients[phase] = output
        client = read_summary(summary_path(output))
        end = time.time()
        wanted = _completed(before) + client.completed
        after = settled(lambda: scrape(deployment.replicas), _COMPLETED, wanted, _SETTLE_S)
        self.metrics[phase] = PhaseMetrics(before, after)
        self.phases.append(Phase(phase, client.begin_at, end, client.document()))
        if not client.completed:
            raise MeasurementFailed(f"none of {client.requests} requests was completed")

    def _wait(self, deployment: Deployment, is_over: Callable[[], bool]) -> None:
        limit_s = self.job.limits.phase
        if not wait_for(deployment.tree, is_over, limit_s):
            deployment.check()
            raise MeasurementFailed(f"the load took more than {limit_s:.0f} s")

    def _served(self) -> set[str]:
        """Replicas that have served a request."""
        found = (path for path in self.raw.glob("served-*.jsonl") if path.stat().st_size)
        return {path.stem.removeprefix("served-") for path in found}

    def gather(self) -> None:
        """Raw logs become the run's files; they are gone afterwards. Raises RoutingRunError, LoadError, OSError."""
        self.stage = "gather"
        gather_run(self.raw, self.clients, self.metrics, self.working)
        shutil.rmtree(self.raw)
        for path in self.clients.values():
            path.unlink()
            summary_path(path).unlink()

    def facts(self, status: str, reason: str | None) -> RoutingFacts:
        """routing.json, as far as the run came."""
        return RoutingFacts(
            **self.job.facts,
            case=self.job.stored.case,
            run=self.job.repeat,
            status=status,
            failed_in=None if status == OK else self.stage,
            reason=reason,
            started_at=self.started,
            harness=harness_facts(),
            replicas=numbered(self.replicas),
            phases=self.phases,
        )


def _refuse_lost(before: Mapping[str, Processes], now: Mapping[str, Processes]) -> None:
    """Raise MeasurementFailed if a replica lost a process: what the others served then compares with nothing."""
    for replica, had in before.items():
        if lost := had - now.get(replica, frozenset()):
            pids = ", ".join(str(process.pid) for process in sorted(lost, key=lambda process: process.pid))
            raise MeasurementFailed(f"replica {replica} lost processes while the load was sent (pid {pids})")


def _completed(told: Told) -> float:
    return sum(values.get(_COMPLETED, 0.0) for values in told.values())
