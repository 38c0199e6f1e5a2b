"""Recounts one request of a replay from its event log, event by event."""

from dataclasses import dataclass, field
from typing import Any

from harness.record.replay_rows import RequestRow


@dataclass
class RequestSoFar:
    """Where it stands, and what its row will say."""

    arrived: dict[str, Any]
    state: str = "waiting"
    found: int = 0  # blocks hit since it last waited
    first: dict[str, float] = field(default_factory=dict)  # event → time of its first one
    hit_tokens: int = 0
    hit_blocks: int = 0
    within: int = 0
    allocated: int = 0
    preemptions: int = 0
    start: int = 0  # tokens that its current admission found computed
    lost: int = 0  # tokens that it had computed when it was last preempted
    loaded: int = 0  # blocks that were filled from the host since it last waited
    loading: bool = False

    def row(self, block_size: int) -> RequestRow:
        """Its row of requests.csv, once it has finished; ``block_size`` in tokens."""
        arrived, first = self.arrived, self.first
        return RequestRow(
            request_id=arrived["request"],
            session_id=arrived["session"],
            turn=arrived["turn"],
            arrival_s=arrived["arrival_s"],
            scheduled_s=first["admit"],
            first_token_s=first["first_token"],
            finished_s=first["finish"],
            prompt_tokens=arrived["prompt_tokens"],
            output_tokens=arrived["output_tokens"],
            prompt_blocks=-(-arrived["prompt_tokens"] // block_size),
            hit_tokens=self.hit_tokens,
            hit_blocks=self.hit_blocks,
            within_session_hit_blocks=self.within,
            allocated_blocks=self.allocated,
            preemptions=self.preemptions,
        )
