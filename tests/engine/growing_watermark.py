"""A scheduler class as somebody would bring one: it keeps more blocks free the more requests run.

It runs under the engine's Python, in the real engine and in the replay (``scheduler_cls``).
"""

from typing import Any

from vllm.v1.core.kv_cache_manager import KVCacheManager
from vllm.v1.core.sched.scheduler import Scheduler


class GrowingWatermarkManager(KVCacheManager):
    """``watermark_blocks`` is one for every two running requests; vLLM asks for it at every admission."""

    scheduler: Any = None

    @property
    def watermark_blocks(self) -> int:
        return 0 if self.scheduler is None else -(-len(self.scheduler.running) // 2)

    @watermark_blocks.setter
    def watermark_blocks(self, blocks: int) -> None:
        """The static one of vLLM's constructor: not kept."""


class GrowingWatermark(Scheduler):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        manager: Any = self.kv_cache_manager
        del manager.__dict__["watermark_blocks"]
        manager.__class__ = GrowingWatermarkManager
        manager.scheduler = self
