"""Transfers between GPU and host memory on a virtual clock: in each direction one at a time, in the order given."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer. ``number``: as vLLM's connector counts those of its direction. Times in virtual seconds."""

    number: int
    blocks: int
    begin_s: float
    end_s: float


class Direction:
    """One direction of the link. A block takes ``block_s`` seconds, k blocks k times as long."""

    def __init__(self, block_s: float) -> None:
        self.end_s = 0.0  # of the last transfer that was given
        self._block_s = block_s
        self._under_way: deque[Transfer] = deque()

    def give(self, number: int, blocks: int, ready_s: float) -> Transfer:
        """A transfer that can begin at ``ready_s``, and does when those before it are over."""
        begin = max(ready_s, self.end_s)
        self.end_s = begin + blocks * self._block_s
        self._under_way.append(transfer := Transfer(number, blocks, begin, self.end_s))
        return transfer

    def next_end_s(self) -> float | None:
        """When the first one of those under way or waiting ends; None: there is none."""
        return self._under_way[0].end_s if self._under_way else None

    def take_finished(self, now: float) -> list[Transfer]:
        """Those that have ended by ``now``, in order; each is returned once."""
        finished = []
        while self._under_way and self._under_way[0].end_s <= now:
            finished.append(self._under_way.popleft())
        return finished
