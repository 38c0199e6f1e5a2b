"""An answer whose text is read: what counts as a token, when it ends, and what is kept of it."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.load_client import Target
from harness.measure.load_stream import Answer, AnswerError

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
