"""How many drafts had a token at each place: vLLM counts that with every step, but publishes the accepted ones alone.

Not every draft is as long as asked for: n-gram finds fewer tokens, and none reaches beyond the longest context.
"""

from typing import Any


class Drafted:
    """``by_position``: drafts with at least 1, 2, … tokens, since ``count`` was called."""

    def __init__(self) -> None:
        self.by_position: list[int] = []

    def count(self) -> None:
        """Count from now on what every engine of this process publishes."""
        from vllm.v1.spec_decode.metrics import SpecDecodingProm

        observe = SpecDecodingProm.observe

        def counted(published: Any, stats: Any, *args: Any, **more: Any) -> Any:
            places = stats.num_draft_tokens_per_pos
            had = self.by_position or [0] * len(places)
            self.by_position = [a + b for a, b in zip(had, places, strict=True)]
            return observe(published, stats, *args, **more)

        SpecDecodingProm.observe = counted


DRAFTED = Drafted()  # of this process
