"""What the twin follows of a real run: where each cold request went, or nothing if one went nowhere."""

from harness.commands.routing.twin import followed_decisions
from harness.record.routing_records import Routed
from tests.routing_runs import REACHED, UNREACHED, Wanted, make_run


def test_every_request_of_the_cold_phase_is_followed_to_its_replica():
    run = make_run(Wanted(requests=12, replicas=3, phases=("cold", "warm"), failed={4: REACHED}))
    routed = {event.request: event.replica for event in run.decisions if isinstance(event, Routed)}
    assert followed_decisions(run) == {number: int(routed[f"cold-{number}"][-2:]) for number in range(12)}


def test_a_run_with_a_request_that_reached_no_replica_cannot_be_followed():
    assert followed_decisions(make_run(Wanted(failed={2: UNREACHED}))) is None
    assert followed_decisions(make_run(Wanted(cancelled={0: UNREACHED}))) is None
