"""A run of the feature matrix: ``runs/<node>/engine_anatomy/<case>/<repeat>/``.

feature.json   what was asked, and how it ended
measured.json  what the worker counted; only of an ok run
outputs.jsonl  its answers, one a line, in the order of the prompts; only of an ok run
engine.log     what the engine said
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from harness.record.anatomy_tables import STUDY
from harness.record.bounded import DECODER, UnreadableError, open_regular, read_object
from harness.record.feature_tables import FAILED, OK
from harness.record.plain import is_name, printable
from harness.record.versioned import check_fields, read_versioned, types_of, write_facts

# 2 (2026-11-30): runners_up beside gaps; drafted_by_position; failed_in may be draft.
# 1 (2026-11-29): first version.
SCHEMA_VERSION = 2
FILE, MEASURED, OUTPUTS, LOG = "feature.json", "measured.json", "outputs.jsonl", "engine.log"
_MAX_BYTES, _MAX_LINE, _MAX_OUTPUTS = 4 << 20, 4 << 20, 256 << 20
_MAX_NUMBER = 10**15
Record = TypeVar("Record")


class FeatureRunError(ValueError):
    """A run that cannot be used; the message, one printable line, names the file and what is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True)
class FeatureFacts:
    """feature.json. Absent is None, never 0. ``asked``: what of the declaration the run is of."""

    case: str
    run: int  # the repeat, from 1
    feature: str
    status: str  # ok, failed
    failed_in: str | None  # draft, start, answer
    reason: str | None
    started_at: str  # ISO 8601, UTC
    wall_s: float  # of the worker process, start and end included
    asked: dict[str, Any]
    engine: dict[str, Any]  # pin, version, lock_sha256
    model: dict[str, Any]  # name, twin, files_sha256
    node: dict[str, Any]
    harness: dict[str, Any]
    study: str = STUDY
    schema_version: int = SCHEMA_VERSION

    def write(self, folder: Path) -> None:
        """Write ``folder/feature.json``, schema version first. Raises OSError."""
        write_facts(folder / FILE, self)


@dataclass(frozen=True)
class Pass:
    """All prompts once. ``cpu_s``: of the engine's processes, ``spin_s`` of it; None: nothing can spin.

    ``drafted_by_position``, ``accepted_by_position``: drafted tokens, and those that were accepted, by their place in
    the draft; vLLM also counts tokens as accepted that lie beyond the answer's end. ``same_as_first``: answers that are
    those of the first measured pass.
    """

    wall_s: float
    cpu_s: float
    spin_s: float | None
    steps: int
    step_tokens: int
    drafts: int
    draft_tokens: int
    accepted_tokens: int
    accepted_by_position: list[int]
    drafted_by_position: list[int]
    prefix_queries: int
    prefix_hits: int
    same_as_first: int


@dataclass(frozen=True)
class Measured:
    """measured.json."""

    vllm: str
    start_s: float  # of ``LLM(…)``
    configured: dict[str, Any]
    made_pipeline_buffers: bool
    passes: list[Pass]


@dataclass(frozen=True)
class Output:
    """One greedy answer. ``nll`` (− log-probability of each token) and ``gaps`` (to the runner-up's) in nats.

    ``runners_up``: at each position the best token besides the answer's.
    They may be shorter than ``tokens``, where the pass that told them went another way; None: not told.
    """

    tokens: list[int]
    nll: list[float] | None
    gaps: list[float] | None
    runners_up: list[int] | None


@dataclass(frozen=True)
class FeatureRun:
    """A run as read; a failed one has neither ``measured`` nor ``outputs``."""

    facts: FeatureFacts
    measured: Measured | None
    outputs: list[Output]


