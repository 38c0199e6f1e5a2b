"""What replicas say of themselves: read as Prometheus means it, and waited for until it is complete."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server

from harness.measure.replica_metrics import Told, parse, scrape, settled


def told(*values: float) -> Told:
    return {f"r{number}": {"vllm:done_total": value} for number, value in enumerate(values)}


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=20), st.integers(0, 1000))
def test_sums_of_histograms_are_the_observed_ones_and_not_those_of_bucket_midpoints(seen: list[float], counted: int):
    registry = CollectorRegistry()
    histogram = Histogram("vllm:e2e_seconds", "", ["engine"], registry=registry)
    for value in seen:
        histogram.labels("0").observe(value)
    counter = Counter("vllm:prompt_tokens", "", ["engine"], registry=registry)
    counter.labels("0").inc(counted)
    counter.labels("1").inc(1)
    Gauge("other:thing", "", registry=registry).set(7)
    found = parse(generate_latest(registry).decode())
    assert found == {
        "vllm:e2e_seconds_sum": sum(seen),
        "vllm:e2e_seconds_count": len(seen),
        "vllm:prompt_tokens_total": counted + 1,
    }


@contextmanager
def replica(tokens: int) -> Iterator[str]:
    registry = CollectorRegistry()
    Counter("vllm:prompt_tokens", "", registry=registry).inc(tokens)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_replica_that_is_gone_is_left_out_and_the_others_are_told():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{nobody.getsockname()[1]}/metrics"
        with replica(5) as url:
            assert scrape({"a": url, "b": gone}) == {"a": {"vllm:prompt_tokens_total": 5.0}}


def test_counters_are_waited_for_until_all_replicas_together_have_counted_everything():
    answers = iter([told(1, 2), told(1, 3), told(2, 3), told(9, 9)])
    assert settled(lambda: next(answers), "vllm:done_total", 5, limit_s=60) == told(2, 3)


def test_counters_that_never_come_are_taken_as_they_are_when_time_is_over():
    assert settled(lambda: told(1), "vllm:done_total", 5, limit_s=0) == told(1)
