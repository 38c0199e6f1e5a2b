"""An answer whose text is read: what counts as a token, when it ends, and what is kept of it."""

import json
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.load_client import Target, run_load
from harness.measure.load_stream import Answer, AnswerError
from harness.record.load import LoadRow, Sending
from harness.record.load_output import MAX_ERROR
from tests.load_server import serving

ROWS = [LoadRow(0, 0, 0, 3, "hello")]
SENDING = Sending(request_rate=float("inf"), ignore_eos=False, seed=0, timeout_s=10.0)
TEXTS = st.lists(st.sampled_from([None, "", "a", "bc", "ü"]), max_size=8)


def event(answer: Answer, choice: dict, at_s: float) -> None:
    answer.add_event(json.dumps({"choices": [choice]}).encode(), at_s)


@pytest.mark.parametrize("chat", [False, True])
@given(texts=TEXTS)
def test_only_chunks_with_text_count_and_all_text_is_kept(chat: bool, texts: list[str | None]) -> None:
    answer = Answer(chat, reads_text=True)
    for at, text in enumerate(texts):
        event(answer, {"delta": {"role": "assistant", "content": text}} if chat else {"text": text}, float(at))
    seen = [at for at, text in enumerate(texts) if text]
    assert answer.text == "".join(text or "" for text in texts)
    assert (answer.chunks, answer.first_token_at) == (len(seen), seen[0] if seen else None)
    assert answer.itl_s == [later - earlier for earlier, later in pairwise(seen)]
    assert not answer.done


def test_a_finish_reason_ends_a_stream_as_done_does() -> None:
    answer = Answer(chat=False, reads_text=True)
    event(answer, {"text": "a", "finish_reason": None}, 1.0)
    event(answer, {"text": "", "finish_reason": "length"}, 2.0)
    assert (answer.done, answer.last_token_at) == (True, 1.0)


def test_half_a_character_is_kept_as_something_that_can_be_written() -> None:
    answer = Answer(chat=False, reads_text=True)
    answer.add_event(b'{"choices": [{"text": "a\\ud800"}]}', 1.0)
    assert answer.text == "a\ufffd"


def test_a_text_that_is_none_is_no_answer() -> None:
    with pytest.raises(AnswerError, match="a text that is none"):
        event(Answer(chat=False, reads_text=True), {"text": 3}, 1.0)


def test_without_it_nothing_is_kept_and_a_finish_reason_ends_nothing() -> None:
    answer = Answer(chat=False)
    event(answer, {"text": "a", "finish_reason": "length"}, 1.0)
    assert (answer.text, answer.texts, answer.done, answer.chunks) == (None, [], False, 1)


def test_a_target_does_not_show_its_key() -> None:
    assert "s3cret" not in repr(Target("http://x", "m", "p", key="s3cret"))


KEY = "s3cret-key-of-somebody"


def test_a_key_is_hidden_before_an_error_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    places = range(MAX_ERROR - len(KEY) - 40, MAX_ERROR)  # of the key in the message

    async def refuse(_: web.Request, body: dict[str, Any]) -> web.Response:
        before = int(body["prompt"])
        return web.json_response({"error": {"message": "x" * before + KEY}}, status=401)

    rows = [LoadRow(number, number, 0, 3, str(before)) for number, before in enumerate(places)]
    with serving() as server:
        monkeypatch.setattr(server, "answer", refuse)
        answered, _ = run_load(rows, Target(server.url, "toy", "p", key=KEY), SENDING)
    assert len(answered) == len(places)
    for each in answered:
        assert each.error is not None
        assert "x" * 99 in each.error
        assert len(each.error) <= MAX_ERROR
        assert KEY[:3] not in each.error


def test_a_stream_that_is_no_json_hides_the_key_too_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    async def babble(*_):
        return web.Response(text=f"data: {'x' * 70}{KEY}\n\n", content_type="text/event-stream")

    with serving() as server:
        monkeypatch.setattr(server, "answer", babble)
        (answered,), _ = run_load(ROWS, Target(server.url, "toy", "p", key=KEY), SENDING)
    assert answered.error == f"not JSON: {'x' * 70}***"


@pytest.mark.parametrize(("key", "text"), [(KEY, "your key is ***"), ("test", f"your key is {KEY}")])
def test_an_answer_that_repeats_the_key_is_kept_without_it(
    monkeypatch: pytest.MonkeyPatch, key: str, text: str
) -> None:
    async def repeat(*_):
        document = {"choices": [{"text": f"your key is {KEY}", "finish_reason": "stop"}]}
        return web.Response(text=f"data: {json.dumps(document)}\n\n", content_type="text/event-stream")

    with serving() as server:
        monkeypatch.setattr(server, "answer", repeat)
        (answered,), _ = run_load(ROWS, Target(server.url, "toy", "p", key=key, reads_text=True), SENDING)
    assert (answered.status, answered.text) == ("ok", text)
