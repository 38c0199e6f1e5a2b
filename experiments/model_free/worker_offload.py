"""The worker half of vLLM's CPU offload connector, on a virtual clock: it answers when transfers would be over.

The scheduler half, which decides what is stored and loaded and when, is vLLM's own (``SimpleCPUOffloadConnector``).
Loads begin with the step that they were ordered in, stores after it, for they read what it writes; both then run beside
steps and slow none of them, but a step that preempted somebody waits for all transfers under way before it begins. What
has ended by the end of a step is known to the scheduler from then on.

Source: vLLM 0.32.0 ``v1/simple_kv_offload/worker.py``, ``v1/worker/gpu_model_runner.py`` (``handle_preemptions``).
"""

import math
from collections.abc import Mapping
from typing import Any

from vllm.v1.core.sched.output import SchedulerOutput
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.outputs import KVConnectorOutput
from vllm.v1.simple_kv_offload.metadata import SimpleCPUOffloadMetadata, SimpleCPUOffloadWorkerMetadata

from experiments.model_free.worker_recorder import Recorder
from experiments.model_free.worker_transfer_pool import report_transfers
from experiments.model_free.worker_transfers import Direction


class Offload:
    """What is stored and loaded beside the steps of one replay. ``spec``: harness/record/offload_spec.py."""

    def __init__(self, spec: Mapping[str, Any], scheduler: Scheduler, recorder: Recorder) -> None:
        block_s = spec["block_bytes"] / spec["bandwidth_bytes_s"]
        self._stores, self._loads = Direction(block_s), Direction(block_s)
        self._lazy = spec["lazy"]
        self._waiting: dict[int, list[str]] = {}  # load → requests that wait for it
        self._recorder, self._connector = recorder, scheduler.connector
        report_transfers(scheduler, recorder)

    def step_begin_s(self, scheduled: SchedulerOutput, now: float) -> float:
        """When a step that was scheduled at ``now`` begins."""
        flush = scheduled.kv_connector_metadata.need_flush  # somebody was preempted
        return max(now, self._stores.end_s, self._loads.end_s) if flush else now

    def order(self, metadata: SimpleCPUOffloadMetadata, begin: float, end: float) -> None:
        """What the connector orders with a step from ``begin`` to ``end``."""
        if metadata.load_event >= 0:
            self._loads.give(metadata.load_event, len(metadata.load_gpu_blocks), begin)
            self._waiting[metadata.load_event] = metadata.load_event_to_reqs[metadata.load_event]
        if metadata.store_event >= 0:
            self._stores.give(metadata.store_event, len(metadata.store_gpu_blocks), end)

    def next_end_s(self) -> float | None:
        """When the next transfer ends; None: none is under way."""
        ends = [end for end in (self._stores.next_end_s(), self._loads.next_end_s()) if end is not None]
        return min(ends, default=None)

    def more_room_s(self) -> float | None:
        """When somebody who waits may fit in, if nothing runs; None: never, for no transfer is under way.

        Not at the end of each lazy store: asked again too early, vLLM lets the next one hold the blocks that this one
        held, and if the host is smaller than the GPU, so that it forgets what it had, does so for ever.
        """
        end = self.next_end_s()
        only_stores = end is not None and self._loads.next_end_s() is None
        return self._stores.end_s if self._lazy and only_stores else end

    def finished(self, now: float) -> KVConnectorOutput:
        """What the worker reports at ``now``: everything that has ended since it was last asked."""
        loaded = {each for load in self._loads.take_finished(now) for each in self._waiting.pop(load.number)}
        stored = {store.number: 1 for store in self._stores.take_finished(now)}
        return KVConnectorOutput(
            finished_recving=loaded or None,
            kv_connector_worker_meta=SimpleCPUOffloadWorkerMetadata(stored) if stored else None,
        )

    def idle(self, now: float, until: float) -> None:
        """No request is there from ``now`` to ``until``: what ended requests left to store is stored meanwhile."""
        self.order(self._connector.build_connector_meta(SchedulerOutput.make_empty()), now, now)
        while (end := self.next_end_s()) is not None and end <= until:
            self._recorder.now = end
            self._connector.update_connector_output(self.finished(end))

    def stop(self) -> None:
        """The replay is over: what is still to be stored is given up and lets go of its blocks."""
        self._connector.reset_cache()
        self._connector.update_connector_output(self.finished(math.inf))
