"""What is reported of vLLM's KVCacheManager and Scheduler: whose blocks change hands, and why.

Methods are wrapped on the objects, so that any scheduler class and any manager is reported alike.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vllm.v1.core.kv_cache_manager import KVCacheManager
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.request import RequestStatus

from experiments.model_free.worker_policies import PolicyQueue
from experiments.model_free.worker_recorder import Recorder


@contextmanager
def reported(scheduler: Scheduler, recorder: Recorder) -> Iterator[None]:
    """A scheduler and its manager are reported while the context lasts; the next recorder may follow."""
    ours = as_before(scheduler, "_preempt_request", "_update_request_with_output", "_free_request")
    with as_before(scheduler.kv_cache_manager, "allocate_slots", "free"), ours:
        report_manager(scheduler.kv_cache_manager, recorder, None)
        report_scheduler(scheduler, recorder)
        yield


@contextmanager
def as_before(thing: Any, *methods: str) -> Iterator[None]:
    """Methods that are wrapped on the object meanwhile are afterwards what they were."""
    own = vars(thing)
    before = {name: own[name] for name in methods if name in own}
    try:
        yield
    finally:
        for name in methods:
            own.pop(name, None)
        own.update(before)


def report_manager(manager: KVCacheManager, recorder: Recorder, policy: PolicyQueue | None) -> None:
    """Admissions are reported, and blocks with the request that they belong to."""
    allocate, free = manager.allocate_slots, manager.free

    def allocate_slots(request: Any, tokens: int, num_new_computed_tokens: int = 0, *args: Any, **more: Any) -> Any:
        recorder.current = record = recorder.record_of(request.request_id)
        found = allocate(request, tokens, num_new_computed_tokens, *args, **more)
        if found is None or request.status is RequestStatus.RUNNING:
            return found
        record.found_tokens += num_new_computed_tokens
        if not more.get("delay_cache_blocks"):  # else it does not run yet, but waits for a transfer from the host
            resumed = request.status is RequestStatus.PREEMPTED
            recorder.admit(record, record.found_tokens, resumed)
            record.found_tokens = 0
            if policy is not None and not resumed:
                findable = record.row.contents[: (record.row.prompt_tokens - 1) // recorder.block_size]
                policy.on_admit(findable)
        return found

    def free_request(request: Any) -> None:
        recorder.current = recorder.record_of(request.request_id)
        free(request)

    manager.allocate_slots = allocate_slots
    manager.free = free_request


def report_scheduler(scheduler: Scheduler, recorder: Recorder) -> None:
    """Preemptions, first tokens and ends of requests are reported."""
    preempt, update, free = scheduler._preempt_request, scheduler._update_request_with_output, scheduler._free_request
    manager = scheduler.kv_cache_manager

    def preempt_request(request: Any, *args: Any, **more: Any) -> None:
        held = len(manager.get_block_ids(request.request_id)[0])
        recorder.preempt(recorder.record_of(request.request_id), held, request.num_computed_tokens)
        preempt(request, *args, **more)

    def update_request(request: Any, *args: Any, **more: Any) -> Any:
        if request.num_output_tokens == 0:
            recorder.first_token(recorder.record_of(request.request_id))
        return update(request, *args, **more)

    def free_request(request: Any, *args: Any, **more: Any) -> Any:
        recorder.finish(recorder.record_of(request.request_id))
        return free(request, *args, **more)

    scheduler._preempt_request = preempt_request
    scheduler._update_request_with_output = update_request
    scheduler._free_request = free_request
