"""A load's client metrics: throughputs and latencies over the requests that were answered."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median, pstdev

from harness.record.load_output import OK, ClientRecord, ClientSummary

Metrics = dict[str, tuple[float, str]]  # value and unit

IN_ONE_PIECE = "in_one_piece"
_AT_ONCE_S = 1e-3
# The statistics that are told of each latency.
SPREAD = ("mean", "median", "std", "p99")
LATENCIES: Mapping[str, tuple[str, ...]] = {"ttft": SPREAD, "tpot": SPREAD, "itl": SPREAD, "e2e": SPREAD[:2]}


def client_metrics(records: Sequence[ClientRecord], summary: ClientSummary) -> Metrics:
    """Name → value and unit; what does not exist is not there. Throughputs are over the load's whole duration.

    ITL is over all gaps of all requests, the others over requests. ``std`` is that of the values themselves (divided by
    n), as `vllm bench serve` says it.
    """
    answered = [record for record in records if record.status == OK]
    found: Metrics = {"duration_s": (summary.wall_s, "s")}
    for name, requests in (
        ("completed", summary.completed),
        ("failed", summary.failed),
        ("cancelled", summary.cancelled),
    ):
        found[name] = (float(requests), "requests")
    if summary.wall_s > 0:
        found["request_throughput"] = (summary.completed / summary.wall_s, "requests/s")
        prompts = [record.prompt_tokens for record in answered if record.prompt_tokens is not None]
        if len(prompts) == len(answered):
            found["input_throughput"] = (sum(prompts) / summary.wall_s, "tokens/s")
        found["output_throughput"] = (sum(record.output_tokens for record in answered) / summary.wall_s, "tokens/s")
    found[IN_ONE_PIECE] = (float(sum(map(in_one_piece, answered))), "requests")
    for name, values in latencies(answered).items():
        for statistic in LATENCIES[name] if values else ():
            found[f"{name}_{statistic}_s"] = (_STATISTICS[statistic](values), "s")
    return found


def latencies(answered: Sequence[ClientRecord]) -> dict[str, list[float]]:
    """Seconds of all requests: ttft, tpot, itl, e2e; empty where there are none."""
    return {
        "ttft": [record.ttft_s for record in answered if record.ttft_s is not None],
        "tpot": [value for record in answered if (value := tpot_s(record)) is not None],
        "itl": [gap for record in answered for gap in record.itl_s],
        "e2e": [record.e2e_s for record in answered if record.e2e_s is not None],
    }


def in_one_piece(record: ClientRecord) -> bool:
    """Whether a streamed answer of several tokens came all at once: its TTFT is then the time of the whole of it.

    No engine makes two tokens within a millisecond of each other: something on the way held the first ones back.
    """
    tpot = tpot_s(record)
    return tpot is not None and tpot < _AT_ONCE_S


def tpot_s(record: ClientRecord) -> float | None:
    """Seconds for each output token after the first; None: there is none, or it is not known when they came."""
    if record.e2e_s is None or record.ttft_s is None or record.output_tokens < 2:
        return None
    return (record.e2e_s - record.ttft_s) / (record.output_tokens - 1)


def percentile(values: Sequence[float], percent: float) -> float:
    """Linear between the values next to it. Raises IndexError if there are none."""
    import numpy as np  # here: a client that sends should not wait for the import

    return float(np.percentile(values, percent))


def _p99(values: Sequence[float]) -> float:
    return percentile(values, 99)


_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": fmean,
    "median": median,
    "std": pstdev,
    "p99": _p99,
}
