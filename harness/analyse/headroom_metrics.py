"""What one point of the head-room study is judged by, from its requests and counters; simulated and real points alike.

    makespan            last finish − first arrival; every rate below is over it
    output_throughput   output tokens ÷ makespan
    input_traffic       prompt tokens of the admitted requests ÷ makespan
    request_throughput  finished requests ÷ makespan
    goodput             requests whose TTFT and TPOT are both within the SLO ÷ makespan
    ttft                first token − arrival; p50, p90, p99 over the requests
    tpot                (finish − first token) ÷ (output tokens − 1), of requests with two output tokens or more
    mean_running        Σ (finish − first admission) ÷ makespan: sequences begun and not finished, also while preempted
    peak_blocks         most blocks that were in use for any time
    preemptions         a running request lost its blocks
    swap_operations     stores to and loads from CPU blocks; vLLM stores whatever fills up, preempted or not
    swap_ins            the loads among them: of preempted requests, and of prefixes that only the host still has
    blocks_recomputed   blocks that preempted requests lost, where nothing brings them back (mode recompute); of those,
                        prefix caching finds some again, so what was computed twice is recomputed_tokens

Percentiles are interpolated between neighbours (of two values the median is halfway). What does not exist is left out,
never 0: a request of one token has no TPOT, and requests that all arrive and finish at one time have no rates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.record.headroom_tables import RECOMPUTE, SECONDS
from harness.record.replay_rows import OccupancyRow, RequestRow

PERCENTILES = (50, 90, 99)

# Metric → counter and unit.
_COUNTED = {
    "preemptions": ("preemptions", "operations"),
    "recomputed_tokens": ("recomputed_tokens", "tokens"),
    "blocks_swapped_out": ("blocks_swapped_out", "blocks"),
    "blocks_swapped_in": ("blocks_swapped_in", "blocks"),
}

Metrics = dict[str, tuple[float, str]]


@dataclass(frozen=True)
class Slo:
    """Seconds that a request may take to its first token, and for each further one."""

    ttft_s: float
    tpot_s: float


def point_metrics(
    requests: Sequence[RequestRow],
    counters: Mapping[str, float],
    occupancy: Sequence[OccupancyRow],
    slo: Slo,
    mode: str = RECOMPUTE,
    arrivals: str = SECONDS,
) -> Metrics:
    """Metric → value and unit.

    ``counters``: by the names of ``record.replay.Counters``; what it lacks has no metric. ``occupancy``: may be empty.
    ``arrivals``: if by steps, times are steps of the engine, so the units say so and no SLO in seconds is applied.
    """
    second = "s" if arrivals == SECONDS else "steps"
    found: Metrics = {"requests": (float(len(requests)), "requests")}
    found["output_tokens"] = (float(sum(row.output_tokens for row in requests)), "tokens")
    if requests:
        found |= _times(requests, second)
        if arrivals == SECONDS and "makespan" in found:
            good = sum(map(slo_kept, requests, [slo] * len(requests)))
            found["goodput"] = (good / found["makespan"][0], "requests/s within the SLO")
    if occupancy:
        found["peak_blocks"] = (float(max(row.max_blocks_in_use for row in occupancy)), "blocks")
    return found | _counts(counters, mode)


def ttft(request: RequestRow) -> float:
    """Time to the first token."""
    return request.first_token_s - request.arrival_s


def tpot(request: RequestRow) -> float | None:
    """Time of each further token; None if there is none."""
    if request.output_tokens < 2:
        return None
    return (request.finished_s - request.first_token_s) / (request.output_tokens - 1)


def slo_kept(request: RequestRow, slo: Slo) -> bool:
    """Whether the request was served within the SLO; of one token, TTFT alone decides."""
    return ttft(request) <= slo.ttft_s and (tpot(request) or 0.0) <= slo.tpot_s


def _times(requests: Sequence[RequestRow], second: str) -> Metrics:
    found: Metrics = {}
    for name, values in (("ttft", [ttft(row) for row in requests]), ("tpot", [tpot(row) for row in requests])):
        present = [value for value in values if value is not None]
        if present:
            quantiles = np.percentile(np.sort(present), PERCENTILES)
            found |= {f"{name}_p{p}": (float(q), second) for p, q in zip(PERCENTILES, quantiles, strict=True)}
    makespan = max(row.finished_s for row in requests) - min(row.arrival_s for row in requests)
    if makespan <= 0:
        return found
    output, prompt = (sum(getattr(row, name) for row in requests) for name in ("output_tokens", "prompt_tokens"))
    per = "s" if second == "s" else "step"
    found["makespan"] = (makespan, second)
    found["output_throughput"] = (output / makespan, f"tokens/{per}")
    found["input_traffic"] = (prompt / makespan, f"tokens/{per}")
    found["request_throughput"] = (len(requests) / makespan, f"requests/{per}")
    begun = sum(sorted(row.finished_s - row.scheduled_s for row in requests))  # sorted: the order of rows is no matter
    found["mean_running"] = (begun / makespan, "sequences")
    return found


def _counts(counters: Mapping[str, float], mode: str) -> Metrics:
    found: Metrics = {
        metric: (float(counters[name]), unit) for metric, (name, unit) in _COUNTED.items() if name in counters
    }
    if mode == RECOMPUTE and "preempted_blocks" in counters:
        found["blocks_recomputed"] = (float(counters["preempted_blocks"]), "blocks")
    if "swap_outs" in counters and "swap_ins" in counters:
        found["swap_operations"] = (float(counters["swap_outs"] + counters["swap_ins"]), "operations")
        found["swap_ins"] = (float(counters["swap_ins"]), "operations")
    return found
