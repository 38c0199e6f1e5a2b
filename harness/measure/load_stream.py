"""What comes back for one request of a load: OpenAI's JSON, whole or as server-sent events, and what it says.

No clock is read here: whoever reads the bytes says when they came.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.record.bounded import HALF_CHARACTER

MAX_EVENT = 16 << 20  # bytes without a line's end
_DONE = b"[DONE]"


class AnswerError(Exception):
    """What came is no answer. The message is not cut: half of a key that was cut is not found any more."""


@dataclass
class Answer:
    """An answer as far as it has come. Times are of the caller's clock, in seconds.

    ``reads_text``: what counts is text that a reader sees. Chunks without any hold no token, the text is kept, and a
    finish reason ends a stream as ``[DONE]`` does: whichever server it comes from, an answer is measured alike.
    """

    chat: bool
    reads_text: bool = False
    first_token_at: float | None = None
    last_token_at: float | None = None
    itl_s: list[float] = field(default_factory=list)  # between chunks with tokens
    chunks: int = 0  # that hold tokens
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    done: bool = False  # the stream said that it is over
    texts: list[str] = field(default_factory=list)  # of the chunks, if they are kept

    @property
    def text(self) -> str | None:
        """What was answered, if it is kept; halves of characters are written as U+FFFD."""
        return HALF_CHARACTER.sub("\ufffd", "".join(self.texts)) if self.reads_text else None

    @property
    def output_tokens(self) -> int:
        """As the server counts them, else chunks that hold some."""
        return self.chunks if self.completion_tokens is None else self.completion_tokens

    def add_event(self, payload: bytes, at_s: float) -> None:
        """Take one event of the stream. Raises AnswerError: it is an error, or nothing that is known."""
        if payload == _DONE:
            self.done = True
            return
        document = self._document(payload)
        if document.get("choices") and self._has_token(document["choices"]):
            if self.last_token_at is None:
                self.first_token_at = at_s
            else:
                self.itl_s.append(at_s - self.last_token_at)
            self.last_token_at = at_s
            self.chunks += 1

    def add_whole(self, body: bytes) -> None:
        """Take an answer that came whole. Raises as ``add_event``."""
        if not self._document(body).get("choices"):
            raise AnswerError("an answer without choices")
        self.done = True

    def _document(self, payload: bytes) -> dict[str, Any]:
        try:
            document = json.loads(payload)
        except (ValueError, RecursionError):
            raise AnswerError(f"not JSON: {payload.decode(errors='replace')}") from None
        if not isinstance(document, dict):
            raise AnswerError("JSON, but no object")
        if document.get("error"):
            raise AnswerError(error_text(document))
        if isinstance(usage := document.get("usage"), dict):
            details = usage.get("prompt_tokens_details")
            self.prompt_tokens = _count(usage.get("prompt_tokens"))
            self.completion_tokens = _count(usage.get("completion_tokens"))
            self.cached_tokens = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
        return document

    def _has_token(self, choices: Any) -> bool:
        """Whether a chunk stands for tokens: their text may be empty (an end token, half of a character).

        A chat begins with a chunk that only says whose turn it is.
        """
        if not isinstance(choices, list) or not isinstance(choices[0], dict):
            raise AnswerError("choices that are none")
        if self.reads_text:
            return self._read(choices[0])
        if not self.chat:
            return True
        delta = choices[0].get("delta")
        if not isinstance(delta, dict):
            raise AnswerError("a choice without delta")
        says = any(value for name, value in delta.items() if name != "role")
        return says or "role" not in delta

    def _read(self, choice: dict[str, Any]) -> bool:
        """Keep a choice's text; whether there is any."""
        delta = choice.get("delta")
        said = (delta.get("content") if isinstance(delta, dict) else None) if self.chat else choice.get("text")
        if not isinstance(said, str | None):
            raise AnswerError("a text that is none")
        self.done = self.done or choice.get("finish_reason") is not None
        if said:
            self.texts.append(said)
        return bool(said)


@dataclass
class Events:
    """Bytes of a stream → payloads of its events. OpenAI's events have one ``data:`` line each."""

    _rest: bytes = b""

    def feed(self, received: bytes) -> Iterator[bytes]:
        """The payloads that are complete now. Raises AnswerError: a line has no end."""
        *lines, self._rest = (self._rest + received).split(b"\n")
        if len(self._rest) > MAX_EVENT:
            raise AnswerError(f"an event of more than {MAX_EVENT >> 20} MiB")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()


def error_text(document: dict[str, Any]) -> str:
    """What an error's JSON says: OpenAI's form, or vLLM's older one."""
    error = document.get("error")
    found = error.get("message") if isinstance(error, dict) else error or document.get("message")
    return str(found or "an error without a message")


def refusal(status: int, body: bytes) -> str:
    """What an HTTP status that is no success says; not cut, as all errors of a server."""
    try:
        document = json.loads(body)
        said = error_text(document) if isinstance(document, dict) else str(document)
    except (ValueError, RecursionError):
        said = body.decode(errors="replace").strip() or "no text"
    return f"HTTP {status}: {said}"


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