def read_feature_run(folder: Path) -> FeatureRun:
    """Read a run, which may come from anywhere.

    Raises:
        FeatureRunError: absent, damaged, of another schema, or it contradicts itself.
    """
    facts = _facts(folder / FILE)
    if facts.status == FAILED:
        return FeatureRun(facts, None, [])
    measured = read_measured(folder / MEASURED)
    outputs = read_outputs(folder / OUTPUTS)
    if any(len(each.accepted_by_position) != len(each.drafted_by_position) for each in measured.passes):
        raise FeatureRunError(f"{folder / MEASURED}: accepted_by_position and drafted_by_position differ in length")
    if any(each.same_as_first > len(outputs) for each in measured.passes):
        raise FeatureRunError(f"{folder / MEASURED}: more answers than {OUTPUTS} has")
    if measured.passes[0].same_as_first != len(outputs):  # which is as its own first pass everywhere
        raise FeatureRunError(f"{folder / OUTPUTS}: more answers than the first pass gave")
    return FeatureRun(facts, measured, outputs)


def read_measured(path: Path) -> Measured:
    """Read measured.json. Raises FeatureRunError."""
    document = _object(path)
    passes = document.get("passes")
    if not isinstance(passes, list) or not passes or not all(isinstance(each, dict) for each in passes):
        raise FeatureRunError(f"{path}: passes must be a list of objects")
    found: Measured = _made(document | {"passes": []}, Measured, str(path))
    return Measured(**vars(found) | {"passes": [_made(each, Pass, f"{path}: passes") for each in passes]})


def read_outputs(path: Path) -> list[Output]:
    """Read outputs.jsonl. Raises FeatureRunError."""
    found: list[Output] = []
    try:
        with open_regular(path, _MAX_OUTPUTS) as file:
            while line := file.readline(_MAX_LINE + 1):
                where = f"{path}:{len(found) + 1}"
                document = DECODER.decode(line.decode("utf-8")) if line.endswith(b"\n") else None
                if not isinstance(document, dict):
                    raise FeatureRunError(f"{where}: cut off, too long, or not a JSON object")
                output: Output = _made(document, Output, where)
                if max(len(output.nll or []), len(output.gaps or [])) > len(output.tokens):
                    raise FeatureRunError(f"{where}: more log-probabilities than tokens")
                if len(output.gaps or []) != len(output.runners_up or []):
                    raise FeatureRunError(f"{where}: gaps and runners_up are not of one length")
                found.append(output)
    except UnreadableError as error:
        raise FeatureRunError(f"{path}: {error}") from None
    except OSError as error:
        raise FeatureRunError(f"{path}: not readable ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, FeatureRunError):
            raise
        raise FeatureRunError(f"{path}:{len(found) + 1}: not JSON ({printable(str(error), 100)})") from None
    return found


def _facts(path: Path) -> FeatureFacts:
    document = read_versioned(path, _MAX_BYTES, SCHEMA_VERSION, FeatureRunError)
    facts: FeatureFacts = _made(document, FeatureFacts, str(path))
    wrong = {
        f"study is {facts.study}, not {STUDY}": facts.study != STUDY,
        f"status must be {OK} or {FAILED}": facts.status not in (OK, FAILED),
        "run must be at least 1": facts.run < 1,
        "a failed run says where and why": facts.status == FAILED and not (facts.failed_in and facts.reason),
        "case and feature must be names": not (is_name(facts.case) and is_name(facts.feature)),
    }
    if problem := next((what for what, is_wrong in wrong.items() if is_wrong), None):
        raise FeatureRunError(f"{path}: {problem}")
    return facts


def _object(path: Path) -> dict[str, Any]:
    try:
        return read_object(path, _MAX_BYTES)
    except UnreadableError as error:
        raise FeatureRunError(f"{path}: {error}") from None


def _made(document: dict[str, Any], kind: type[Record], where: str) -> Record:
    """The document as a record with exactly these fields, in their types, and numbers that can be."""
    check_fields(document, types_of(kind), where, FeatureRunError, lambda _, value: _can_be(value))
    return kind(**document)


def _can_be(value: Any) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return all(0 <= each <= _MAX_NUMBER for each in numbers if isinstance(each, int | float))
