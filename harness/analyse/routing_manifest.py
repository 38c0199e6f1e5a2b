"""What a routing slot's manifest says of its runs. A case may stand under several labels; a run says under which.

models  name → twin (its weights are random), files_sha256
labels  label → parameters (the sweep's, as far as all its runs share them) and routers: strategy → class, parameters
cases   case, strategy, parameters (all that its runs share)
runs    case, label, strategy, repeat, status, started_at; of an ok one: client_cpu_share and send_error_p99_s (the
        larger of its phases), accounting (is_exact, and the checks that did not hold), and phases: name, requests,
        failed, cancelled, held_back, client_cpu_share, send_error_s
"""

from collections.abc import Sequence
from typing import Any

from harness.analyse.routing_accounting import accounting, accounting_document
from harness.analyse.routing_sweep import flat_parameters, sweep_parameters
from harness.record.routing_facts import Phase
from harness.record.routing_run import RoutingRun
from harness.record.routing_tables import OK

# Of the sweep's parameters, those that say which run it is, not how the label's runs were made.
_OF_A_RUN = ("benchmark_label", "scheduler_strategy", "router_parameters")


def manifest_of_runs(runs: Sequence[RoutingRun]) -> dict[str, Any]:
    """The manifest's parts that come from the runs, in their order."""
    models: dict[str, Any] = {}
    labels: dict[str, dict[str, Any]] = {}
    cases: dict[str, dict[str, Any]] = {}
    for facts in (run.facts for run in runs):
        model = dict(facts.model)
        models[str(model.pop("name", None))] = model
        own = {name: value for name, value in sweep_parameters(facts).items() if name not in _OF_A_RUN}
        label = labels.setdefault(facts.label, {"parameters": own, "routers": {}})
        label["parameters"] = _shared(label["parameters"], own)
        label["routers"][facts.strategy] = facts.router
        own = flat_parameters(facts.parameters)
        case = cases.setdefault(facts.case, {"case": facts.case, "strategy": facts.strategy, "parameters": own})
        case["parameters"] = _shared(case["parameters"], own)
    return {"models": models, "labels": labels, "cases": list(cases.values()), "runs": [_run(run) for run in runs]}


def _shared(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name in other and other[name] == value}


def _run(run: RoutingRun) -> dict[str, Any]:
    facts = run.facts
    found: dict[str, Any] = {
        "case": facts.case,
        "label": facts.label,
        "strategy": facts.strategy,
        "repeat": facts.run,
        "status": facts.status,
        "started_at": facts.started_at,
    }
    if facts.status != OK:
        return found
    found["client_cpu_share"] = max(phase.summary.cpu_share for phase in facts.phases)
    errors = [phase.summary.send_error_s for phase in facts.phases]
    if known := [error["p99"] for error in errors if error is not None]:
        found["send_error_p99_s"] = max(known)
    account = accounting_document(accounting(run))
    found["accounting"] = {
        "is_exact": account["is_exact"],
        "not_held": [check for check in account["checks"] if check["ok"] is not True],
    }
    return found | {"phases": [_phase(phase) for phase in facts.phases]}


def _phase(phase: Phase) -> dict[str, Any]:
    summary = phase.summary
    return {
        "name": phase.name,
        "requests": summary.requests,
        "failed": summary.failed,
        "cancelled": summary.cancelled,
        "held_back": summary.held_back,
        "client_cpu_share": summary.cpu_share,
        "send_error_s": summary.send_error_s,
    }
