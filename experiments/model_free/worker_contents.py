"""Of every content that a replay has seen: when it was last used, how often reused, by which sessions."""

from collections.abc import Iterator
from typing import Any

import numpy as np

Contents = np.ndarray[Any, np.dtype[np.int64]]
Seconds = np.ndarray[Any, np.dtype[np.float64]]


class ContentBook:
    """Arrays indexed by content that grow as contents appear: 13 bytes each, and a set entry for each of a session."""

    def __init__(self) -> None:
        self._last_use = np.zeros(1 << 16)
        self._hits = np.zeros(1 << 16, np.uint32)
        self._stored = np.zeros(1 << 16, np.bool_)
        self._sessions: dict[str, set[int]] = {}

    def expect(self, contents: Contents) -> None:
        """Make room for contents of a request that has arrived."""
        needed, size = int(contents.max(initial=-1)) + 1, len(self._stored)
        if needed > size:
            more = max(needed, size + size // 2) - size
            self._last_use = np.concatenate([self._last_use, np.zeros(more)])
            self._hits = np.concatenate([self._hits, np.zeros(more, np.uint32)])
            self._stored = np.concatenate([self._stored, np.zeros(more, np.bool_)])

    def store(self, contents: Contents, session: str | None, now: float) -> int:
        """They can be found from now on; returns how many of them were never stored before."""
        if len(contents) == 1:  # a decoded block: the usual case, and numpy is slow with one number
            content = int(contents[0])
            new = 0 if self._stored[content] else 1
            self._stored[content] = True
            self._last_use[content] = now
        else:
            new = int(len(contents) - self._stored[contents].sum())
            self._stored[contents] = True
            self._last_use[contents] = now
        self._note(contents, session)
        return new

    def reuse(self, contents: Contents, session: str | None, now: float) -> tuple[int, Seconds]:
        """They were reused: how many of them the session has used before, and the seconds since each one's last use.

        Contents are a chain: who used one used all before it, so those of the session come first.
        """
        used = self._sessions.get(session, set()) if session is not None else set()
        within = next((i for i, content in enumerate(contents.tolist()) if content not in used), len(contents))
        gaps = now - self._last_use[contents]
        self._hits[contents] += 1
        self.use(contents, session, now)
        return within, gaps

    def use(self, contents: Contents, session: str | None, now: float) -> None:
        """They were used in a way that is no reuse (found again after a preemption)."""
        self._last_use[contents] = now
        self._note(contents, session)

    def hit_histogram(self) -> Iterator[tuple[int, int]]:
        """(times reused, number of contents that were reused so often), of all contents ever stored."""
        values, numbers = np.unique(self._hits[self._stored], return_counts=True)
        yield from zip(values.tolist(), numbers.tolist(), strict=True)

    def _note(self, contents: Contents, session: str | None) -> None:
        if session is not None:
            self._sessions.setdefault(session, set()).update(contents.tolist())


def gap_rows(gaps: Seconds, within: int) -> Iterator[tuple[float, bool, int]]:
    """(gap, within the session, blocks) with equal neighbours joined: blocks are mostly last used together.

    The first ``within`` gaps are those of blocks that the session itself had used.
    """
    inside = np.arange(len(gaps)) < within
    starts = np.flatnonzero(np.r_[True, (gaps[1:] != gaps[:-1]) | (inside[1:] != inside[:-1])])
    lengths = np.diff(np.r_[starts, len(gaps)])
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        yield float(gaps[start]), bool(inside[start]), length
