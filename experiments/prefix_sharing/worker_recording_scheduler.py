"""Any scheduler class of vLLM's, writing down what it decides; the engine around it is untouched."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from vllm.distributed.kv_events import BlockRemoved, BlockStored
from vllm.v1.core.sched.output import SchedulerOutput

Step = tuple[dict[str, int], list[str], dict[str, int]]  # scheduled tokens, preempted, cached at first admission


@dataclass
class Decisions:
    """What was decided during one workload. Requests are named as the engine names them."""

    clock: float = 0.0  # steps done; whoever drives the engine keeps it
    steps: list[Step] = field(default_factory=list)  # those that computed something, as the model-free replay has them
    admissions: list[tuple[float, str, int, bool]] = field(default_factory=list)  # clock, request, cached, resumed
    blocks: list[tuple[str, str]] = field(default_factory=list)  # vLLM's KV events block by block: what, hash
    counts: Counter[str] = field(default_factory=Counter)

    def add_step(self, scheduled: SchedulerOutput) -> None:
        """The scheduler has decided about a step."""
        first = {new.req_id: new.num_computed_tokens for new in scheduled.scheduled_new_reqs}
        known = scheduled.scheduled_cached_reqs
        computed = dict(zip(known.req_ids, known.num_computed_tokens, strict=True))
        self.admissions += [(self.clock, each, tokens, False) for each, tokens in first.items()]
        self.admissions += [(self.clock, each, computed[each], True) for each in known.resumed_req_ids]
        preempted = sorted(scheduled.preempted_req_ids or ())
        self.counts["preemptions"] += len(preempted)
        if scheduled.num_scheduled_tokens:
            self.steps.append((dict(scheduled.num_scheduled_tokens), preempted, first))

    def add_events(self, events: list[Any]) -> None:
        """vLLM hands over its KV events."""
        for event in events:
            if isinstance(event, BlockStored):
                self.blocks += [("store", each.hex()) for each in event.block_hashes]
            elif isinstance(event, BlockRemoved):
                self.blocks += [("evict", each.hex()) for each in event.block_hashes]


def recording(base: Any) -> Any:
    """A subclass of a scheduler class that keeps ``decisions``; what it decides is the class's own."""

    class Recording(base):  # type: ignore[misc]
        decisions: Decisions

        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self.decisions = Decisions()
            manager = self.kv_cache_manager
            pool = manager.block_pool
            take, new_blocks, touch = manager.take_events, pool.get_new_blocks, pool.touch

            def take_events() -> Any:  # the scheduler itself takes them: who asks later finds none
                events = take()
                self.decisions.add_events(events)
                return events

            def get_new_blocks(number: int) -> Any:
                self.decisions.counts["blocks_allocated"] += number
                return new_blocks(number)

            def touch_blocks(blocks: Any) -> None:
                self.decisions.counts["blocks_hit"] += len(blocks)
                touch(blocks)

            manager.take_events, pool.get_new_blocks, pool.touch = take_events, get_new_blocks, touch_blocks

        def schedule(self, *args: Any, **more: Any) -> SchedulerOutput:
            scheduled: SchedulerOutput = super().schedule(*args, **more)
            self.decisions.add_step(scheduled)
            return scheduled

    return Recording
