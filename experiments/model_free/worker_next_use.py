"""When each content is asked for next, known beforehand from the whole trace: what an oracle looks at."""

from typing import Any

import numpy as np

from experiments.model_free.worker_trace import Trace

NEVER = float("inf")


class NextUse:
    """Uses of contents by requests in the order of arrival: by every request whose prompt could find them.

    Takes about 16 bytes for every block of every prompt.
    """

    def __init__(self, trace: Trace) -> None:
        contents: list[np.ndarray[Any, np.dtype[np.int64]]] = []
        users: list[np.ndarray[Any, np.dtype[np.int32]]] = []
        for index, row in enumerate(trace):
            findable = row.contents[: (row.prompt_tokens - 1) // trace.block_size]  # the last token is always computed
            contents.append(findable)
            users.append(np.full(len(findable), index, np.int32))
        flat = np.concatenate(contents) if contents else np.empty(0, np.int64)
        order = np.argsort(flat, kind="stable")
        self._users = np.concatenate(users)[order] if users else np.empty(0, np.int32)
        distinct = int(flat.max(initial=-1)) + 1
        self._end = np.searchsorted(flat[order], np.arange(distinct), side="right")
        self._next = np.searchsorted(flat[order], np.arange(distinct), side="left")
        self._admitted = 0

    def admit(self) -> None:
        """One more request has been admitted: its uses are past."""
        self._admitted += 1

    def of(self, content: int) -> float:
        """Number, in the order of arrival, of the next request not yet admitted that asks for it; infinite: none."""
        if content >= len(self._next):
            return NEVER  # of an output
        place, end = int(self._next[content]), int(self._end[content])
        while place < end and self._users[place] < self._admitted:
            place += 1
        self._next[content] = place
        return float(self._users[place]) if place < end else NEVER
