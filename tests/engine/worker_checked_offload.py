"""Replays with offload, looked at from inside under an engine's Python: IN.json OUT.json.

IN: as worker_replay takes it. OUT: {"replays": for each {"counters"}, and with offload {"gpu_held", "cpu_held": blocks
with a user at the end, "cpu_blocks": of the host, "cpu_used": its blocks that were ever written, "loaded", "wrong":
blocks that were loaded, and those of them that came with another content than the request's}}.
"""

import json
import sys
from pathlib import Path
from typing import Any

from experiments.model_free import worker_replay
from experiments.model_free.worker_offload import Offload


class CheckedOffload(Offload):
    """Follows what the host's blocks hold; looks at both pools at the end."""

    def __init__(self, spec: Any, scheduler: Any, recorder: Any) -> None:
        super().__init__(spec, scheduler, recorder)
        self.gpu = scheduler.kv_cache_manager.block_pool
        self.cpu = scheduler.connector.scheduler_manager.cpu_block_pool
        self.host: dict[int, bytes] = {}  # block → what it holds
        self.coming: dict[int, bytes] = {}  # GPU block → what is loaded into it
        self.found = {"cpu_blocks": self.cpu.num_gpu_blocks, "loaded": 0, "wrong": 0}

    def order(self, metadata: Any, begin: float, end: float) -> None:
        """Also called with every step; GPU blocks that were loaded are cached meanwhile."""
        for block in [each for each in self.coming if self.gpu.blocks[each].block_hash is not None]:
            self.found["wrong"] += self.gpu.blocks[block].block_hash != self.coming.pop(block)
        for block, host in zip(metadata.load_gpu_blocks, metadata.load_cpu_blocks, strict=True):
            self.found["loaded"] += 1
            self.coming[block] = self.host[host]
        for block, host in zip(metadata.store_gpu_blocks, metadata.store_cpu_blocks, strict=True):
            self.host[host] = self.gpu.blocks[block].block_hash
        super().order(metadata, begin, end)

    def stop(self) -> None:
        """Called at the end."""
        super().stop()
        for name, pool in (("gpu_held", self.gpu), ("cpu_held", self.cpu)):
            self.found[name] = pool.num_gpu_blocks - 1 - pool.get_num_free_blocks()
        self.found["cpu_used"] = len(self.host)


def main(request_path: str, result_path: str) -> None:
    """Replay each."""
    made: list[CheckedOffload] = []

    def checked(*args: Any) -> CheckedOffload:
        made.append(CheckedOffload(*args))
        return made[-1]

    worker_replay.Offload = checked
    found = []
    for each in json.loads(Path(request_path).read_text(encoding="utf-8"))["replays"]:
        counters = worker_replay.replay(each)
        found.append({**(made.pop().found if each["offload"] else {}), "counters": counters})
    Path(result_path).write_text(json.dumps({"replays": found}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
