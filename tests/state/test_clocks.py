"""A wall clock that is set, and a machine that sleeps, fail the run's certificate; a steady clock passes."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.state.clocks import JUMP_S, ClockWatch, clock_certificate

WALL, AWAKE, BOOT = time.CLOCK_REALTIME, time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME


class Clocks:
    """Clocks of a machine."""

    def __init__(self) -> None:
        self.seconds = {WALL: 1.8e9, AWAKE: 1000.0, BOOT: 1000.0}

    def pass_time(self, seconds: float, *which: int) -> None:
        for clock in which or tuple(self.seconds):
            self.seconds[clock] += seconds

    def read(self, clock: int) -> float:
        return self.seconds[clock]


def certificate(watch: ClockWatch) -> dict[str, object]:
    part: dict[str, object] = clock_certificate(watch.jump_s(), watch.slept_s())["clock"]
    return part


@given(began_s=st.floats(0, 1e7), took_s=st.floats(0, 1e5), set_s=st.floats(-1e6, 1e6), slept_s=st.floats(0, 1e5))
def test_a_set_clock_and_a_sleep_are_told_apart_and_each_fails_the_proof(
    began_s: float, took_s: float, set_s: float, slept_s: float
) -> None:
    clocks = Clocks()
    clocks.pass_time(began_s)
    watch = ClockWatch(clocks.read)
    clocks.pass_time(took_s)
    clocks.pass_time(slept_s, WALL, BOOT)
    clocks.pass_time(set_s, WALL)
    assert (watch.jump_s(), watch.slept_s()) == (pytest.approx(set_s, abs=1e-5), pytest.approx(slept_s, abs=1e-5))
    part = certificate(watch)
    if max(abs(set_s), slept_s) < 0.9 * JUMP_S:
        assert part["holds"]
    elif max(abs(set_s), slept_s) > 1.1 * JUMP_S:
        assert not part["holds"]
    assert (part["reason"] is None) == part["holds"]
    assert part["declared"] == "steady"


@pytest.mark.parametrize(
    ("accident", "reason"),
    [
        (lambda _: None, None),
        (
            lambda c: c.pass_time(3600, WALL),
            "the wall clock was set by +3600.00 s during the run: times taken from its log",
        ),
        (
            lambda c: c.pass_time(-0.5, WALL),
            "the wall clock was set by -0.50 s during the run: times taken from its log",
        ),
        (lambda c: c.pass_time(60, WALL, BOOT), "the machine slept for 60.0 s during the run"),
    ],
)
def test_the_reason_is_one_line_that_says_what_happened(accident: Callable[[Clocks], None], reason: str | None) -> None:
    clocks = Clocks()
    watch = ClockWatch(clocks.read)
    clocks.pass_time(30)
    accident(clocks)
    told = certificate(watch)["reason"]
    assert told == reason if reason is None else str(told).startswith(reason)


def test_losing_the_core_between_two_clocks_is_no_jump() -> None:
    clocks, reads = Clocks(), iter(range(10**6))

    def interrupted(clock: int) -> float:
        if next(reads) % 8 == 1:  # in one of three readings
            clocks.pass_time(5)
        return clocks.read(clock)

    watch = ClockWatch(interrupted)
    assert certificate(watch)["holds"]


def test_this_machines_clocks_are_steady() -> None:
    watch = ClockWatch()
    assert certificate(watch) == {
        "declared": "steady",
        "jump_s": pytest.approx(0, abs=JUMP_S),
        "slept_s": pytest.approx(0, abs=JUMP_S),
        "holds": True,
        "reason": None,
    }
