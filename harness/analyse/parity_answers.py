"""The final answers to puzzles: what stands behind the last 'Answer:' (else 'answer is'), and whether it is right."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.record.parity_run import ParityRun
from harness.traces.puzzles import NAMES

_ANSWER = re.compile(r"\banswer\W{0,4}:(?P<said>[^\n]*)", re.IGNORECASE)  # also **Answer**: 4
_IS = re.compile(r"\banswer is\b(?P<said>[^\n]*)", re.IGNORECASE)  # for texts without the form that was asked for
_WORD = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True)
class Answered:
    """Final answers of both engines to the same puzzles."""

    puzzles: int
    given: tuple[int, int]  # by vLLM, by transformers: texts that have a final answer
    right: tuple[int, int]
    both: int  # puzzles to which both give one
    same: int  # of these: the same one


def final_answer(text: str, kind: str) -> str | None:
    """The final answer, as the puzzle writes it; None: the text gives none.

    ``kind`` says what an answer is: knights: names in alphabetical order or 'nobody'; order: one name; sums: a number.
    """
    found = list(_ANSWER.finditer(text)) or list(_IS.finditer(text))
    words = _WORD.findall(found[-1]["said"]) if found else []
    if kind == "sums":
        return next((word for word in words if word.isdigit()), None)
    names = [name for name in (word.capitalize() for word in words) if name in NAMES]
    if kind == "order":
        return names[0] if names else None
    if not names:
        return "nobody" if {word.lower() for word in words} & {"nobody", "none"} else None
    return ", ".join(sorted(set(names)))


def answered(run: ParityRun) -> Answered:
    """What the engines answered in the end."""
    both = [
        [final_answer(text, prompt.kind) for text in reference.texts]
        for prompt, reference in zip(run.prompts, run.references, strict=True)
    ]
    wanted: Sequence[str] = [prompt.answer for prompt in run.prompts]
    return Answered(
        puzzles=len(both),
        given=_counted([[each is not None for each in pair] for pair in both]),
        right=_counted([[each == want for each in pair] for pair, want in zip(both, wanted, strict=True)]),
        both=sum(None not in pair for pair in both),
        same=sum(None not in pair and pair[0] == pair[1] for pair in both),
    )


def _counted(pairs: Sequence[Sequence[bool]]) -> tuple[int, int]:
    return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
