"""The shape of a corpus of dialogues: how long each message is, and how far a dialogue repeats an earlier one.

Numbers only: from a shape, ``generator.py`` makes dialogues that share prefixes as the corpus does. A dialogue is a
sequence of *symbols*, the tokens of each message and ``END`` after it; ``shared`` is the length of the longest prefix
that it has in common with any dialogue before it.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.workspace import ROOT

END = -1  # no token has this id
SHAPES = ROOT / "experiments" / "prefix_sharing" / "shapes"
DEFAULT_SHAPE = SHAPES / "taskmaster4.json"
WORDS = SHAPES / "words.txt"


@dataclass(frozen=True)
class Outline:
    """One dialogue's numbers."""

    shared: int  # symbols
    lengths: tuple[int, ...]  # tokens of each message, questions and answers in turns


@dataclass(frozen=True)
class Shape:
    """A corpus's numbers, in its own order: how much is shared depends on how many came before."""

    name: str
    outlines: tuple[Outline, ...]
    sha256: str
    facts: dict[str, Any]  # what the file says besides: source, tokenizer, hit shares


def outlines_of(dialogues: Iterable[Sequence[Sequence[int]]]) -> list[Outline]:
    """The outlines of dialogues, each a sequence of messages, each a sequence of token ids."""
    root: dict[int, Any] = {}
    outlines = []
    for messages in dialogues:
        node, shared, new = root, 0, False
        for symbol in symbols(messages):
            new = new or symbol not in node
            shared += not new
            node = node.setdefault(symbol, {})
        outlines.append(Outline(shared, tuple(map(len, messages))))
    return outlines


def symbols(messages: Iterable[Sequence[int]]) -> list[int]:
    """A dialogue as one sequence, ``END`` after each message."""
    return [symbol for message in messages for symbol in (*message, END)]


def load_shape(path: Path = DEFAULT_SHAPE) -> Shape:
    """A shape that ``experiments/prefix_sharing/make_shape.py`` wrote.

    Raises:
        HarnessError: the file is damaged.
    """
    try:
        content = path.read_bytes()
        document = json.loads(content)
        outlines = tuple(Outline(row[0], tuple(row[1:])) for row in document.pop("dialogues"))
        if not outlines or any(len(each.lengths) % 2 or min(each.lengths) < 1 for each in outlines):
            raise ValueError("no dialogues")
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read: {error.strerror}; take it from the repository again") from None
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise HarnessError(f"{path}: no shape of dialogues ({error}); take it from the repository again") from None
    return Shape(path.stem, outlines, hashlib.sha256(content).hexdigest(), document)


def load_words(path: Path = WORDS) -> list[str]:
    """The generator's words: plain English ones, each one token for most tokenizers, wherever it stands."""
    return path.read_text(encoding="utf-8").split()
