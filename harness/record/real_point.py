"""A point of the head-room study on a real engine: a token trace served by it, step by step.

    real.json        what was asked, of which model and engine, and what was counted (``RealFacts``)
    steps.csv        every engine step: when, how long, and what it computed (``StepRow``)
    requests.csv     as a replay's (harness/record/replay_rows.py), and so are reuse_gaps, block_hits and occupancy
    trace.jsonl      the trace with what the model sampled: what a replay must be given to do the same
    steps.jsonl      what each step scheduled, preempted and found cached, as a replay writes it
    events.jsonl.gz  if it was asked for: as a replay's

Times but those of steps.csv are in seconds since the point's begin, or, with arrivals by "steps", in engine steps done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.record.plain import printable
from harness.record.replay import Counters, checked, json_object
from harness.record.replay_rows import OccupancyRow, ReplayError, RequestRow, read_rows, read_table
from harness.record.versioned import read_versioned, write_facts

# 1 (2026-11-29): first version.
SCHEMA_VERSION = 1
FILE = "real.json"
STEPS = "steps.csv"
COUNTED = "counted.json"  # of the worker, before real.json takes its place
ARRIVALS = ("steps", "seconds")
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class RealEngine:
    """How the engine is configured; points that agree in it share one. ``num_blocks`` with vLLM's null block."""

    num_blocks: int
    max_model_len: int  # tokens
    block_size: int = 32  # tokens; vLLM's CPU engine takes multiples of 32
    prefix_caching: bool = True
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 8192


@dataclass(frozen=True)
class RealParameters:
    """What a point is."""

    engine: RealEngine
    arrivals: str  # of ARRIVALS
    headroom: dict[str, Any] | None = None  # harness/record/headroom_spec.py; None: the watermark alone
    watermark: float = 0.0  # share of the blocks that a new request must leave free
    limit: int | None = None  # only so many requests of the trace


@dataclass(frozen=True)
class Seconds:
    """Where the point's time went; what is left of ``wall_s`` is the loop around the engine."""

    wall_s: float
    step_s: float  # in engine steps, and before each handing over the requests that were due
    step_cpu_s: float  # processor time of these: what is missing, other programs had
    adding_s: float  # handing over requests; of step_s
    idle_s: float  # nothing to do before the next arrival


@dataclass(frozen=True)
class RealFacts:
    """real.json. Absent is None, never 0. ``counters`` as a replay's: ``virtual_s`` is the end on the point's clock."""

    started_at: str  # ISO 8601, UTC
    parameters: RealParameters
    trace: dict[str, Any]  # as a replay's
    model: dict[str, Any]  # name, twin, files_sha256
    engine: dict[str, Any]  # pin, version, lock_sha256
    harness: dict[str, Any]
    counters: Counters
    seconds: Seconds
    schema_version: int = SCHEMA_VERSION

    def write(self, folder: Path) -> None:
        """Write ``folder/real.json``, schema version first."""
        write_facts(folder / FILE, self)


@dataclass(frozen=True, slots=True)
class StepRow:
    """One engine step that computed something. ``seconds``: handing over what was due, and ``LLMEngine.step()``."""

    step: int
    begin_s: float
    seconds: float
    prefill_tokens: int
    decode_seqs: int
    context_tokens: int  # attended to, summed over its sequences, its own tokens included
    preempted: int


@dataclass(frozen=True)
class RealPoint:
    """A point's folder; what its tables say agrees with its counters."""

    facts: RealFacts
    requests: Sequence[RequestRow]
    steps: Sequence[StepRow]
    occupancy: Sequence[OccupancyRow]


def read_real_point(folder: Path) -> RealPoint:
    """Read a point's folder, which may come from anywhere.

    Raises:
        ReplayError: a file is absent or damaged, of an unknown schema, or the files contradict each other.
    """
    point = RealPoint(
        _read_facts(folder / FILE),
        read_rows(folder, RequestRow),
        read_steps(folder),
        read_rows(folder, OccupancyRow),
    )
    counters, requests, steps = point.facts.counters, point.requests, point.steps
    for what, counted, listed in (
        ("requests", counters.requests, len(requests)),
        ("finished requests", counters.finished, len(requests)),
        ("prompt tokens", counters.prompt_tokens, sum(row.prompt_tokens for row in requests)),
        ("output tokens", counters.output_tokens, sum(row.output_tokens for row in requests)),
        ("preemptions of requests", counters.preemptions, sum(row.preemptions for row in requests)),
        ("preemptions of steps", counters.preemptions, sum(row.preempted for row in steps)),
        ("steps", counters.steps, len(steps)),
        ("prefill tokens", counters.prefill_tokens_scheduled, sum(row.prefill_tokens for row in steps)),
        ("decode tokens", counters.decode_tokens_scheduled, sum(row.decode_seqs for row in steps)),
    ):
        if counted != listed:
            raise ReplayError(f"{folder}: {what} of its tables are {listed}, {FILE} counts {counted}")
    return point


def read_steps(folder: Path) -> list[StepRow]:
    """The steps of a point's folder. Raises ReplayError: absent, damaged, or not one after the other."""
    rows = read_table(folder / STEPS, StepRow)
    end = 0.0
    for number, row in enumerate(rows):
        if row.step != number or row.begin_s < end:
            raise ReplayError(f"{folder / STEPS}:{number + 2}: step {row.step} does not follow the one before it")
        end = row.begin_s + row.seconds * (1 - 1e-6) - 1e-6  # written with nine digits
    return rows


def read_counted(folder: Path) -> tuple[Counters, Seconds]:
    """What a worker counted in a folder that has no real.json yet. Raises ReplayError."""
    path = folder / COUNTED
    document = json_object(path)
    if document.keys() != {"counters", "seconds"} or not all(isinstance(each, dict) for each in document.values()):
        raise ReplayError(f"{path}: it does not say what was counted")
    counters = Counters(**checked(document["counters"], Counters, {}, f"{path}: counters"))
    return counters, Seconds(**checked(document["seconds"], Seconds, {}, f"{path}: seconds"))


def _read_facts(path: Path) -> RealFacts:
    document = read_versioned(path, _MAX_BYTES, SCHEMA_VERSION, ReplayError)
    whole = checked(document, RealFacts, dict.fromkeys(("parameters", "counters", "seconds"), dict), str(path))
    parameters = checked(whole["parameters"], RealParameters, {"engine": dict}, f"{path}: parameters")
    engine = RealEngine(**checked(parameters["engine"], RealEngine, {}, f"{path}: engine"))
    if parameters["arrivals"] not in ARRIVALS:
        raise ReplayError(f"{path}: arrivals are by {printable(parameters['arrivals'], 40)}, not {', '.join(ARRIVALS)}")
    return RealFacts(
        **whole
        | {
            "parameters": RealParameters(**parameters | {"engine": engine}),
            "counters": Counters(**checked(whole["counters"], Counters, {}, f"{path}: counters")),
            "seconds": Seconds(**checked(whole["seconds"], Seconds, {}, f"{path}: seconds")),
        }
    )
