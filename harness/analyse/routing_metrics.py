"""Server metrics of one phase of a routing run: of each replica, and of all.

    *_total                 vLLM's counters over the phase
    *_seconds_mean          sum ÷ count of vLLM's histograms over the phase
    kv_usage_mean, _max     share of the KV blocks in use, by time; the mean of all is over the replicas
    hit_rate                Δ prefix-cache hits ÷ Δ queries, in tokens
    prefill_tokens_computed prompt tokens not found cached: queries − hits, or all where nothing is looked up
    imbalance               most requests of a replica ÷ mean of all replicas; 1 is even
    load_gap                time mean of (largest − smallest running + waiting)
    router_wait_mean_s, queue_mean_s, prefill_mean_s, rest_mean_s  parts of the client's mean TTFT, of the completed
                            requests that were followed all the way

What does not exist is left out: with a replica lost or replaced in the phase, sums over the replicas and comparisons of
them. An engine that has not reported yet runs nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean

from harness.analyse.routing_counters import COUNTERS, HISTOGRAMS, HITS, PROMPT_TOKENS, QUERIES, Counted, counted
from harness.analyse.routing_join import Joined, replica_numbers
from harness.record.routing_facts import Phase
from harness.record.routing_records import Sample
from harness.record.routing_run import RoutingRun
from harness.record.routing_tables import ALL

HIT_RATE, PREFILL_TOKENS, IMBALANCE, LOAD_GAP = "hit_rate", "prefill_tokens_computed", "imbalance", "load_gap"
KV_MEAN, KV_MAX = "kv_usage_mean", "kv_usage_max"
PARTS = ("router_wait_mean_s", "queue_mean_s", "prefill_mean_s", "rest_mean_s")

Metrics = dict[str, tuple[float, str]]  # name → value and unit
Window = tuple[float, float]  # wall-clock seconds


def server_metrics(run: RoutingRun, phase: Phase, joined: Sequence[Joined]) -> dict[str, Metrics]:
    """Replica's number as text, or ``all`` → its metrics. ``joined``: the phase's requests.

    Counters are over the whole phase, means over time from the load's begin to the end of its last request.
    """
    numbers = replica_numbers(run)
    told = counted(run.metrics[phase.name])
    found: dict[str, Metrics] = {}
    window = phase.sending_at
    samples = _within(run.samples, window)
    for replica, number in numbers.items():
        own = _counted_metrics(told.by_replica.get(replica, {})) | _kv(samples.get(replica, []), window)
        if own:
            found[str(number)] = own
    whole: Metrics = _counted_metrics(_sums(told)) if told.is_whole else {}
    if told.is_whole:
        whole |= _over_replicas(found) | _balance(joined, list(told.by_replica), samples, window)
    found[ALL] = whole | _parts(joined)
    return found


def _sums(told: Counted) -> dict[str, float]:
    names = {name for own in told.by_replica.values() for name in own}
    return {name: value for name in names if (value := told.total(name)) is not None}


def _counted_metrics(told: Mapping[str, float]) -> Metrics:
    found: Metrics = {name: (told[name], unit) for name, unit in COUNTERS.items() if name in told}
    for name in HISTOGRAMS:
        if told.get(f"{name}_count") and f"{name}_sum" in told:
            found[f"{name}_mean"] = (told[f"{name}_sum"] / told[f"{name}_count"], "s")
    queries, hits = told.get(QUERIES), told.get(HITS, 0.0)
    if queries:
        found[HIT_RATE] = (hits / queries, "share of the looked-up tokens")
        found[PREFILL_TOKENS] = (queries - hits, "tokens")
    elif PROMPT_TOKENS in told:
        found[PREFILL_TOKENS] = (told[PROMPT_TOKENS], "tokens")
    return found


def _within(samples: Sequence[Sample], window: Window) -> dict[str, list[Sample]]:
    """Replica → its samples in the window, after its last one before it."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        own = found.setdefault(sample.replica, [])
        if sample.t <= window[0]:
            own[:] = [sample]
        elif sample.t <= window[1]:
            own.append(sample)
    return found


def _kv(samples: Sequence[Sample], window: Window) -> Metrics:
    """Between two samples the value is that of the first."""
    begin, end = window
    if not samples or end <= begin:
        return {}
    times = [max(sample.t, begin) for sample in samples]
    weights = [after - at for at, after in pairwise([*times, end])]
    if sum(weights) <= 0:
        return {}
    mean = sum(weight * each.kv_usage for weight, each in zip(weights, samples, strict=True)) / sum(weights)
    largest = max(sample.kv_usage for sample in samples)
    return {KV_MEAN: (mean, "share of the blocks"), KV_MAX: (largest, "share of the blocks")}


def _over_replicas(found: Mapping[str, Metrics]) -> Metrics:
    combined: Metrics = {}
    for name, combine in ((KV_MEAN, fmean), (KV_MAX, max)):
        values = [own[name][0] for own in found.values() if name in own]
        if values and len(values) == len(found):
            combined[name] = (float(combine(values)), "share of the blocks")
    return combined


def _balance(
    joined: Sequence[Joined], replicas: Sequence[str], samples: Mapping[str, list[Sample]], window: Window
) -> Metrics:
    counts = Counter(each.replica for each in joined if each.replica is not None)
    found: Metrics = {}
    if counts and counts.keys() <= set(replicas):
        found[IMBALANCE] = (max(counts.values()) * len(replicas) / counts.total(), "of the mean")
    gap = load_gap({replica: samples.get(replica, []) for replica in replicas}, *window)
    return found | ({} if gap is None else {LOAD_GAP: (gap, "requests")})


def load_gap(samples: Mapping[str, Sequence[Sample]], begin_at: float, end_at: float) -> float | None:
    """Time mean of the difference between the most and the least loaded replica; None without samples or time.

    ``samples``: of each replica, by time; before its first one it runs nothing, and each holds until the next.
    """
    if end_at <= begin_at or not any(samples.values()):
        return None
    load = dict.fromkeys(samples, 0)
    events = sorted((each.t, replica, each.running + each.waiting) for replica, own in samples.items() for each in own)
    area, at = 0.0, begin_at
    for t, replica, requests in events:
        now = min(max(t, begin_at), end_at)
        area += (now - at) * (max(load.values()) - min(load.values()))
        load[replica], at = requests, now
    area += (end_at - at) * (max(load.values()) - min(load.values()))
    return area / (end_at - begin_at)


def _parts(joined: Sequence[Joined]) -> Metrics:
    followed = [parts for each in joined if (parts := each.parts_s) is not None]
    if not followed:
        return {}
    means = zip(PARTS, (fmean(values) for values in zip(*followed, strict=True)), strict=True)
    return {name: (mean, "s") for name, mean in means if mean >= 0}
