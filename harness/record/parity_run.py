"""A comparison of vLLM with transformers on the same weights: ``runs/<node>/engine_anatomy/parity-…/1/``.

    parity.json       what was compared and how (``ParityFacts``)
    prompts.jsonl     the prompts, ``Prompt`` a line
    answers.jsonl     what vLLM answered to each, ``Answer`` a line; a failed run may lack it
    references.jsonl  what transformers says of each answer, ``Reference`` a line; a failed run lacks it

Log-probabilities are natural ones. n: tokens of an answer; k: tokens listed at each position, the chosen one first.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from harness.record.anatomy_tables import STUDY
from harness.record.atomic import write_json, write_text
from harness.record.bounded import DECODER, UnreadableError, open_regular, read_object
from harness.record.plain import printable
from harness.record.runcheck import fits

# 1 (2026-11-29): first version.
SCHEMA_VERSION = 1
FILE, PROMPTS, ANSWERS, REFERENCES = "parity.json", "prompts.jsonl", "answers.jsonl", "references.jsonl"
OK, FAILED = "ok", "failed"
_MAX_FACTS, _MAX_LINES, _MAX_LINE = 1 << 20, 1 << 30, 64 << 20
Line = TypeVar("Line", "Prompt", "Answer", "Reference")


class ParityRunError(ValueError):
    """A comparison that cannot be used; the message, one printable line, names the file and what is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True)
class Prompt:
    """A puzzle: what was asked, and the answer it has."""

    kind: str
    text: str
    answer: str


@dataclass(frozen=True)
class Answer:
    """vLLM's greedy answer. ``ids`` and ``log_p``: [n][k]; k is the same at every position."""

    prompt: list[int]
    tokens: list[int]
    ids: list[list[int]]
    log_p: list[list[float]]


@dataclass(frozen=True)
class Reference:
    """What transformers says on the same prefixes.

    ``best``, ``best_log_p``: [n][2] most likely tokens; ``log_p``: [n][k] of the tokens that vLLM listed; ``exact``:
    the same from the same weights, computed in a higher precision. ``tokens``: transformers' own greedy answer
    (of a twin it ends where the two part); ``texts``: vLLM's and transformers' answer.
    """

    best: list[list[int]]
    best_log_p: list[list[float]]
    log_p: list[list[float]]
    exact: list[list[float]]
    tokens: list[int]
    texts: list[str]


@dataclass(frozen=True)
class ParityFacts:
    """parity.json. Absent is None, never 0."""

    case: str
    status: str  # ok, failed
    failed_in: str | None  # plant, vllm, transformers
    reason: str | None
    started_at: str  # ISO 8601, UTC
    parameters: dict[str, Any]  # dtype, exact, prompts, tokens, listed, seed, plant {tensor, factor} or None
    model: dict[str, Any]  # name, twin, files_sha256
    engine: dict[str, Any]  # pin, version, lock_sha256, patches_sha256
    versions: dict[str, str]  # of vllm, torch, transformers, as imported; empty where vLLM did not answer
    chat: bool | None  # whether the prompts were put into the tokenizer's chat template
    seconds: dict[str, float]  # of each process, wall clock
    environment: dict[str, str]  # of both processes, beside what they inherit (harness/measure/inherited.py)
    node: dict[str, Any]
    harness: dict[str, Any]
    study: str = STUDY
    schema_version: int = SCHEMA_VERSION

    def write(self, folder: Path) -> None:
        """Write ``folder/parity.json``, schema version first. Raises OSError."""
        document = asdict(self)
        write_json(folder / FILE, {"schema_version": document.pop("schema_version"), **document})


@dataclass(frozen=True)
class ParityRun:
    """A complete comparison; its three lists belong together, prompt by prompt."""

    facts: ParityFacts
    prompts: Sequence[Prompt]
    answers: Sequence[Answer]
    references: Sequence[Reference]


def write_lines(path: Path, lines: Sequence[Prompt] | Sequence[Answer] | Sequence[Reference]) -> None:
    """One JSON object a line, atomically. Raises OSError; ValueError: a number that is none."""
    write_text(path, "".join(json.dumps(asdict(line), allow_nan=False, ensure_ascii=False) + "\n" for line in lines))


def lines_of(documents: Any, kind: type[Line], where: str) -> list[Line]:
    """Objects of one kind, as a worker or a file gives them.

    Raises:
        ParityRunError: one has other fields, or a value that cannot be, such as NaN (it is named).
    """
    if not isinstance(documents, list):
        raise ParityRunError(f"{where}: not a list")
    return [_line(each, kind, f"{where}, {number}") for number, each in enumerate(documents, start=1)]


