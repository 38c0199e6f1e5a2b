"""Replays whose fast loop is advanced in random pieces, under an engine's Python: IN.json OUT.json.

IN: {"replays": as worker_replay takes them, each with "seed"}. Fails if a request ends before the loop's own bound.
"""

import json
import random
import sys
from pathlib import Path
from typing import Any

from experiments.model_free import worker_replay
from experiments.model_free.worker_fast_loop import FastLoop


class SteppedLoop(FastLoop):
    """The same replay, interrupted at any times."""

    seed = 0
    _bound = 0.0

    def run(self) -> int:
        chance = random.Random(self.seed)
        for row in self._trace:
            while (begin := self.next_step_s) < row.arrival_s:
                ahead = chance.choice([0.0, 0.003, 0.01, 0.2, 3.0])
                self._go(min(row.arrival_s, begin + ahead))
                if ahead == 0.0:
                    self._go(row.arrival_s)
            self._go(row.arrival_s)
            self.arrive(row)
        while (begin := self.next_step_s) < float("inf"):
            self._go(begin + chance.choice([0.001, 0.05, 1.0]))
        return self._step

    def _go(self, until_s: float) -> None:
        self._bound = self.earliest_end_s
        self.advance(until_s)

    def _finish(self, sequence: Any) -> None:
        assert self._recorder.now >= self._bound, "a request ended before the earliest end that was told"
        super()._finish(sequence)


def main(request_path: str, result_path: str) -> None:
    asked = json.loads(Path(request_path).read_text(encoding="utf-8"))
    worker_replay.FastLoop = SteppedLoop
    counters = []
    for each in asked["replays"]:
        SteppedLoop.seed = each.pop("seed")
        counters.append(worker_replay.replay(each))
    Path(result_path).write_text(json.dumps({"replays": counters}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
