"""``run_figure.sh routing``: set up → make loads → run what is missing → simulate → collect → plot."""

import json
import shutil
import time

from harness.commands.figure.studies import StudyCall
from harness.commands.figure.study_steps import draw_and_print, raise_failed, set_up_with_model
from harness.commands.routing.asked import Asked, asked_of
from harness.commands.routing.collect import collect, present_slot, routing_document
from harness.commands.routing.fit import check_fits
from harness.commands.routing.load import make_load
from harness.commands.routing.plan import print_routing_plan
from harness.commands.routing.runs import Deployed, FailedRun, make_missing, planned
from harness.commands.routing.twin import simulated_rows
from harness.door import json_errors
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.conditions import measuring
from harness.measure.deployment import Files, deployed, refuse_taken_port
from harness.progress import say
from harness.record.tables import Cell
from harness.state.limits import memory
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
        if call.serve_only:
            _refuse_impossible(asked)
        with measuring(workspace.root, f"figure {call.figure}"):
            on = _set_up(asked, workspace)
            if call.serve_only:
                _serve(on)
                return
            failed = _measure(on)
        draw_and_print(call, lambda: routing_document(on, workspace) | {"failed": failed}, workspace)
    raise_failed(failed)


def _set_up(asked: Asked, workspace: Workspace) -> Deployed:
    engine, model, node = set_up_with_model(asked.pin, asked.setting.model, asked.figure.figure, workspace)
    return Deployed(asked, engine, model, node, workspace)


def _measure(on: Deployed) -> list[str]:
    """Returns what failed, a line each."""
    asked, workspace = on.asked, on.workspace
    slot = workspace.figure(asked.figure.figure) / asked.figure.slots[0]
    present_slot(slot)  # what is in the way is said before anything is measured
    loads = {
        repeat: make_load(asked.setting.load.of_repeat(repeat), asked.data, on.model, on.engine, say, workspace)
        for repeat in range(1, asked.setting.repeats + 1)
    }
    check_fits(loads.values(), asked.setting.engine)
    facts = loads[1].facts
    each, tokens = facts["prompts_per_conversation"]["mean"], facts["prompt_tokens"]["mean"]
    what = f"{facts['prompts']} prompts of {facts['conversations']} conversations ({each:.1f} each)"
    say(f"each load: {what}, {tokens:.0f} tokens on average")
    runs = planned(on, loads)
    if runs.missing:
        _refuse_impossible(asked)
    problems = list(map(_told, make_missing(runs)))
    if not runs.has_any:
        raise MeasurementFailed(problems[0])  # the slot and its figure stay as they are
    rows: list[tuple[Cell, ...]] = []
    try:
        rows = simulated_rows(runs)
    except MeasurementFailed as error:  # what was measured is shown all the same
        problems.append(str(error))
    collect(slot, runs, rows)
    return problems


def _serve(on: Deployed) -> None:
    """Deploy the only strategy that was asked for, and wait for Ctrl-C."""
    (case,), limits = on.asked.cases, on.asked.figure.timeout_s
    logs = on.workspace.caches / "routing-serve-only"  # of the last such call
    shutil.rmtree(logs, ignore_errors=True)
    files = Files(logs / "raw", logs / f"{case.strategy}_stdout.log", logs / f"{case.strategy}_stderr.log")
    say(f"deploying {on.asked.setting.replicas} replicas of {on.model.name} behind {case.strategy} …")
    with deployed(on.wanted(case), on.engine, files, limits.ready, _FOREVER_S, say) as deployment:
        body = json.dumps({"model": on.model.name, "prompt": "Hello", "max_tokens": 8})
        say(f"curl {deployment.url}/v1/completions -H 'content-type: application/json' -d '{body}'")
        say(f"logs: {logs}; Ctrl-C ends it")
        while deployment.tree.running:
            time.sleep(0.2)
    raise MeasurementFailed(f"the deployment's driver ended by itself; logs: {logs}")


def _refuse_impossible(asked: Asked) -> None:
    """Raise HarnessError if nothing can be deployed now: before much is done for it, and only where something is."""
    refuse_taken_port(asked.port, asked.address)
    _check_memory(asked)


def _check_memory(asked: Asked) -> None:
    """Raise HarnessError if the replicas cannot fit into this machine's memory."""
    needed = _RAY_BYTES + asked.setting.replicas * _REPLICA_BYTES
    free = memory().available_bytes
    if free is not None and free < needed:
        what = f"{asked.setting.replicas} replicas and Ray need about {needed / 1e9:.1f} GB of memory"
        raise HarnessError(f"{what}, {free / 1e9:.1f} GB are free; give fewer --replicas, or end what else runs")


def _told(failed: FailedRun) -> str:
    return f"{failed.case.strategy} failed in {failed.failed_in}: {failed.reason}; logs: {failed.folder / 'logs'}"
