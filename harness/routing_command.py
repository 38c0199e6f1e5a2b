"""``run_figure.sh routing``: set up → make loads → run what is missing → simulate → collect → plot."""

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

from harness.door import json_errors
from harness.engine.model_store import ensure_model
from harness.errors import HarnessError, MeasurementFailed
from harness.figure_command import plot, set_up
from harness.measure.conditions import check_writable, measuring
from harness.measure.deployment import Files, deployed, refuse_taken_port
from harness.progress import say
from harness.routing_asked import Asked, asked_of
from harness.routing_collect import collect, routing_document
from harness.routing_load import make_load
from harness.routing_plan import print_routing_plan
from harness.routing_runs import Deployed, FailedRun, make_missing
from harness.routing_twin import simulated_rows
from harness.state.limits import memory
from harness.state.machine import this_node
from harness.study_figures import StudyCall
from harness.workspace import Workspace

# Measured with two replicas of the default twin: the proportional set sizes of Ray's own processes, and of a replica's.
_RAY_BYTES, _REPLICA_BYTES = int(2.9e9), int(1.9e9)
_FOREVER_S = 1e9


def run_routing(call: StudyCall, workspace: Workspace) -> None:
    """Do everything for the figure, or say what would be done, or only deploy.

    Raises:
        HarnessError: wrong use or impossible here; MeasurementFailed: a run failed (the others are drawn first).
    """
    with json_errors(call.as_json):
        asked = asked_of(call, workspace)
        if call.dry_run:
            print_routing_plan(asked, call.as_json)
            return
        refuse_taken_port(asked.port)
        _check_memory(asked)
        with measuring(workspace.root, f"figure {call.figure}"):
            on = _set_up(asked, workspace)
            if call.serve_only:
                _serve(on)
                return
            failed = _measure(on)
        with contextlib.redirect_stdout(sys.stderr if call.as_json else sys.stdout):
            plot(workspace.figure(call.figure), [])
        if call.as_json:
            print(json.dumps(routing_document(on, workspace)))
        if failed:
            raise MeasurementFailed(_told(failed))


def _set_up(asked: Asked, workspace: Workspace) -> Deployed:
    check_writable([workspace.runs, workspace.caches, workspace.figure(asked.figure.figure)])
    node = this_node(workspace.runs)
    engine = set_up(asked.pin, workspace)
    model = ensure_model(asked.setting.model, lambda: engine.python, workspace.models, announce=say)
    return Deployed(asked, engine, model, node, workspace)


def _measure(on: Deployed) -> list[FailedRun]:
    asked, workspace = on.asked, on.workspace
    loads = {
        repeat: make_load(asked.setting.load.of_repeat(repeat), asked.data, on.model, on.engine, say, workspace)
        for repeat in range(1, asked.setting.repeats + 1)
    }
    facts = loads[1].facts
    each, tokens = facts["prompts_per_conversation"]["mean"], facts["prompt_tokens"]["mean"]
    what = f"{facts['prompts']} prompts of {facts['conversations']} conversations ({each:.1f} each)"
    say(f"each load: {what}, {tokens:.0f} tokens on average")
    failed = make_missing(on, loads)
    if not any(on.stored(case).run(repeat).is_dir() for case in asked.cases for repeat in loads):
        raise MeasurementFailed(_told(failed))  # the slot and its figure stay as they are
    collect(workspace.figure(asked.figure.figure) / asked.figure.slots[0], on, simulated_rows(on, loads))
    return failed


def _serve(on: Deployed) -> None:
    """Deploy the first strategy that was asked for, and wait for Ctrl-C."""
    case, limits = on.asked.cases[0], on.asked.figure.timeout_s
    with tempfile.TemporaryDirectory(prefix="route-logs-") as folder:
        logs = Path(folder)
        files = Files(logs / "raw", logs / f"{case.strategy}_stdout.log", logs / f"{case.strategy}_stderr.log")
        say(f"deploying {on.asked.setting.replicas} replicas of {on.model.name} behind {case.strategy} …")
        with deployed(on.wanted(case), on.engine, files, limits.ready, _FOREVER_S) as deployment:
            body = json.dumps({"model": on.model.name, "prompt": "Hello", "max_tokens": 8})
            say(f"curl {deployment.url}/v1/completions -H 'content-type: application/json' -d '{body}'")
            say(f"logs: {logs}; Ctrl-C ends it")
            while deployment.tree.running:
                time.sleep(0.2)
        raise MeasurementFailed("the deployment's driver ended by itself")


def _check_memory(asked: Asked) -> None:
    """Raise HarnessError if the replicas cannot fit into this machine's memory."""
    needed = _RAY_BYTES + asked.setting.replicas * _REPLICA_BYTES
    free = memory().available_bytes
    if free is not None and free < needed:
        what = f"{asked.setting.replicas} replicas and Ray need about {needed / 1e9:.1f} GB of memory"
        raise HarnessError(f"{what}, {free / 1e9:.1f} GB are free; give fewer --replicas, or end what else runs")


def _told(failed: list[FailedRun]) -> str:
    first = failed[0]
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{first.case.strategy} failed in {first.failed_in}: {first.reason}{more}; logs: {first.folder / 'logs'}"