def checked_run(
    facts: ParityFacts, prompts: Sequence[Prompt], answers: Sequence[Answer], references: Sequence[Reference]
) -> ParityRun:
    """The three lists, which belong together. Raises ParityRunError: they contradict each other."""
    if not len(prompts) == len(answers) == len(references):
        raise ParityRunError(f"{len(prompts)} prompts, {len(answers)} answers, {len(references)} references")
    for number, (answer, reference) in enumerate(zip(answers, references, strict=True), start=1):
        if problem := _problem(answer, reference):
            raise ParityRunError(f"answer {number}: {problem}")
    return ParityRun(facts, prompts, answers, references)


def read_parity_facts(folder: Path) -> ParityFacts:
    """Read ``folder/parity.json``. Raises ParityRunError: absent, damaged, or of another schema."""
    path = folder / FILE
    try:
        document = read_object(path, _MAX_FACTS)
    except UnreadableError as error:
        raise ParityRunError(f"{path}: {error}") from None
    if document.get("schema_version") != SCHEMA_VERSION:
        told = printable(repr(document.get("schema_version")), 40)
        raise ParityRunError(f"{path}: schema_version is {told}, this harness reads {SCHEMA_VERSION}")
    facts = _object(document, ParityFacts, str(path))
    if facts.status not in (OK, FAILED) or (facts.status == OK) != (facts.reason is None):
        raise ParityRunError(f"{path}: it does not say how it ended")
    return facts


def read_parity_run(folder: Path) -> ParityRun:
    """Read a complete comparison. Raises ParityRunError: a file is absent or damaged, or they contradict each other."""
    facts = read_parity_facts(folder)
    prompts = list(_read(folder / PROMPTS, Prompt))
    answers, references = list(_read(folder / ANSWERS, Answer)), list(_read(folder / REFERENCES, Reference))
    try:
        return checked_run(facts, prompts, answers, references)
    except ParityRunError as error:
        raise ParityRunError(f"{folder}: {error}") from None


def _read(path: Path, kind: type[Line]) -> Iterator[Line]:
    try:
        with open_regular(path, _MAX_LINES) as file:
            for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE), b""), start=1):
                yield _line(DECODER.decode(line.decode("utf-8")), kind, f"{path}, line {number}")
    except ParityRunError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise ParityRunError(f"{path}: not readable ({error})") from None


def _line(document: Any, kind: type[Line], where: str) -> Line:
    if not isinstance(document, dict):
        raise ParityRunError(f"{where}: not an object")
    return _object(document, kind, where)


Object = TypeVar("Object", Prompt, Answer, Reference, ParityFacts)


def _object(document: dict[str, Any], kind: type[Object], where: str) -> Object:
    types = {each.name: each.type for each in fields(kind)}
    if document.keys() != types.keys():
        raise ParityRunError(f"{where}: missing or unknown keys: {', '.join(sorted(document.keys() ^ types.keys()))}")
    for name, annotation in types.items():
        if not fits(document[name], annotation):
            raise ParityRunError(f"{where}: {name} has a value that cannot be (got {repr(document[name])[:80]})")
        if annotation == list[list[float]]:
            _check_finite(document[name], f"{where}: {name}")
    return kind(**document)


def _check_finite(rows: list[list[float]], where: str) -> None:
    """Raise ParityRunError where an engine gave no number: the plainest of the faults that are looked for."""
    for token, row in enumerate(rows, start=1):
        for value in row:
            if not math.isfinite(value):
                raise ParityRunError(f"{where} at token {token} is {value}: a log-probability that is no number")


def _problem(answer: Answer, reference: Reference) -> str | None:
    """What of an answer and its reference cannot be, in one line."""
    count = len(answer.tokens)
    if not count or not answer.prompt:
        return "empty"
    width = len(answer.ids[0]) if answer.ids else 0
    shapes = (
        ("ids", answer.ids, width),
        ("log_p", answer.log_p, width),
        ("log_p of the reference", reference.log_p, width),
        ("exact", reference.exact, width),
        ("best", reference.best, 2),
        ("best_log_p", reference.best_log_p, 2),
    )
    for name, rows, wide in shapes:
        if len(rows) != count or not wide or any(len(row) != wide for row in rows):
            return f"{name} is not {count} × {wide or 'k'}"
    if any(row[0] != token for row, token in zip(answer.ids, answer.tokens, strict=True)):
        return "the chosen token is not the first of the listed ones"
    return "it has not two texts" if len(reference.texts) != 2 else None
