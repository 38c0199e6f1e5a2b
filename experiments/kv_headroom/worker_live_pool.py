"""A real engine's block pool, reporting as a replay's does: what its blocks hold is known only once it is sampled.

A content is what a full block holds, everything before it included. A replay knows a request's contents from the trace;
here they are numbered as vLLM hashes them, one token after the other.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from experiments.model_free.worker_contents import Contents
from experiments.model_free.worker_pool import RecordingPool


class LiveContents:
    """Numbers of contents, in the order in which blocks with them become full."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}  # vLLM's hash → content

    def number(self, hashes: Iterable[bytes]) -> Contents:
        """The contents with these hashes; those never seen get the next numbers."""
        return np.asarray([self._numbers.setdefault(each, len(self._numbers)) for each in hashes], np.int64)

    def content_of(self, block_hash: bytes) -> int:
        """The content with a hash that was numbered. Raises KeyError."""
        return self._numbers[block_hash]


class LivePool(RecordingPool):
    """A pool whose requests' contents grow while they run."""

    requests: Mapping[str, Any]  # the scheduler's: name → vLLM's Request
    trace: LiveContents

    def _contents(self) -> Contents:
        assert self.recorder.current is not None
        row = self.recorder.current.row
        hashes = self.requests[row.request_id].block_hashes
        known = len(row.contents)
        if len(hashes) > known:
            new = self.trace.number(hashes[known:])
            row.contents = np.concatenate([row.contents, new])
            self.recorder.expect(new)
        return row.contents
