"""Dialogues in ShareGPT's form, both spellings of it; rows that are none are counted by reason, with their places."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.record.plain import printable
from harness.traces.dialogue_files import rows_of
from harness.traces.lines import RowError

KEYS = ("conversations", "conversation", "items", "messages")
Side = Literal["user", "assistant", "system"]
SIDES: dict[str, Side] = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bard", "bing", "assistant"), "assistant"),
    "system": "system",
}
PLACES = 3  # how many of a reason's rows are named
UNANSWERED = "its last question has no answer: that one is left out"


@dataclass(frozen=True)
class Dialogue:
    """Questions with their answers, in turns."""

    turns: tuple[tuple[str, str], ...]
    system: str | None = None


@dataclass
class Tally:
    """Rows that are no dialogue (``bad``) or only partly used (``shortened``): reason → number, first places."""

    bad: dict[str, dict[str, Any]] = field(default_factory=dict)
    shortened: dict[str, dict[str, Any]] = field(default_factory=dict)

    @staticmethod
    def count(where: dict[str, dict[str, Any]], reason: str, place: str) -> None:
        """Count one row."""
        known = where.setdefault(reason, {"rows": 0, "first": []})
        known["rows"] += 1
        if len(known["first"]) < PLACES:
            known["first"].append(place)

    @property
    def bad_rows(self) -> int:
        """How many rows are no dialogue."""
        return sum(each["rows"] for each in self.bad.values())

    def lines(self) -> list[str]:
        """One line for each reason, for people."""
        bad = [(f"{why}: not used", each) for why, each in self.bad.items()]
        told = [*bad, *self.shortened.items()]
        return [
            f"{each['rows']} row{'s' if each['rows'] > 1 else ''}, {why} "
            f"({', '.join(each['first'])}{', …' if each['rows'] > len(each['first']) else ''})"
            for why, each in told
        ]


def read_dialogues(path: Path, tally: Tally) -> Iterator[Dialogue]:
    """The dialogues of a file, one at a time; ``tally`` counts what is not used, as far as was read.

    Raises:
        HarnessError: the file cannot be read or holds something else than dialogues.
    """
    for place, found in rows_of(path):
        try:
            if isinstance(found, RowError):
                raise found
            dialogue, complete = dialogue_of(found)
        except RowError as error:
            tally.count(tally.bad, _kind(error), place)
            continue
        if not complete:
            tally.count(tally.shortened, UNANSWERED, place)
        yield dialogue


def _kind(error: RowError) -> str:
    """Its reason without what differs from row to row, which stands behind a colon or in brackets."""
    return str(error).partition(":")[0].partition(" (")[0]


def dialogue_of(row: dict[str, Any]) -> tuple[Dialogue, bool]:
    """The dialogue of a row, and whether it is all of it: a last question without an answer is left out.

    Raises:
        RowError: it is none.
    """
    messages = next((row[key] for key in KEYS if key in row), None)
    if not isinstance(messages, list) or not messages:
        raise RowError("no conversation")
    said = [_said(message) for message in messages]
    system = said.pop(0)[1] if said[0][0] == "system" else None
    if any(not text.strip() for _, text in said):
        raise RowError("empty text")
    if not said or said[0][0] != "user":
        raise RowError("does not begin with the human")
    if any(side != ("user", "assistant")[place % 2] for place, (side, _) in enumerate(said)):
        raise RowError("roles out of order")
    texts = [text for _, text in said]
    turns = tuple(zip(texts[::2], texts[1::2], strict=False))
    if not turns:
        raise RowError("no answer")
    return Dialogue(turns, system if system and system.strip() else None), len(texts) % 2 == 0


def _said(message: Any) -> tuple[Side, str]:
    """Who said what."""
    if not isinstance(message, dict):
        raise RowError("a message that is no object")
    role, text = message.get("from", message.get("role")), message.get("value", message.get("content"))
    if role is None or text is None:
        raise RowError("a message without role or text")
    if not isinstance(role, str) or role.lower() not in SIDES:
        raise RowError(f"unknown role ({printable(str(role), 40)})")
    if not isinstance(text, str):
        raise RowError("text that is not text")
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character pair, or a byte that is not UTF-8
        raise RowError("text that is no Unicode") from None
    return SIDES[role.lower()], text
