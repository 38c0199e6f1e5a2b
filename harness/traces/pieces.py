"""A load of conversations that grow: each is cut into its pieces (U1; U1 A1 U2; …), every piece is one request.

The answers inside a piece are the dialogue's own, so a piece's prompt begins with the whole prompt before it, and a
replica that has served that one finds it cached. Pieces of one conversation are sent in order, because nobody can go on
before having begun; which conversation is next is random, because many people talk at once: one conversation after
the other would let every router find the previous request's replica, whatever it knows about prefixes.
"""

import random
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import fmean
from typing import Any

from harness.errors import HarnessError
from harness.record.load import LoadParameters, LoadRow, Message
from harness.traces.dialogues import Dialogue

# As text, for /v1/completions. A prompt ends where the answer begins, so that the next one begins with it.
_TEXT = {"system": "{}\n", "user": "User: {}\n", "assistant": "Assistant: {}\n"}
_ANSWER = "Assistant:"


@dataclass(frozen=True, slots=True)
class Piece:
    """One request; ``messages`` end with a question."""

    conversation: int
    piece: int  # from 0
    messages: list[Message]


def chained(dialogues: Iterable[Dialogue], min_messages: int) -> Iterator[Dialogue]:
    """Dialogues joined, one behind the other, until each has so many messages; what is left in the end is not used."""
    turns: list[tuple[str, str]] = []
    system = None
    for dialogue in dialogues:
        system = system if turns else dialogue.system
        turns.extend(dialogue.turns)
        if 2 * len(turns) >= min_messages:
            yield Dialogue(tuple(turns), system)
            turns = []


def pieces_of(conversation: int, dialogue: Dialogue) -> Iterator[Piece]:
    """Every piece of a conversation, the shortest first."""
    said = [] if dialogue.system is None else [{"role": "system", "content": dialogue.system}]
    for number, (question, answer) in enumerate(dialogue.turns):
        said.append({"role": "user", "content": question})
        yield Piece(conversation, number, list(said))
        said.append({"role": "assistant", "content": answer})


def make_rows(dialogues: Iterable[Dialogue], parameters: LoadParameters) -> list[LoadRow]:
    """Exactly ``num_prompts`` requests in the order in which they are sent.

    Of the first ``max_conversations`` conversations those come whole, in an order drawn from the seed, until there are
    enough prompts; the last one perhaps not to its end. Conversations are numbered in that order.

    Raises:
        HarnessError: the conversations have too few prompts, or lengths of answers are impossible.
    """
    least, most = parameters.min_output_tokens, parameters.max_output_tokens
    if not 1 <= least <= most:
        raise HarnessError(f"answers of {least} to {most} tokens cannot be; give 1 ≤ min_output_tokens ≤ max")
    seed, wanted = parameters.seed, parameters.num_prompts
    conversations = list(islice(chained(dialogues, parameters.min_messages), parameters.max_conversations))
    random.Random(f"{seed} conversations").shuffle(conversations)
    everything = (piece for number, each in enumerate(conversations) for piece in pieces_of(number, each))
    found = list(islice(everything, wanted))
    if len(found) < wanted:
        have = f"{len(conversations)} conversations of at least {parameters.min_messages} messages have {len(found)}"
        raise HarnessError(f"{have} prompts, {wanted} are wanted; give more dialogues, or a smaller num_prompts")
    lengths = random.Random(f"{seed} output lengths")
    return [
        LoadRow(
            request=number,
            conversation=piece.conversation,
            piece=piece.piece,
            output_tokens=lengths.randint(least, most),
            prompt=None if parameters.chat else as_text(piece.messages),
            messages=piece.messages if parameters.chat else None,
        )
        for number, piece in enumerate(_mixed(found, random.Random(f"{seed} order")))
    ]


def as_text(messages: Iterable[Message]) -> str:
    """Messages as a prompt of plain text."""
    return "".join(_TEXT[each["role"]].format(each["content"]) for each in messages) + _ANSWER


def _mixed(pieces: list[Piece], chance: random.Random) -> Iterator[Piece]:
    """Random across conversations, in order inside one."""
    waiting: dict[int, deque[Piece]] = {}
    for piece in pieces:
        waiting.setdefault(piece.conversation, deque()).append(piece)
    owners = [piece.conversation for piece in pieces]
    chance.shuffle(owners)
    for owner in owners:
        yield waiting[owner].popleft()


def piece_facts(rows: list[LoadRow]) -> dict[str, Any]:
    """How many conversations a load has, and prompts of each."""
    prompts = Counter(row.conversation for row in rows)
    per_conversation = {"mean": fmean(prompts.values()), "min": min(prompts.values()), "max": max(prompts.values())}
    return {"prompts": len(rows), "conversations": len(prompts), "prompts_per_conversation": per_conversation}
