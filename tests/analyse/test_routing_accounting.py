"""The accounting is exact: what agrees passes, any one number that does not fails, what cannot be known says so."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.routing_accounting import accounting, accounting_document
from harness.record.routing_records import Routed
from harness.record.routing_run import PhaseMetrics, RoutingRun
from tests.routing_runs import COUNTED, REACHED, UNREACHED, Wanted, make_run

FAR = st.dictionaries(st.integers(0, 9), st.sampled_from((UNREACHED, REACHED, COUNTED)), max_size=3)
COUNTERS = ("prompt_tokens", "generation_tokens", "request_success", "prefix_cache_queries", "prefix_cache_hits")


def verdicts(run: RoutingRun) -> dict[tuple[str, str], bool | None]:
    return {(check.phase, check.name): check.ok for check in accounting(run)}


def changed(run: RoutingRun, phase: str, change: Callable[[dict[str, dict[str, float]]], object]) -> RoutingRun:
    """The run with other counters at the end of a phase."""
    told = run.metrics[phase]
    after = {replica: dict(counters) for replica, counters in told.after.items()}
    change(after)
    return replace(run, metrics={**run.metrics, phase: PhaseMetrics(told.before, after)})


@given(st.integers(0, 12), st.integers(1, 4), st.booleans(), st.booleans(), st.integers(1, 3))
def test_a_run_without_errors_is_accounted_for_exactly(
    requests: int, replicas: int, swaps: bool, twice: bool, repeat: int
) -> None:
    phases = ("cold", "warm") if twice else ("cold",)
    run = make_run(Wanted(requests=requests, replicas=replicas, swaps=swaps, phases=phases, repeat=repeat))
    found = verdicts(run)
    assert set(found.values()) == {True}
    assert accounting_document(accounting(run))["is_exact"] is True
    own = f"prompt tokens sent + {20 * replicas} of {replicas} check queries"
    assert any(phase == "all" and name.startswith(own) for phase, name in found)


@given(FAR, FAR)
def test_what_failed_or_was_cancelled_makes_nothing_wrong_but_may_make_it_unknown(
    failed: dict[int, str], cancelled: dict[int, str]
) -> None:
    run = make_run(Wanted(requests=10, failed=failed, cancelled=cancelled))
    far = {**failed, **cancelled}
    found = verdicts(run)
    assert False not in found.values()
    is_exact = accounting_document(accounting(run))["is_exact"]
    assert is_exact is (None if COUNTED in far.values() else True)
    assert all(check.note for check in accounting(run) if check.ok is None)


@given(st.sampled_from(COUNTERS), st.sampled_from((-1, 1)), st.sets(st.integers(0, 8), max_size=3))
def test_one_counter_off_by_one_is_found(counter: str, by: int, unreached: set[int]) -> None:
    run = make_run(Wanted(requests=10, failed=dict.fromkeys(unreached, UNREACHED)))
    name, replica = f"vllm:{counter}_total", run.served[-1].replica

    def change(after: dict[str, dict[str, float]]) -> None:
        after[replica][name] += by

    found = verdicts(changed(run, "cold", change))
    assert None not in found.values()
    assert False in found.values()


def test_less_than_was_received_is_wrong_even_if_some_requests_were_cancelled() -> None:
    run = make_run(Wanted(cancelled={2: REACHED}))

    def change(after: dict[str, dict[str, float]]) -> None:
        after["replica-00"]["vllm:generation_tokens_total"] -= 1

    name = "output tokens received = tokens the servers generated"
    assert verdicts(run)["cold", name] is True
    assert verdicts(changed(run, "cold", change))["cold", name] is False


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (lambda run: {"served": run.served[:-1]}, "completed requests served exactly once"),
        (lambda run: {"served": [*run.served, run.served[-1]]}, "completed requests served exactly once"),
        (
            lambda run: {"served": [*run.served, replace(run.served[-1], request="x")]},
            "requests served that nobody sent",
        ),
        (lambda run: {"client": run.client[:-1]}, "completed requests, by the client's lines"),
        (
            lambda run: {"decisions": [event for event in run.decisions if not isinstance(event, Routed)]},
            "completed requests that the router sent on",
        ),
        (
            lambda run: {"served": [replace(record, replica="replica-99") for record in run.served]},
            "requests served elsewhere than they were routed",
        ),
        (
            lambda run: {"served": [replace(record, queued_s=99.0) for record in run.served]},
            "requests whose parts exceed their TTFT",
        ),
        (
            lambda run: {"served": [replace(record, cached_tokens=record.cached_tokens + 1) for record in run.served]},
            "tokens found cached, by request = prefix-cache hits",
        ),
        (
            lambda run: {"client": [replace(record, output_tokens=record.output_tokens + 1) for record in run.client]},
            "output tokens received = tokens the servers generated",
        ),
    ],
)
def test_each_check_is_failed_by_what_it_is_for(change: Callable[[RoutingRun], dict[str, Any]], broken: str) -> None:
    run = make_run()
    failed = {name for (_, name), ok in verdicts(replace(run, **change(run))).items() if ok is False}
    assert broken in failed


def test_a_lost_replica_took_its_counters_with_it() -> None:
    run = changed(make_run(Wanted(phases=("cold", "warm"))), "warm", lambda after: after.pop("replica-01"))
    found = verdicts(run)
    unknown = {(phase, name.partition(" = ")[0]) for (phase, name), ok in found.items() if ok is None}
    assert ("warm", "prompt tokens sent") in unknown
    assert {phase for phase, _ in unknown} == {"warm", "all"}
    notes = {check.note for check in accounting(run) if check.ok is None}
    assert notes == {"replicas lost or replaced in this phase: replica-01", "replicas were lost or replaced"}


def test_a_replica_that_started_again_under_its_name_is_lost_too() -> None:
    run = changed(
        make_run(Wanted(phases=("cold", "warm"))),
        "warm",
        lambda after: after["replica-00"].update({"vllm:prompt_tokens_total": 1}),
    )
    assert verdicts(run)["warm", "prompt tokens sent = prompt tokens of the servers"] is None


def test_answers_that_do_not_say_how_long_their_prompts_were_leave_that_unknown() -> None:
    run = make_run()
    silent = replace(run, client=[replace(record, prompt_tokens=None) for record in run.client])
    found = verdicts(silent)
    assert found["cold", "prompt tokens sent = prompt tokens of the servers"] is None
    assert found["cold", "found cached + computed, by request = prefix-cache queries"] is True


def test_a_counter_that_no_replica_has_is_missing_not_zero() -> None:
    def change(after: dict[str, dict[str, float]]) -> None:
        for counters in after.values():
            del counters["vllm:prompt_tokens_total"]

    found = [check for check in accounting(changed(make_run(), "cold", change)) if check.ok is False]
    assert {(check.found, check.note) for check in found} == {(None, "not every replica says it")}


def test_without_prefix_caching_nothing_is_said_of_it() -> None:
    run = make_run(Wanted(reuse=0.0))
    told = run.metrics["cold"]

    def without(side: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
        named = {replica: counters.items() for replica, counters in side.items()}
        return {replica: {n: v for n, v in of if "prefix_cache" not in n} for replica, of in named.items()}

    found = verdicts(replace(run, metrics={"cold": PhaseMetrics(without(told.before), without(told.after))}))
    assert set(found.values()) == {True}
    assert not any("prefix-cache" in name for _, name in found)
