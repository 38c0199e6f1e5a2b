"""What the replicas' own Prometheus ports counted in a phase: differences of its end and its begin.

A counter that is not there at the begin stood at 0: Prometheus lists it from its first increment on. A replica that is
not there at the end, or whose counters went back, was lost: nothing of it is known, and nothing of all replicas.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.record.routing_run import PhaseMetrics

PREFIX = "vllm:"
PROMPT_TOKENS, GENERATION_TOKENS, SUCCESSES = "prompt_tokens_total", "generation_tokens_total", "request_success_total"
QUERIES, HITS, PREEMPTIONS = "prefix_cache_queries_total", "prefix_cache_hits_total", "num_preemptions_total"
COUNTERS = {
    PROMPT_TOKENS: "tokens",
    GENERATION_TOKENS: "tokens",
    SUCCESSES: "requests",
    QUERIES: "tokens",
    HITS: "tokens",
    PREEMPTIONS: "preemptions",
}
# vLLM's histograms; their means are called so with ``_mean``.
HISTOGRAMS = (
    "time_to_first_token_seconds",
    "inter_token_latency_seconds",
    "request_time_per_output_token_seconds",
    "e2e_request_latency_seconds",
    "request_queue_time_seconds",
    "request_inference_time_seconds",
    "request_prefill_time_seconds",
    "request_decode_time_seconds",
)


@dataclass(frozen=True)
class Counted:
    """Replica id → name without ``vllm:`` → difference. ``lost``: ids of replicas of which that is not known."""

    by_replica: Mapping[str, Mapping[str, float]]
    lost: tuple[str, ...]
    is_same_set: bool  # the replicas at the phase's begin are those at its end

    @property
    def is_whole(self) -> bool:
        """Whether sums over the replicas are those of everything that was served."""
        return bool(self.by_replica) and self.is_same_set and not self.lost

    def total(self, name: str) -> float | None:
        """Sum over the replicas; None if one was lost or does not say."""
        values = [told.get(name) for told in self.by_replica.values()]
        known = [value for value in values if value is not None]
        return sum(known) if self.is_whole and len(known) == len(values) else None


def counted(metrics: PhaseMetrics) -> Counted:
    """What was counted between the begin and the end of a phase."""
    found: dict[str, dict[str, float]] = {}
    lost = [replica for replica in metrics.before if replica not in metrics.after]
    for replica, after in metrics.after.items():
        before = metrics.before.get(replica, {})
        names = [name for name in after if _is_cumulative(name)]
        difference = {name.removeprefix(PREFIX): after[name] - before.get(name, 0.0) for name in names}
        if any(value < 0 for value in difference.values()):
            lost.append(replica)
        else:
            found[replica] = difference
    ordered = {replica: found[replica] for replica in sorted(found)}
    return Counted(ordered, tuple(sorted(lost)), metrics.before.keys() == metrics.after.keys())


def _is_cumulative(name: str) -> bool:
    return name.startswith(PREFIX) and name.endswith(("_total", "_sum", "_count"))
