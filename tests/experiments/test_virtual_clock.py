"""An event loop on a virtual clock: sleepers wake in order, at their times, and nobody waits in reality."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from experiments.prefix_routing.worker_virtual_clock import VirtualClock


def run(clock: VirtualClock, what: Coroutine[Any, Any, None]) -> None:
    """To its end."""
    try:
        clock.run_until_complete(what)
    finally:
        clock.close()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
def test_sleepers_wake_in_order_at_exactly_their_times(times: list[float]):
    clock, woken = VirtualClock(lambda until: until), []

    async def sleeper(when: float) -> None:
        await clock.sleep_until(when)
        woken.append((when, clock.time()))

    async def everybody() -> None:
        await asyncio.gather(*map(sleeper, times))

    run(clock, everybody())
    assert sorted(when for when, _ in woken) == sorted(times)
    assert all(now <= when <= now + 1e-8 or now == when for when, now in woken)
    assert [now for _, now in woken] == sorted(now for _, now in woken)


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=10), st.floats(1, 100))
def test_the_world_may_stop_time_before_a_timer(events: list[float], until: float):
    happening, seen = sorted(events), []

    def world(limit: float) -> float:
        if happening and happening[0] <= limit:
            seen.append(now := happening.pop(0))
            return now
        return limit

    clock = VirtualClock(world)
    run(clock, clock.sleep_until(until))
    assert seen == sorted(seen)
    assert all(each in seen for each in events if each < until - 1e-8)
    assert clock.time() <= until <= clock.time() + 1e-8


def test_settling_lets_everybody_else_go_first_and_no_time_pass():
    clock, order = VirtualClock(lambda until: until), []

    async def steps(name: str) -> None:
        for number in range(5):
            order.append(f"{name}{number}")
            await asyncio.sleep(0)

    async def main() -> None:
        tasks = [asyncio.create_task(steps(name)) for name in "ab"]
        await clock.settle()
        order.append("settled")
        await asyncio.sleep(1.5)
        await asyncio.gather(*tasks)

    run(clock, main())
    assert order[-1] == "settled"
    assert clock.time() == 1.5
