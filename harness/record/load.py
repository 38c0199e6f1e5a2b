"""A load: requests to a server, which they are and how they are sent. Format and meanings: docs/load.md.

A load file is JSONL, one request a line, in the order in which they are sent. It may come from anywhere: what is read
is checked, and what is missing has a default.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.record.bounded import DECODER, HALF_CHARACTER, UnreadableError, open_regular
from harness.record.plain import printable

MAX_BYTES = 16 << 30
MAX_LINE = 64 << 20  # a prompt of 5 million tokens
MAX_COUNT = 10**15
MAX_TOKENS = 10_000_000  # of a prompt or an answer
_INFINITE = "inf"  # as JSON, which has no such number
_CONTENT = "max_conversations num_prompts min_messages min_output_tokens max_output_tokens seed chat".split()

Message = dict[str, str]  # role and content


class LoadError(ValueError):
    """A load or a client's output that cannot be used; the message, one printable line, names the file and the line."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True)
class Sending:
    """How the requests of a load are sent."""

    request_rate: float = 100.0  # per second, Poisson; inf: all at once
    max_concurrency: int = 40  # requests that wait for their answers at once
    ignore_eos: bool = True  # answers are as long as they were asked for
    stream: bool = True
    chat: bool = False  # /v1/chat/completions
    seed: int = 0  # of arrivals and of who is cancelled
    cancel: float = 0.0  # share of the requests that the client drops after their first token
    timeout_s: float = 600.0  # of one request

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"request_rate": rate_as_json(self.request_rate)}

    def arguments(self) -> list[str]:
        """As options of ``python3 harness load``."""
        numbers = {
            "--request-rate": rate_as_json(self.request_rate),
            "--max-concurrency": self.max_concurrency,
            "--seed": self.seed,
            "--cancel": self.cancel,
            "--timeout": self.timeout_s,
        }
        switches = [
            "--ignore-eos" if self.ignore_eos else "--no-ignore-eos",
            *([] if self.stream else ["--no-stream"]),
            *(["--chat"] if self.chat else []),
        ]
        return [*(str(part) for option in numbers.items() for part in option), *switches]


@dataclass(frozen=True)
class LoadParameters:
    """Conversations cut into growing pieces: how many, how long, and how they are sent. Defaults: the original's."""

    max_conversations: int = 10_000
    num_prompts: int = 1_000
    min_messages: int = 2  # dialogues are chained until a conversation has so many
    min_output_tokens: int = 10  # lengths of answers are uniform
    max_output_tokens: int = 200
    request_rate: float = 100.0
    max_concurrency: int = 40
    ignore_eos: bool = True
    stream: bool = True
    chat: bool = False
    seed: int = 0
    cancel: float = 0.0
    timeout_s: float = 600.0

    @property
    def sending(self) -> Sending:
        """How the requests are sent."""
        names = Sending.__dataclass_fields__
        return Sending(**{name: value for name, value in asdict(self).items() if name in names})

    def content(self) -> dict[str, Any]:
        """What decides the load file's bytes."""
        return {name: getattr(self, name) for name in _CONTENT}


@dataclass(frozen=True, slots=True)
class LoadRow:
    """One request: either a prompt or messages."""

    request: int  # names it; no other one of the file has it
    conversation: int
    piece: int  # of the conversation, from 0
    output_tokens: int
    prompt: str | None = None
    messages: list[Message] | None = None
    prompt_tokens: int | None = None  # as the model's tokenizer counts them; None: unknown

    def document(self) -> dict[str, Any]:
        """The line; what is not there is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def read_load(path: Path, output_tokens: int | None = None, limit: int | None = None) -> list[LoadRow]:
    """The requests of a load file, the first ``limit`` of them; ``output_tokens``: of lines that do not say it.

    Raises:
        LoadError: it cannot be read, is empty, or holds a line that is no request.
    """
    rows: list[LoadRow] = []
    known: set[int] = set()
    for number, found in json_lines(path):
        if limit is not None and len(rows) == limit:
            break
        try:
            row = _row(found, len(rows), output_tokens)
            if row.request in known:
                raise ValueError(f"request {row.request} stands on an earlier line, too")
        except ValueError as error:
            raise LoadError(f"{path}: line {number}: {error}") from None
        known.add(row.request)
        rows.append(row)
    if not rows:
        raise LoadError(f"{path}: no request in it")
    return rows


def _row(found: dict[str, Any], place: int, output_tokens: int | None) -> LoadRow:
    prompt, messages = found.get("prompt"), found.get("messages")
    if (prompt is None) == (messages is None):
        raise ValueError("a request has either a prompt or messages")
    if prompt is not None and (not isinstance(prompt, str) or not prompt or HALF_CHARACTER.search(prompt)):
        raise ValueError("prompt must be text, and not empty")
    request = whole(found.get("request", place), "request", 0)
    length = found.get("output_tokens", output_tokens)
    if length is None:
        raise ValueError("no output_tokens, and --output-tokens does not say how many")
    return LoadRow(
        request=request,
        conversation=whole(found.get("conversation", request), "conversation", 0),
        piece=whole(found.get("piece", 0), "piece", 0),
        output_tokens=whole(length, "output_tokens", 1, MAX_TOKENS),
        prompt=prompt,
        messages=None if messages is None else _messages(messages),
        prompt_tokens=optional(whole, found.get("prompt_tokens"), "prompt_tokens", 1, MAX_TOKENS),
    )


def _messages(found: Any) -> list[Message]:
    if not isinstance(found, list) or not found:
        raise ValueError("messages must be a list, and not empty")
    for message in found:
        if not isinstance(message, dict) or {"role", "content"} != message.keys():
            raise ValueError("a message has role and content, and nothing else")
        if not all(isinstance(text, str) and not HALF_CHARACTER.search(text) for text in message.values()):
            raise ValueError("role and content must be text")
    if not any(message["content"] for message in found):
        raise ValueError("messages must say something")  # Ray's prefix router never answers a request without text
    return found


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and JSON object of each line, read one at a time.

    Raises:
        LoadError: the file cannot be read, or a line is no JSON object.
    """
    number = 0
    try:
        with open_regular(path, MAX_BYTES) as file:
            while line := file.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    raise LoadError(f"{path}: line {number}: longer than {MAX_LINE >> 20} MiB")
                document = DECODER.decode(line.decode("utf-8"))
                if not isinstance(document, dict):
                    raise LoadError(f"{path}: line {number}: not a JSON object")
                yield number, document
    except OSError as error:
        raise LoadError(f"{path}: cannot be read ({error.strerror})") from None
    except UnreadableError as error:
        raise LoadError(f"{path}: cannot be read ({error})") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, LoadError):
            raise
        raise LoadError(f"{path}: line {number}: not JSON ({printable(str(error), 100)})") from None


def optional(check: Any, value: Any, *how: Any) -> Any:
    """None, or what ``check`` makes of a value that is there."""
    return None if value is None else check(value, *how)


def whole(value: Any, name: str, least: int, most: int = MAX_COUNT) -> int:
    """A whole number between both. Raises ValueError."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most} (got {printable(repr(value), 40)})")
    return value


def number(value: Any, name: str, most: float = 1e12) -> float:
    """A finite number from 0 to ``most``. Raises ValueError."""
    if type(value) not in (int, float) or not 0 <= value <= most:
        raise ValueError(f"{name} must be a number from 0 to {most:g} (got {printable(repr(value), 40)})")
    return float(value)


def rate_as_json(rate: float) -> float | str:
    """A request rate as JSON and command lines write it."""
    return _INFINITE if math.isinf(rate) else rate
