"""Simulated runs as rows of the slot's table, and how long a replica's steps take by what real ones served."""

from collections.abc import Sequence
from statistics import fmean, median

from harness.analyse.routing_metrics import HIT_RATE, IMBALANCE, PREFILL_TOKENS
from harness.record.replay import StepTime
from harness.record.routing_records import Served
from harness.record.simulated import Simulated
from harness.record.tables import Cell


def rows_of(label: str, source: str, repeat: int, run: Simulated) -> list[tuple[Cell, ...]]:
    """Rows of SIMULATED of one run; what ``repeat`` numbers: harness/record/routing_tables.py."""
    parameters, result = run.facts.parameters, run.facts.result
    metrics: dict[str, tuple[float, str]] = {
        HIT_RATE: (result.hit_rate, "share of the looked-up tokens"),
        PREFILL_TOKENS: (result.queries - result.hits, "tokens"),
        IMBALANCE: (result.imbalance, "most requests of a replica ÷ mean"),
        "preemptions": (result.preemptions, "requests"),
        "ttft_mean": (result.ttft_mean_s, "virtual s"),
        "ttft_median": (result.ttft_median_s, "virtual s"),
        "ttft_p99": (result.ttft_p99_s, "virtual s"),
    }
    whose = (label, source, parameters.strategy, parameters.replicas, repeat)
    return [(*whose, name, float(value), unit) for name, (value, unit) in metrics.items()]


def step_time_of(served: Sequence[Served]) -> StepTime:
    """A rough step time: enough for queues of about the real length, not for seconds that could be compared.

    A step takes what an output token takes at the median; a prefilled token, what is left of prefill times. Both are
    rounded to two digits, so that the same machine simulates the same. Without records: the default.
    """
    paces = [each.decode_s / (each.output_tokens - 1) for each in served if each.output_tokens > 1]
    computed = sum(each.prompt_tokens - each.cached_tokens for each in served)
    if not paces or not computed:
        return StepTime()
    base = _rounded(median(paces))
    prefill = (fmean(each.prefill_s for each in served) - base) * len(served) / computed
    return StepTime(base_s=base, prefill_token_s=_rounded(max(prefill, 0.0)), decode_seq_s=0.0, context_token_s=0.0)


def _rounded(seconds: float) -> float:
    return float(f"{seconds:.2g}")
