"""Client, router and engines, joined: no request is lost, and each is told where it went and by which choice."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.routing_join import join, placements, replica_numbers
from harness.record.routing_records import Choose, Decision, Died, Done, Routed
from tests.routing_runs import COUNTED, REACHED, UNREACHED, Wanted, make_run

STATUSES = st.dictionaries(st.integers(0, 11), st.sampled_from((UNREACHED, REACHED, COUNTED)), max_size=4)


@given(STATUSES, STATUSES, st.booleans(), st.integers(1, 5), st.integers(1, 4), st.randoms(use_true_random=False))
def test_every_request_survives_with_what_is_known_whatever_the_order_of_the_records(
    failed: dict[int, str],
    cancelled: dict[int, str],
    swaps: bool,
    repeat: int,
    replicas: int,
    chance: random.Random,
) -> None:
    wanted = Wanted(requests=12, repeat=repeat, replicas=replicas, swaps=swaps, phases=("cold", "warm"))
    run = make_run(replace(wanted, failed=failed, cancelled=cancelled))
    shuffled = replace(
        run,
        decisions=chance.sample(list(run.decisions), len(run.decisions)),
        served=chance.sample(list(run.served), len(run.served)),
    )
    joined = join(shuffled)
    assert joined == join(run)
    assert [each.client for each in joined] == list(run.client)
    routed = {event.request: event.replica for event in run.decisions if isinstance(event, Routed)}
    for each in joined:
        far = {**failed, **cancelled}.get(each.client.request, COUNTED)
        assert each.replica == routed.get(each.client.request_id)
        assert (each.placed is None) == (far == UNREACHED)
        assert each.times_served == int(each.is_ok)
        assert (each.parts_s is not None) == each.is_ok
        if each.parts_s is not None:
            assert sum(each.parts_s) == each.client.ttft_s  # all of them are whole 1024ths
        if each.placed is not None and each.placed.chosen is not None:
            assert any(each.replica in rank for rank in each.placed.chosen.ranks)
            assert each.placed.chosen.t <= each.placed.routed.t


def choose(t: float, request: str, *ranks: list[str], queues: dict[str, int | None] | None = None) -> Choose:
    return Choose(t, request, f"i-{request}", list(ranks), f"of {request}", queues or {}, None, None, None, 0.001)


def routed(t: float, request: str, replica: str, queues: dict[str, int | None] | None = None) -> Routed:
    return Routed(t, request, f"i-{request}", replica, 0.5, queues or {})


def test_its_own_choice_decides_even_if_another_request_chose_the_same_replica_since() -> None:
    found = placements([choose(1, "r", ["a"]), choose(2, "s", ["a"]), routed(3, "r", "a"), routed(4, "s", "a")])
    assert {name: placed.chosen and placed.chosen.reason for name, placed in found.items()} == {
        "r": "of r",
        "s": "of s",
    }


def test_of_several_choices_the_last_before_it_was_routed_decides() -> None:
    first, last, late = choose(1, "r", ["a"]), choose(2, "r", ["b"], ["a"]), choose(9, "r", ["a"])
    placed = placements([first, last, routed(3, "r", "a"), late])["r"]
    assert placed.chosen == last
    assert not placed.is_first_choice


def test_a_router_that_keeps_the_order_of_arrival_sends_one_request_by_the_choice_of_another() -> None:
    events: list[Decision] = [choose(1, "r", ["a"]), choose(2, "s", ["b"]), routed(3, "r", "b"), routed(4, "s", "a")]
    found = placements(events)
    assert found["r"].chosen == events[1]
    assert found["s"].chosen == events[0]


def test_a_request_routed_without_any_choice_keeps_its_replica() -> None:
    placed = placements([routed(3, "r", "a")])["r"]
    assert placed.chosen is None
    assert placed.routed.replica == "a"


def test_a_queue_that_the_router_did_not_know_is_what_it_had_sent_there_itself() -> None:
    events: list[Decision] = [
        routed(1, "p", "a"),
        routed(2, "q", "a"),
        Done(3, "i-p", "a"),
        Done(3, "i-rejected", "a"),
        routed(4, "o", "b"),
        Died(5, "c"),
        choose(6, "r", ["a", "b"], queues={"a": None, "b": 7, "c": None}),
        routed(7, "r", "a", {"c": 4, "b": 2}),
    ]
    assert placements(events)["r"].queues == {"a": 1, "b": 7, "c": 4}


def test_a_request_that_was_sent_on_twice_is_where_it_went_last() -> None:
    found = placements([choose(1, "r", ["a"]), routed(2, "r", "a"), choose(3, "r", ["b"]), routed(4, "r", "b")])
    assert found["r"].routed.replica == "b"
    assert found["r"].chosen
    assert found["r"].chosen.t == 3


def test_where_the_engine_says_it_served_it_is_where_it_went() -> None:
    run = make_run(Wanted(requests=1))
    moved = replace(run, served=[replace(record, replica="elsewhere") for record in run.served])
    assert join(moved)[0].replica == "elsewhere"


def test_a_replica_that_came_later_has_the_next_number() -> None:
    run = make_run(Wanted(requests=2))
    late = replace(run.served[-1], replica="a-new-one", request="cold-99")
    numbers = replica_numbers(replace(run, served=[*run.served, late]))
    assert numbers == {"replica-00": 0, "replica-01": 1, "a-new-one": 2}
