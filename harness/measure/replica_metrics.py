"""What replicas say of themselves on their own Prometheus ports: counters, gauges, sums and counts of histograms.

Ray's metrics port is not asked: it rebuilds the sums of histograms from the midpoints of their buckets.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

_LIMIT_S = 10.0
_SETTLE_EVERY_S = 0.1
_LEFT_OUT = ("_bucket", "_created")

Told = dict[str, dict[str, float]]  # replica → metric → value


def scrape(urls: Mapping[str, str]) -> Told:
    """Ask every replica; one that does not answer is left out: it is gone. ``urls``: replica → its port."""
    told: Told = {}
    for replica, url in urls.items():
        try:
            answer = httpx.get(url, timeout=_LIMIT_S, trust_env=False)
            told[replica] = parse(answer.raise_for_status().text)
        except httpx.HTTPError:
            continue
    return told


def parse(text: str) -> dict[str, float]:
    """Metric → value, of several label sets the sum; buckets and times of creation are left out."""
    found: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith("vllm:") and not sample.name.endswith(_LEFT_OUT):
                found[sample.name] += sample.value
    return dict(found)


def settled(ask: Callable[[], Told], metric: str, wanted: float, limit_s: float) -> Told:
    """What replicas say once the sum of a counter over them is ``wanted``, or after ``limit_s`` whatever they say.

    The last token reaches the client before the engine's front end has counted the request.
    """
    deadline = time.monotonic() + limit_s
    while True:
        told = ask()
        total = sum(values.get(metric, 0.0) for values in told.values())
        if total >= wanted or time.monotonic() > deadline:
            return told
        time.sleep(_SETTLE_EVERY_S)
