"""Whether everything in a routing run is accounted for, exactly: what was sent, what was served, what was counted.

No check has a tolerance. Where it cannot be known whether two numbers should be equal (a request that failed or was
cancelled on its way may or may not have been counted; a replica that was lost took its counters with it), the check
says so and is neither passed nor failed; what no such reason explains fails all the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.analyse.routing_counters import (
    GENERATION_TOKENS,
    HITS,
    PREFIX,
    PROMPT_TOKENS,
    QUERIES,
    SUCCESSES,
    counted,
)
from harness.analyse.routing_join import Joined, join
from harness.record.routing_facts import Phase
from harness.record.routing_run import CHECK, RoutingRun
from harness.record.routing_tables import CANCELLED, FAILED, OK

_SLACK_S = 1e-3  # clocks of three processes; a request whose parts exceed its TTFT by more is joined wrongly


@dataclass(frozen=True)
class Check:
    """One number, twice. ``ok`` None: it cannot be known, ``note`` says why. ``found`` None: nobody says it."""

    phase: str  # "all" for the run from its start
    name: str
    expected: float
    found: float | None
    ok: bool | None
    note: str = ""


def accounting(run: RoutingRun) -> list[Check]:
    """Every check of the run, phase by phase, then those of the run from its start."""
    joined = join(run)
    checks = []
    for phase in run.facts.phases:
        of_phase = [each for each in joined if each.client.phase == phase.name]
        checks += [*_requests(phase, of_phase), *_counters(run, phase, of_phase)]
    return [*checks, *_whole(run, joined)]


def accounting_document(checks: Sequence[Check]) -> dict[str, Any]:
    """As routing.json holds it: ``is_exact`` true, false, or null: nothing is wrong, but something cannot be known."""
    verdicts = {check.ok for check in checks}
    is_exact = False if False in verdicts else None if None in verdicts else True
    return {"is_exact": is_exact, "checks": [asdict(check) for check in checks]}


def _requests(phase: Phase, joined: Sequence[Joined]) -> Iterator[Check]:
    statuses = [each.client.status for each in joined]
    summary, name = phase.summary, phase.name
    for what, told, status in (
        ("completed", summary.completed, OK),
        ("failed", summary.failed, FAILED),
        ("cancelled", summary.cancelled, CANCELLED),
    ):
        yield _exact(name, f"{what} requests, by the client's lines", told, statuses.count(status))
    ended = summary.completed + summary.failed + summary.cancelled
    yield _exact(name, "completed + failed + cancelled = sent", summary.requests, ended)
    completed = [each for each in joined if each.is_ok]
    yield _exact(
        name, "completed requests served exactly once", len(completed), sum(e.times_served == 1 for e in completed)
    )
    again = sum(each.times_served > 1 for each in joined if not each.is_ok)
    yield _exact(name, "other requests served more than once", 0, again)
    routed = sum(each.placed is not None for each in completed)
    yield _exact(name, "completed requests that the router sent on", len(completed), routed)
    elsewhere = sum(
        each.placed is not None and each.served is not None and each.placed.routed.replica != each.served.replica
        for each in completed
    )
    yield _exact(name, "requests served elsewhere than they were routed", 0, elsewhere)
    too_long = sum(each.parts_s is not None and each.parts_s[-1] < -_SLACK_S for each in joined)
    yield _exact(name, "requests whose parts exceed their TTFT", 0, too_long)


def _counters(run: RoutingRun, phase: Phase, joined: Sequence[Joined]) -> Iterator[Check]:
    """The servers' counters against the client's completed requests and the engines' records of them."""
    told = counted(run.metrics[phase.name])
    completed = [each for each in joined if each.is_ok]
    prompts = [each.client.prompt_tokens for each in completed]
    served = [each.served for each in completed if each.served is not None]
    unknown = _unknown(joined)
    lost = "" if told.is_whole else f"replicas lost or replaced in this phase: {', '.join(told.lost) or 'others came'}"

    def against(what: str, name: str, expected: float, note: str = "") -> Check:
        return _judged(phase.name, what, expected, told.total(name), note or lost, unknown)

    silent = sum(prompt is None for prompt in prompts)
    no_usage = f"the answers to {silent} requests do not say how long their prompts were" if silent else ""
    unserved = len(completed) - len(served)
    no_record = f"the engines have no record of {unserved} completed requests" if unserved else ""
    yield against("completed requests = requests the servers finished", SUCCESSES, len(completed))
    sent = sum(prompt for prompt in prompts if prompt is not None)
    yield against("prompt tokens sent = prompt tokens of the servers", PROMPT_TOKENS, sent, no_usage)
    received = sum(each.client.output_tokens for each in completed)
    yield against("output tokens received = tokens the servers generated", GENERATION_TOKENS, received)
    if not told.total(QUERIES) and not lost:
        return  # prefix caching is off: nothing is looked up
    hits, queries = sum(each.cached_tokens for each in served), sum(each.prompt_tokens for each in served)
    yield against("tokens found cached, by request = prefix-cache hits", HITS, hits, no_record)
    yield against("found cached + computed, by request = prefix-cache queries", QUERIES, queries, no_record)


def _whole(run: RoutingRun, joined: Sequence[Joined]) -> Iterator[Check]:
    """From the replicas' start to the end of the last phase, the driver's own queries included."""
    known = {each.client.request_id for each in joined}
    checks = [record for record in run.served if record.request.startswith(CHECK)]
    strangers = sum(record.request not in known and not record.request.startswith(CHECK) for record in run.served)
    yield _exact("all", "requests served that nobody sent", 0, strangers)
    if not run.facts.phases:
        return
    last = run.metrics[run.facts.phases[-1].name]
    values = [told.get(PREFIX + PROMPT_TOKENS) for told in last.after.values()]
    found = sum(value for value in values if value is not None) if None not in values else None
    completed = [each for each in joined if each.is_ok]
    own = sum(record.prompt_tokens for record in checks)
    note = ""
    if any(not counted(told).is_whole for told in run.metrics.values()):
        note = "replicas were lost or replaced"
    elif any(each.client.prompt_tokens is None for each in completed):
        note = "not every answer says how long its prompt was"
    name = f"prompt tokens sent + {own} of {len(checks)} check queries = prompt tokens of the servers since their start"
    expected = own + sum(each.client.prompt_tokens or 0 for each in completed)
    yield _judged("all", name, expected, found, note, _unknown(joined))


def _judged(phase: str, name: str, expected: float, found: float | None, note: str, unknown: str) -> Check:
    """``note``: why nothing can be known; ``unknown``: why more may have been found than was expected."""
    if found is None:
        return Check(phase, name, expected, None, None if note else False, note or "not every replica says it")
    if note or (unknown and found > expected):
        return Check(phase, name, expected, found, None, note or unknown)
    return _exact(phase, name, expected, found)


def _unknown(joined: Sequence[Joined]) -> str:
    """Why the servers may have counted more than what was completed; empty if there is no reason."""
    reached = [each for each in joined if not each.is_ok and (each.placed is not None or each.served is not None)]
    if not reached:
        return ""
    return f"{len(reached)} failed or cancelled requests reached a replica, which may have counted them"


def _exact(phase: str, name: str, expected: float, found: float) -> Check:
    return Check(phase, name, expected, found, found == expected)
