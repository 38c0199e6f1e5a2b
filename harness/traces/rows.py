"""The two kinds of traces, row by row: recorded tokens, and Mooncake's block hashes. Format: docs/traces.md."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.errors import HarnessError
from harness.record.plain import is_name
from harness.traces.lines import (
    RowError,
    instant,
    json_object,
    kind_of,
    numbered_lines,
    present,
    shown,
    whole,
    wrong_row,
)

Format = Literal["tokens", "mooncake"]

MOONCAKE_BLOCK = 512  # tokens that one hash id stands for
MAX_TOKENS = 10_000_000  # of a prompt or of an answer
MAX_TOKEN_ID = 2**31 - 1
PREDICTED = "predicted_output_tokens"
MAX_HASH_ID = 2**53 - 1  # what every JSON reader keeps exactly


@dataclass(frozen=True)
class TokenRow:
    """One request whose tokens were recorded."""

    request_id: str
    session_id: str | None  # None = a session of its own
    turn: int  # from 1
    arrival_s: float  # after the trace's zero
    prompt_token_ids: list[int]
    output_token_ids: list[int]  # what the model answered
    predicted_output_tokens: int | None = None  # by somebody who did not know them; a head-room policy may use it

    @property
    def prompt_tokens(self) -> int:
        """Length of the prompt."""
        return len(self.prompt_token_ids)

    @property
    def output_tokens(self) -> int:
        """Length of the answer."""
        return len(self.output_token_ids)


@dataclass(frozen=True)
class MooncakeRow:
    """One request known by lengths and by one id for each 512 prompt tokens, the last block perhaps not full.

    An id stands for the content of its block and of all before it: equal ids, equal prefixes.
    """

    arrival_s: float
    prompt_tokens: int
    output_tokens: int
    hash_ids: list[int]

    @property
    def session_id(self) -> None:
        """Mooncake's traces name no sessions."""


Row = TokenRow | MooncakeRow


def read_trace(path: Path, seen: Callable[[bytes], object] = lambda _: None) -> Iterator[tuple[int, Row]]:
    """Line number and request of each row, read one at a time; ``seen`` gets every byte, for a checksum.

    The first row's keys decide on the format. Checks each row by itself; what holds between rows is ``check_trace``'s.

    Raises:
        HarnessError: the file cannot be read, is empty, or holds a row that is no request (``FILE: line 17: …``).
    """
    read: Callable[[dict[str, Any]], Row] | None = None
    for number, line in numbered_lines(path, seen):
        try:
            document = json_object(line)
            if read is None:
                read = token_row if format_of(document) == "tokens" else mooncake_row
            row = read(document)
        except RowError as error:
            raise wrong_row(path, number, str(error), "mend the trace, or make it again") from None
        yield number, row
    if read is None:
        raise HarnessError(f"{path}: an empty file is no trace; make one with `python3 harness workload make`")


def format_of(document: dict[str, Any]) -> Format:
    """The format of a trace whose first row this is. Raises RowError for one that is neither."""
    if "prompt_token_ids" in document:
        return "tokens"
    if "hash_ids" in document:
        return "mooncake"
    dialogues = {"conversations", "conversation", "items", "messages"} & document.keys()
    hint = ": these are dialogues, `python3 harness workload make` makes a trace of them" if dialogues else ""
    raise RowError(f"no trace format that is known (it has prompt_token_ids, or Mooncake's hash_ids){hint}")


def token_row(document: dict[str, Any]) -> TokenRow:
    """A request of recorded tokens. Raises RowError."""
    predicted = document.get(PREDICTED)
    return TokenRow(
        request_id=_name(document, "request_id"),
        session_id=None if document.get("session_id") is None else _name(document, "session_id"),
        turn=whole(document, "turn", 1, MAX_TOKENS),
        arrival_s=instant(document, "arrival_s"),
        prompt_token_ids=_ids(document, "prompt_token_ids", MAX_TOKEN_ID),
        output_token_ids=_ids(document, "output_token_ids", MAX_TOKEN_ID),
        predicted_output_tokens=predicted if predicted is None else whole(document, PREDICTED, 0, MAX_TOKENS),
    )


def mooncake_row(document: dict[str, Any]) -> MooncakeRow:
    """A request of a Mooncake trace, its timestamp (ms) in seconds. Raises RowError."""
    arrival_s = instant(document, "timestamp") / 1000
    prompt_tokens = whole(document, "input_length", 1, MAX_TOKENS)
    output_tokens = whole(document, "output_length", 1, MAX_TOKENS)
    hash_ids = _ids(document, "hash_ids", MAX_HASH_ID)
    wanted = -(-prompt_tokens // MOONCAKE_BLOCK)
    if len(hash_ids) != wanted:
        raise RowError(f"input_length {prompt_tokens} takes {wanted} hash_ids, there are {len(hash_ids)}")
    return MooncakeRow(arrival_s, prompt_tokens, output_tokens, hash_ids)


def _ids(document: dict[str, Any], key: str, most: int) -> list[int]:
    ids = present(document, key)
    if not isinstance(ids, list):
        raise RowError(f"{key} must be a list of whole numbers (got {kind_of(ids)})")
    if not 0 < len(ids) <= MAX_TOKENS:
        raise RowError(f"{key} must have 1 to {MAX_TOKENS} entries (it has {len(ids)})")
    # All at once first: traces have hundreds of millions of these.
    if set(map(type, ids)) != {int} or min(ids) < 0 or max(ids) > most:
        place, wrong = next((i, v) for i, v in enumerate(ids) if type(v) is not int or not 0 <= v <= most)
        raise RowError(f"{key}[{place}] must be a whole number from 0 to {most} (got {shown(wrong)})")
    return ids


def _name(document: dict[str, Any], key: str) -> str:
    name = present(document, key)
    if not isinstance(name, str) or not is_name(name):
        raise RowError(f"{key} must be printable text of at most 300 characters (got {shown(name)})")
    return name
