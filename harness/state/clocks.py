"""A wall clock that was set, or a machine that slept, during a run.

Times taken from an engine's log are wall-clock times; everything else is on CLOCK_MONOTONIC. Setting the clock moves
the first and not the second. Adjusting it, as NTP does by up to 0.5 ms/s, makes both faster or slower alike: over a
start of any length they differ by steps only. In a suspend CLOCK_MONOTONIC alone stands still, so CLOCK_BOOTTIME tells
that from a set clock.
"""

import time
from collections.abc import Callable
from typing import Any

# Two clocks cannot be read at once, but to some microseconds; log lines have whole milliseconds.
JUMP_S = 0.01


class ClockWatch:
    """Watches from its making on. ``read``: a clock's id → seconds."""

    def __init__(self, read: Callable[[int], float] = time.clock_gettime) -> None:
        self._read = read
        self._wall_began, self._slept_began = self._wall(), self._slept()

    def jump_s(self) -> float:
        """By how much the wall clock was set meanwhile; 0 for one that only ran on through a suspend."""
        return self._wall() - self._wall_began

    def slept_s(self) -> float:
        """For how long the machine was suspended meanwhile."""
        return self._slept() - self._slept_began

    def _wall(self) -> float:
        return self._apart(time.CLOCK_REALTIME, time.CLOCK_BOOTTIME)

    def _slept(self) -> float:
        return self._apart(time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC)

    def _apart(self, one: int, other: int) -> float:
        """How far two clocks are apart at one moment: of three readings the one that was interrupted least."""
        readings = []
        for _ in range(3):
            before, there, after = self._read(other), self._read(one), self._read(other)
            readings.append((after - before, there - (before + after) / 2))
        return min(readings)[1]


def clock_certificate(jump_s: float, slept_s: float) -> dict[str, Any]:
    """What is proved about the clocks of one run: nobody set the wall clock, and the machine did not sleep."""
    reason = None
    if slept_s > JUMP_S:
        reason = f"the machine slept for {slept_s:.1f} s during the run"
    elif abs(jump_s) > JUMP_S:
        reason = f"the wall clock was set by {jump_s:+.2f} s during the run: times taken from its log are wrong"
    return {
        "clock": {
            "declared": "steady",
            "jump_s": round(jump_s, 6),
            "slept_s": round(slept_s, 6),
            "holds": reason is None,
            "reason": reason,
        }
    }
