"""vLLM's scheduler with a head-room policy, for a real engine and for the model-free one.

    vllm serve MODEL --scheduler-cls experiments.model_free.worker_headroom_scheduler.HeadroomScheduler \
        --additional-config '{"headroom": {"policy": "naive", "factor": 4}}'

No ``schedule()`` is copied: before each admission the block manager's watermark, which vLLM leaves at a constant,
becomes what the policy answers. On a GPU, where vLLM schedules a step ahead, use ``HeadroomAsyncScheduler``.
What a request is predicted to generate, if somebody says so: ``SamplingParams(extra_args={"predicted_output_tokens":
n})``, which is ``vllm_xargs`` of the HTTP API.

Source: vLLM 0.32.0 ``v1/core/kv_cache_manager.py``, ``allocate_slots`` (when the watermark counts).
"""

from collections.abc import Mapping
from typing import Any

from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.request import Request, RequestStatus

from experiments.model_free.worker_headroom import Headroom, Occupant, make_headroom
from experiments.model_free.worker_trace import PREDICTED


class _WithHeadroom:
    """What is added to either scheduler."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        manager = self._any.kv_cache_manager
        allocate, self._static = manager.allocate_slots, manager.watermark_blocks
        self._policy: Headroom | None = None

        def allocate_slots(request: Request, *args: Any, **more: Any) -> Any:
            if self._policy is not None and request.status is not RequestStatus.RUNNING:
                there = self._in_cache(request)
                manager.watermark_blocks = self._policy.keep_free(
                    len(there), lambda: map(_occupant, there), _occupant(request)
                )
            return allocate(request, *args, **more)

        manager.allocate_slots = allocate_slots
        self.use_headroom(self._any.vllm_config.additional_config.get("headroom"))

    @property
    def _any(self) -> Any:
        return self  # this is a scheduler, whichever

    def use_headroom(self, spec: Mapping[str, Any] | None, watermark: float | None = None) -> None:
        """Take this policy from now on; None: vLLM's watermark, a share of the blocks (None: the configured one).

        Raises:
            ValueError: as ``make_headroom``.
        """
        manager = self._any.kv_cache_manager
        blocks = manager.block_pool.num_gpu_blocks
        self._policy = make_headroom(spec, blocks - 1, self._any.block_size)
        manager.watermark_blocks = self._static if watermark is None else int(watermark * blocks)

    def _in_cache(self, candidate: Request) -> list[Request]:
        """Those that run, and with KV offload others than the candidate for which blocks are loaded, or were."""
        others = [each for each in self._any._inflight_prefills if each.status is not RequestStatus.RUNNING]
        loaded = [each for each in others if each is not candidate]
        return [*self._any.running, *sorted(loaded, key=lambda each: str(each.request_id))]


class HeadroomScheduler(_WithHeadroom, Scheduler):  # type: ignore[misc]  # vllm is not in the environment of the checks
    """vLLM's scheduler with a head-room policy."""


class HeadroomAsyncScheduler(_WithHeadroom, AsyncScheduler):  # type: ignore[misc]  # as above
    """vLLM's scheduler of one step ahead, with a head-room policy."""


def _occupant(request: Request) -> Occupant:
    arguments = request.sampling_params.extra_args or {} if request.sampling_params else {}
    return Occupant(request.num_prompt_tokens, request.num_output_tokens, arguments.get(PREDICTED))
