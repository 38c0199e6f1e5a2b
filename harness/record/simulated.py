"""The folder of a simulated run: what the deployment's routers did over replicas without a model.

    simulated.json  what was simulated, with which engine, and the result (``SimulatedFacts``)
    requests.csv    of each request, in the order of arrivals: where it went, why, and what it found

Times are seconds of the virtual clock, ``wall_s`` aside. What every number means: docs/routing-simulation.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.record.replay import StepTime, checked, json_object
from harness.record.replay_rows import ReplayError
from harness.record.routing_tables import STRATEGIES
from harness.record.slotcheck import SlotError
from harness.record.tables import Cell, Table, read_table
from harness.record.versioned import read_versioned, write_facts

SCHEMA_VERSION = 1  # 2026-11-29
FILE = "simulated.json"
RESULT = "result.json"  # the worker's; simulated.json takes its place
FOLLOWED = "followed"  # the reason of a request that went where a real router had sent it
MOST_REPLICAS = 4096
_COUNT = 1e15
_MAX_BYTES = 1 << 20

REQUESTS = Table(
    "requests.csv",
    {
        "request": int,
        "replica": int,
        "reason": str,
        "matched": int,  # of ``of``, in ``unit``; 0 of 0 where a strategy matches nothing
        "of": int,
        "unit": str,
        "prompt_tokens": int,
        "cached_tokens": int,
        "sent_s": float,
        "waited_s": float,  # at the router
        "queued_s": float,  # at the replica, until its first step
        "ttft_s": float,  # from sent_s on
    },
    {"sent_s": "s since begin", "waited_s": "s", "queued_s": "s", "ttft_s": "s"},
    dict.fromkeys(("request", "replica", "matched", "of", "prompt_tokens", "cached_tokens"), _COUNT),
)


@dataclass(frozen=True)
class SimulationParameters:
    """What is simulated. ``num_blocks`` of each replica as vLLM counts them, its null block included."""

    strategy: str
    replicas: int
    num_blocks: int
    router: dict[str, Any]  # the router's parameters
    seed: int = 0  # of the router's own chances, and of the replicas' names
    block_size: int = 16  # tokens
    prefix_caching: bool = True
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 8192
    max_ongoing_requests: int | None = None  # of a replica, at the router; None: Ray Serve LLM's default, 1e9
    max_concurrency: int | None = None  # of the client; None: it sends each request at its arrival
    step_time: StepTime = field(default_factory=StepTime)


@dataclass(frozen=True)
class SimulationResult:
    """What came of it; lists are of the replicas, in their order."""

    requests: list[int]
    prompt_tokens: list[int]
    hit_tokens: list[int]
    queries: int  # tokens that were looked for in a cache, at each request's first admission
    hits: int  # of them found
    hit_rate: float
    imbalance: float  # most requests of a replica ÷ mean of all replicas
    ttft_mean_s: float
    ttft_median_s: float
    ttft_p99_s: float
    preemptions: int
    virtual_s: float
    wall_s: float


@dataclass(frozen=True)
class SimulatedFacts:
    """simulated.json. Absent is None, never 0."""

    started_at: str  # ISO 8601, UTC
    parameters: SimulationParameters
    trace: dict[str, Any]  # file (its name), sha256
    load: dict[str, Any] | None  # the same of the file that has the trace's text
    decisions: dict[str, Any] | None  # the same of the decisions that were followed in the router's place
    engine: dict[str, Any]  # pin, version, lock_sha256
    harness: dict[str, Any]
    result: SimulationResult
    schema_version: int = SCHEMA_VERSION

    def write(self, folder: Path) -> None:
        """Write ``folder/simulated.json``, schema version first."""
        write_facts(folder / FILE, self)


@dataclass(frozen=True)
class Simulated:
    """A simulated run; what its table says agrees with its result."""

    facts: SimulatedFacts
    requests: Sequence[tuple[Cell, ...]]  # rows of ``REQUESTS``


def read_simulated(folder: Path) -> Simulated:
    """Read the folder of a simulated run, which may come from anywhere.

    Raises:
        ReplayError: a file is absent or damaged, of an unknown schema, or the files contradict each other.
    """
    path = folder / FILE
    document = read_versioned(path, _MAX_BYTES, SCHEMA_VERSION, ReplayError)
    whole = checked(document, SimulatedFacts, {"parameters": dict, "result": dict}, str(path))
    facts = SimulatedFacts(
        **whole
        | {"parameters": _parameters(whole["parameters"], path), "result": _result(whole["result"], f"{path}: result")}
    )
    try:
        rows = read_table(REQUESTS, folder / REQUESTS.name)
    except SlotError as error:
        raise ReplayError(str(error)) from None
    _check(facts, rows, folder)
    return Simulated(facts, rows)


def read_result(path: Path) -> SimulationResult:
    """Read what a worker said of one simulation (its result.json). Raises ReplayError."""
    return _result(json_object(path), str(path))


def _result(document: dict[str, Any], where: str) -> SimulationResult:
    return SimulationResult(**checked(document, SimulationResult, {}, where))


def _parameters(document: dict[str, Any], path: Path) -> SimulationParameters:
    plain = checked(document, SimulationParameters, {"step_time": dict}, f"{path}: parameters")
    step_time = StepTime(**checked(plain["step_time"], StepTime, {}, f"{path}: step_time"))
    parameters = SimulationParameters(**plain | {"step_time": step_time})
    if parameters.strategy not in STRATEGIES or not 1 <= parameters.replicas <= MOST_REPLICAS:
        raise ReplayError(f"{path}: strategy must be one of {', '.join(STRATEGIES)}, replicas 1 to {MOST_REPLICAS}")
    return parameters


def _check(facts: SimulatedFacts, rows: Sequence[tuple[Cell, ...]], folder: Path) -> None:
    """Tokens and requests are the same in the table and in the result."""
    names, result = tuple(REQUESTS.columns), facts.result
    sums = {name: [0] * facts.parameters.replicas for name in ("requests", "prompt_tokens", "cached_tokens")}
    for number, row in enumerate(rows, start=2):
        cells: dict[str, Any] = dict(zip(names, row, strict=True))
        if cells["replica"] >= facts.parameters.replicas or cells["cached_tokens"] > cells["prompt_tokens"]:
            raise ReplayError(f"{folder / REQUESTS.name}:{number}: no such replica, or more cached than there is")
        for name in sums:
            sums[name][cells["replica"]] += 1 if name == "requests" else cells[name]
    twice = (
        ("requests", sums["requests"], result.requests),
        ("prompt_tokens", sums["prompt_tokens"], result.prompt_tokens),
        ("hit_tokens", sums["cached_tokens"], result.hit_tokens),
        ("queries", sum(result.prompt_tokens), result.queries),
        ("hits", sum(result.hit_tokens), result.hits),
    )
    for name, listed, said in twice:
        if listed != said:
            raise ReplayError(f"{folder}: {name} of {REQUESTS.name} and {FILE} differ")
    if not result.queries or not math.isclose(result.hit_rate, result.hits / result.queries, rel_tol=1e-9, abs_tol=0):
        raise ReplayError(f"{folder}: hit_rate is not its hits ÷ queries")
