"""Transfers of one direction take turns: none overlaps another, each takes its time, none overtakes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from experiments.model_free.worker_transfers import Direction, Transfer

ORDERS = st.lists(st.tuples(st.integers(1, 500), st.floats(0.0, 2.0)), max_size=40)  # blocks, seconds to the next


def given_to(direction: Direction, orders: list[tuple[int, float]]) -> tuple[list[Transfer], list[float]]:
    """The transfers, and when each was given."""
    now, found, times = 0.0, [], []
    for number, (blocks, pause) in enumerate(orders):
        found.append(direction.give(number, blocks, now))
        times.append(now)
        now += pause
    return found, times


@given(ORDERS, st.floats(1e-9, 0.1))
def test_each_begins_as_soon_as_it_can_and_takes_its_blocks_time(orders: list[tuple[int, float]], block_s: float):
    transfers, ready = given_to(Direction(block_s), orders)
    for transfer, (blocks, _) in zip(transfers, orders, strict=True):
        assert transfer.end_s == transfer.begin_s + blocks * block_s
    for (before, after), now in zip(pairwise(transfers), ready[1:], strict=False):
        assert after.begin_s == max(now, before.end_s)
    assert all(transfer.begin_s >= now for transfer, now in zip(transfers, ready, strict=True))


@given(ORDERS, st.floats(1e-9, 0.1), st.lists(st.floats(0.0, 100.0), max_size=10))
def test_each_is_reported_once_in_order_and_not_before_its_end(
    orders: list[tuple[int, float]], block_s: float, asked_at: list[float]
):
    direction = Direction(block_s)
    transfers, _ = given_to(direction, orders)
    reported: list[Transfer] = []
    for now in sorted(asked_at):
        finished = direction.take_finished(now)
        assert all(each.end_s <= now for each in finished)
        following = direction.next_end_s()
        assert following is None or following > now
        reported += finished
    reported += direction.take_finished(direction.end_s)
    assert reported == transfers
    assert direction.next_end_s() is None
