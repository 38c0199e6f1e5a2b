"""A replay whose oracle checks itself, under an engine's Python: IN.json OUT.json.

IN: as worker_replay takes it. OUT: {"evictions", "wrong": evictions of a block while a free one was needed later,
"orphaned": evictions of a block whose content a free block further back in some prompt depends on}.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

from experiments.model_free import worker_replay
from experiments.model_free.worker_next_use import NextUse
from experiments.model_free.worker_policies import Oracle
from experiments.model_free.worker_trace import Trace


class CheckedOracle(Oracle):
    """Counts what it should not do, by looking at every free block."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(NextUse(trace))
        self.evictions = self.wrong = self.orphaned = 0
        self._after: dict[int, set[int]] = {}  # content → contents that follow it in some prompt
        for row in trace:
            chain = row.contents.tolist()
            for parent, child in pairwise(chain):
                self._after.setdefault(parent, set()).add(child)

    def on_evict(self, block: Any, rank: Any) -> None:  # noqa: ARG002 - as the Oracle's
        """Its own next use against everybody's."""
        self.evictions += 1
        content = self._content[block.block_id]
        mine = self._next_use.of(content)
        self.wrong += any(self._next_use.of(other) > mine for other in self._free)
        copies = bool(self._free.get(content))
        self.orphaned += not copies and any(child in self._free for child in self._after.get(content, ()))


def main(request_path: str, result_path: str) -> None:
    """Replay each, the oracle's checks summed up."""
    made: list[CheckedOracle] = []

    def checked(_: str, trace: Trace) -> CheckedOracle:
        made.append(CheckedOracle(trace))
        return made[-1]

    worker_replay.make_policy = checked
    for each in json.loads(Path(request_path).read_text(encoding="utf-8"))["replays"]:
        worker_replay.replay(each)
    result = {name: sum(getattr(each, name) for each in made) for name in ("evictions", "wrong", "orphaned")}
    Path(result_path).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
