"""The client of a load, against a small real server: what it sends, what it notes, and what it makes of failures."""

from collections.abc import Iterator

import pytest

from harness.measure.load_client import Target, cancelled_places, run_load
from harness.record.load import LoadRow, Sending
from harness.record.load_output import CANCELLED, FAILED, OK, ClientRecord, ClientSummary
from harness.traces.arrivals import request_times
from tests.load_server import MODEL, LoadServer, serving

AT_ONCE = Sending(request_rate=float("inf"), timeout_s=20)


@pytest.fixture(scope="module")
def running() -> Iterator[LoadServer]:
    with serving() as server:
        yield server


@pytest.fixture
def server(running: LoadServer) -> LoadServer:
    running.seen.clear()
    running.most = running.left = 0
    return running


def rows(*prompts: str, tokens: int = 4) -> list[LoadRow]:
    return [LoadRow(number, number // 2, number % 2, tokens, prompt) for number, prompt in enumerate(prompts)]


def send(
    server: LoadServer, load: list[LoadRow], sending: Sending = AT_ONCE
) -> tuple[list[ClientRecord], ClientSummary]:
    return run_load(load, Target(server.url, MODEL, "cold"), sending)


def test_each_request_says_what_it_is_and_whose(server: LoadServer) -> None:
    records, _ = send(server, rows("a b", "a b c", "d", tokens=3))
    seen = {each.headers["x-request-id"]: each for each in server.seen}
    assert list(seen) == [record.request_id for record in records] == ["cold-0", "cold-1", "cold-2"]
    assert [each.headers["x-session-id"] for each in seen.values()] == ["0", "0", "1"]
    assert seen["cold-1"].path == "/v1/completions"
    assert seen["cold-1"].body == {
        "model": MODEL,
        "prompt": "a b c",
        "max_tokens": 3,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "ignore_eos": True,
    }


def test_a_stream_is_timed_chunk_by_chunk_and_counted_by_the_server(server: LoadServer) -> None:
    (record,), summary = send(server, rows("a b c", tokens=5))
    assert (record.status, record.http_status, record.error) == (OK, 200, None)
    assert (record.prompt_tokens, record.output_tokens, record.cached_tokens) == (3, 5, 3)
    assert record.ttft_s is not None
    assert record.e2e_s is not None
    assert len(record.itl_s) == 4
    assert record.ttft_s + sum(record.itl_s) == pytest.approx(record.e2e_s)
    assert record.planned_s <= record.sent_s <= record.sent_s + record.e2e_s <= record.ended_s <= summary.wall_s
    assert record.sent_at == pytest.approx(summary.begin_at + record.sent_s)


def test_without_usage_chunks_are_counted(server: LoadServer) -> None:
    (record,), _ = send(server, rows("uncounted", tokens=5))
    assert (record.status, record.prompt_tokens, record.output_tokens) == (OK, None, 5)


def test_a_whole_answer_has_no_time_to_its_first_token(server: LoadServer) -> None:
    (record,), _ = send(server, rows("a b"), Sending(stream=False, ignore_eos=False))
    assert (record.status, record.output_tokens, record.prompt_tokens) == (OK, 4, 2)
    assert (record.ttft_s, record.itl_s) == (None, [])
    assert record.e2e_s == pytest.approx(record.ended_s - record.sent_s)
    assert not {"stream_options", "ignore_eos"} & server.seen[0].body.keys()


def test_a_chats_first_chunk_is_no_token(server: LoadServer) -> None:
    load = [LoadRow(0, 0, 0, 3, messages=[{"role": "user", "content": "a b"}]), LoadRow(1, 1, 0, 3, "plain")]
    records, _ = send(server, load, Sending(chat=True))
    assert [each.path for each in server.seen] == ["/v1/chat/completions"] * 2
    assert server.seen[1].body["messages"] == [{"role": "user", "content": "plain"}]
    for record in records:
        assert record.status == OK
        assert len(record.itl_s) == 2
        assert record.ttft_s is not None
        assert record.ttft_s >= 0.01  # the server waits behind the chunk that only says whose turn it is


@pytest.mark.parametrize(
    ("prompt", "http_status", "error"),
    [
        ("error", 500, "HTTP 500: no\\nroom"),
        ("broken", 200, "ClientPayloadError: "),
        ("late-error", 200, "engine died"),
        ("endless", 200, "the stream ended without [DONE]"),
    ],
)
def test_a_failure_is_one_line_and_touches_no_other_request(
    server: LoadServer, prompt: str, http_status: int, error: str
) -> None:
    records, summary = send(server, rows("fine", prompt, "fine"))
    assert [record.status for record in records] == [OK, FAILED, OK]
    failed = records[1]
    assert failed.http_status == http_status
    assert failed.error is not None
    assert failed.error.startswith(error)
    assert failed.error.isprintable()
    assert failed.e2e_s is None
    assert (summary.requests, summary.completed, summary.failed, summary.cancelled) == (3, 2, 1, 0)


def test_a_slow_answer_is_given_up(server: LoadServer) -> None:
    (record,), _ = send(server, rows("slow"), Sending(timeout_s=0.2))
    assert (record.status, record.error) == (FAILED, "no answer within 0.2 s")


def test_a_server_that_is_gone_fails_every_request() -> None:
    with serving() as gone:
        pass
    records, summary = send(gone, rows("a", "b"))
    assert [record.status for record in records] == [FAILED, FAILED]
    assert all("Connect" in str(record.error) for record in records)
    assert summary.failed == 2


def test_the_cancelled_share_is_drawn_from_the_seed_and_dropped_after_the_first_token(server: LoadServer) -> None:
    sending = Sending(request_rate=float("inf"), cancel=0.1, seed=7)
    records, summary = send(server, rows(*["crawl"] * 20, tokens=3), sending)
    dropped = {place for place, record in enumerate(records) if record.status == CANCELLED}
    assert dropped == cancelled_places(20, sending)
    assert (summary.cancelled, summary.completed, server.left) == (2, 18, 2)
    for place in dropped:
        record = records[place]
        assert (record.output_tokens, record.itl_s, record.e2e_s, record.error) == (1, [], None, None)
        assert record.ttft_s is not None


def test_never_more_requests_are_under_way_than_allowed_and_those_held_back_are_counted(server: LoadServer) -> None:
    sending = Sending(request_rate=float("inf"), max_concurrency=3)
    records, summary = send(server, rows(*["short"] * 12), sending)
    assert server.most == 3
    assert summary.completed == 12
    assert summary.held_back == 9
    assert [record.sent_s for record in records] == sorted(record.sent_s for record in records)


def test_requests_are_sent_when_the_schedule_says(server: LoadServer) -> None:
    sending = Sending(request_rate=200.0, seed=3)
    records, summary = send(server, rows(*["a"] * 10, tokens=1), sending)
    assert [record.planned_s for record in records] == pytest.approx(request_times(10, 200.0, 3))
    assert all(record.sent_s >= record.planned_s for record in records)
    assert summary.held_back == 0
    assert summary.send_error_s is not None
    assert summary.send_error_s["max"] == pytest.approx(max(each.sent_s - each.planned_s for each in records))


def test_the_summary_says_what_the_client_cost_and_how_it_was_told_to_send(server: LoadServer) -> None:
    _, summary = send(server, rows("a"))
    assert summary.cpu_s > 0
    assert summary.document()["cpu_share"] == pytest.approx(summary.cpu_s / summary.wall_s)
    assert summary.parameters == AT_ONCE.document() | {"model": MODEL}
    assert summary.parameters["request_rate"] == "inf"
