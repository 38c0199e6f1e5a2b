"""A run of the engine comparison: every target at every concurrency once, one after the other.

    comparison.json  ``ComparisonFacts``
    client.jsonl     what the client saw (``load_output.ClientRecord``, texts kept); phase: TARGET/cN
    tokens.json      request id → token ids of its answer's text, by one tokenizer; absent: none was named, or it failed

A target that was not there, too slow or not understood has a gap with its reason, and no records beyond it. No address
of a target is kept: it names hosts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.record.anatomy_tables import STUDY
from harness.record.bounded import UnreadableError, read_object
from harness.record.load import LoadError
from harness.record.load_output import ClientRecord, ClientSummary, read_records, summary_of
from harness.record.plain import is_name, printable
from harness.record.runcheck import fits
from harness.record.versioned import check_fields, read_versioned, types_of, write_facts

# 1 (2026-11-30): first version.
SCHEMA_VERSION = 1
FILE, CLIENT_FILE, TOKENS_FILE = "comparison.json", "client.jsonl", "tokens.json"
OK, FAILED = "ok", "failed"
UNCOUNTED = "failed"  # of a tokenizer
_MAX_BYTES = 256 << 20


class ComparisonError(ValueError):
    """A run that cannot be used; the message names the file and what is wrong."""


@dataclass(frozen=True)
class TargetFacts:
    """A target. Absent is None."""

    name: str
    kind: str  # of an engine that was started here; else: external
    model: str | None  # as it is asked for
    engine: dict[str, Any] | None  # of one that was started here: build, version, lock_sha256, arguments
    ready_s: float | None  # of one that was started here: from exec to the first 200 of /health
    gap: str | None  # why it is not measured, or not to the end


@dataclass(frozen=True)
class Level:
    """One target at one concurrency. CPU seconds are of process trees; None: it was not started here."""

    target: str
    concurrency: int
    place: int  # in the order of measuring, from 0
    client: dict[str, Any]  # the document of a ``ClientSummary``
    cpu_s: float | None  # of the target
    others_cpu_s: float | None  # of the other engines that were started here: what disturbed it

    @property
    def phase(self) -> str:
        """Of its records."""
        return phase_of(self.target, self.concurrency)

    @property
    def summary(self) -> ClientSummary:
        """What the client says. Raises ValueError: the document is none."""
        return summary_of(self.client)


@dataclass(frozen=True)
class ComparisonFacts:
    """comparison.json. ``greedy``: target → token ids of its greedy answers to the same prompts, as it tells them."""

    case: str
    run: int  # the repeat, from 1: it decides the prompts
    status: str  # ok: no target has a gap
    started_at: str  # ISO 8601, UTC
    parameters: dict[str, Any]
    tokenizer: dict[str, Any] | None  # name, sha256 of tokenizer.json; UNCOUNTED: true where it failed
    model: dict[str, Any] | None  # of engines that were started here: name, twin, files_sha256
    node: dict[str, Any]
    harness: dict[str, Any]
    targets: list[TargetFacts]
    levels: list[Level]
    greedy: dict[str, list[list[int]]]
    study: str = STUDY
    schema_version: int = SCHEMA_VERSION

    def write(self, folder: Path) -> None:
        """Write comparison.json, schema version first."""
        write_facts(folder / FILE, self)


@dataclass(frozen=True)
class ComparisonRun:
    """A run as it was stored."""

    facts: ComparisonFacts
    records: Sequence[ClientRecord] = ()
    tokens: Mapping[str, Sequence[int]] | None = field(default=None)

    @property
    def uncounted(self) -> bool:
        """Whether tokens were to be counted by a tokenizer and could not be: then no number of it is of tokens."""
        return self.facts.tokenizer is not None and self.tokens is None

    def of(self, level: Level) -> list[ClientRecord]:
        """The records of one level."""
        return [record for record in self.records if record.phase == level.phase]


def phase_of(target: str, concurrency: int) -> str:
    """The phase of a target's records at a concurrency."""
    return f"{target}/c{concurrency}"


def read_comparison(folder: Path) -> ComparisonRun:
    """Read a run's folder, which may come from anywhere.

    Raises:
        ComparisonError: a file is damaged or of another schema, or files contradict each other.
    """
    facts = _facts(folder / FILE)
    try:
        records = read_records(folder / CLIENT_FILE)
        is_counted = facts.tokenizer is not None and not facts.tokenizer.get(UNCOUNTED)
        tokens = read_object(folder / TOKENS_FILE, _MAX_BYTES) if is_counted else None
        for level in facts.levels:
            told, found = level.summary.requests, sum(record.phase == level.phase for record in records)
            if told != found:
                raise ComparisonError(f"{folder / CLIENT_FILE}: {found} requests of {level.phase}, {FILE} says {told}")
    except ComparisonError:
        raise
    except (LoadError, UnreadableError, ValueError) as error:
        raise ComparisonError(f"{folder}: {error}") from None
    if tokens is not None and not fits(tokens, dict[str, list[int]]):
        raise ComparisonError(f"{folder / TOKENS_FILE}: must hold, by request id, token ids")
    return ComparisonRun(facts, records, tokens)


def _facts(path: Path) -> ComparisonFacts:
    found = read_versioned(path, _MAX_BYTES, SCHEMA_VERSION, ComparisonError)
    entries = list[dict[str, Any]]
    check_fields(found, types_of(ComparisonFacts, targets=entries, levels=entries), str(path), ComparisonError)
    if found["study"] != STUDY:
        raise ComparisonError(f"{path}: no comparison of engines, but of study {printable(found['study'], 40)}")
    targets = [TargetFacts(**_entry(path, "targets", each, TargetFacts)) for each in found["targets"]]
    levels = [Level(**_entry(path, "levels", each, Level)) for each in found["levels"]]
    names = [target.name for target in targets]
    if not all(map(is_name, names)) or any(level.target not in names for level in levels):
        raise ComparisonError(f"{path}: a level is of no target, or a target has no name")
    return ComparisonFacts(**found | {"targets": targets, "levels": levels})


def _entry(path: Path, name: str, entry: dict[str, Any], kind: type[Any]) -> dict[str, Any]:
    check_fields(entry, types_of(kind), f"{path}: {name}", ComparisonError)
    return entry
