"""The memory view of an event log, against the toy's own account of its blocks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.headroom_memory import MemoryView, memory_view
from tests.headroom_slot import made_toy
from tests.replay_toy import Toy


def viewed(toy: Toy, bins: int, first: int = 1000) -> MemoryView:
    return memory_view(enumerate(toy.events, start=1), bins, first)


TOYS = [made_toy(), made_toy(5), made_toy(count=1)]


@given(st.sampled_from(TOYS), st.integers(1, 40))
def test_bins_cover_the_log_and_lose_no_block(toy: Toy, bins: int):
    found = viewed(toy, bins).bins
    assert len(found) == bins
    assert (found[0].begin_s, found[-1].end_s) == (0.0, pytest.approx(toy.now))
    for name, kind in (("allocated", "alloc"), ("freed", "free"), ("hit", "hit"), ("evicted", "evict")):
        counted = sum(len(event["blocks"]) for event in toy.events if event["event"] == kind)
        assert sum(each.moved[name] for each in found) == counted
    assert sum(each.preempted for each in found) == toy.counted["preemptions"]


@given(st.sampled_from(TOYS), st.integers(1, 40))
def test_the_mean_of_blocks_in_use_is_the_toys(toy: Toy, bins: int):
    found = viewed(toy, bins).bins
    area = sum(each.mean_blocks_in_use * (each.end_s - each.begin_s) for each in found)
    times = [*(time for time, _, _ in toy.states), toy.now]
    expected = sum(blocks * (times[at + 1] - times[at]) for at, (_, blocks, _) in enumerate(toy.states))
    assert area == pytest.approx(expected)
    lasted = [blocks for at, (_, blocks, _) in enumerate(toy.states) if times[at + 1] > times[at]]
    assert max(each.max_blocks_in_use for each in found) == max(lasted)
    assert all(each.mean_blocks_in_use <= each.max_blocks_in_use + 1e-9 for each in found)


def test_every_lane_begins_with_an_admission_and_ends_with_a_finish():
    toy = TOYS[0]
    lanes: dict[int, list[str]] = {}
    for lane in viewed(toy, 10).lanes:
        lanes.setdefault(lane.request, []).append(lane.event)
    assert len(lanes) == len(toy.requests)
    for events in lanes.values():
        again = events[1:-1]
        assert (events[0], events[-1]) == ("admit", "finish")
        assert again == ["preempt", "resume"] * (len(again) // 2)
    assert sum(events.count("preempt") for events in lanes.values()) == toy.counted["preemptions"] > 0


def test_only_the_first_requests_have_lanes_and_what_is_lost_is_what_was_held():
    lanes = viewed(TOYS[0], 10, first=5).lanes
    assert {lane.request for lane in lanes} == set(range(5))
    held = {lane.request: lane.blocks for lane in lanes if lane.event in ("admit", "finish")}
    assert all(blocks > 0 for blocks in held.values())


def test_kinds_that_move_no_block_of_the_gpu_are_passed_over():
    toy = TOYS[0]
    more = [event for each in toy.events for event in (each, {"t": each["t"], "event": "swapped_in", "request": "x"})]
    assert memory_view(enumerate(more), 20) == viewed(toy, 20, first=150)


def test_a_block_is_in_use_until_its_copy_to_the_host_is_over():
    events: list[dict[str, Any]] = [
        {"t": 0.0, "event": "arrive", "request": "a"},
        {"t": 0.0, "event": "alloc", "request": "a", "blocks": [1, 2]},
        {"t": 0.0, "event": "admit", "request": "a", "resumed": False},
        {"t": 1.0, "event": "swap_out", "request": "a", "transfer": 0, "blocks": [1]},
        {"t": 2.0, "event": "finish", "request": "a"},
        {"t": 2.0, "event": "free", "request": "a", "blocks": [2], "released": [2, 1]},
        {"t": 3.0, "event": "swapped_out", "transfer": 0, "blocks": [1], "released": [1]},
        {"t": 4.0, "event": "end", "steps": 4},
    ]
    bins = memory_view(enumerate(events), 4).bins
    assert [each.mean_blocks_in_use for each in bins] == [2, 2, 1, 0]
    assert [each.moved["freed"] for each in bins] == [0, 0, 1, 1]


def test_a_log_without_time_has_no_bins():
    assert memory_view([(1, {"t": 0.0, "event": "end", "steps": 0})]).bins == []
