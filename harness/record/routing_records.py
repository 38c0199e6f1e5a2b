"""What router and engines wrote of each request of a routing run, one record a line.

    decisions.jsonl  ``Choose``, ``Routed``, ``Done``, ``Died``, ``Replicas``: told apart by ``event``
    served.jsonl     ``Served``: a request that an engine finished
    samples.jsonl    ``Sample``: an engine's load and cache, at most every 0.1 s

``t`` is wall-clock seconds; lines are sorted by it. Reading and writing: ``routing_lines.py``. The client's lines are
``load_output.ClientRecord``.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Choose:
    """The strategy ranked replicas. ``queues``: requests that the router knew at each replica, None: it did not."""

    t: float
    request: str
    internal: str
    ranks: list[list[str]]
    reason: str
    queues: dict[str, int | None]
    matched: int | None  # of ``of``, in ``unit``, at the replica that has most, chosen or not
    of: int | None
    unit: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Routed:
    """A replica took the request: the truth about where it went. ``waited_s`` since its arrival at the router."""

    t: float
    request: str
    internal: str
    replica: str
    waited_s: float
    queues: dict[str, int | None]


@dataclass(frozen=True, slots=True)
class Done:
    """The router was told that a request ended, or that a replica rejected it."""

    t: float
    internal: str
    replica: str


@dataclass(frozen=True, slots=True)
class Died:
    """The router was told that a replica's actor died."""

    t: float
    replica: str


@dataclass(frozen=True, slots=True)
class Replicas:
    """The router's set of replicas, from now on."""

    t: float
    replicas: list[str]


@dataclass(frozen=True, slots=True)
class Served:
    """What an engine says of a request that it finished, at its end. ``request``: the x-request-id."""

    replica: str
    request: str
    t: float
    prompt_tokens: int
    output_tokens: int
    cached_tokens: int
    queued_s: float
    prefill_s: float
    decode_s: float
    inference_s: float
    e2e_s: float
    preemptions: int


@dataclass(frozen=True, slots=True)
class Sample:
    """An engine at one time. ``queries``, ``hits``: tokens looked up and found in the prefix cache since its start."""

    replica: str
    t: float
    running: int
    waiting: int
    kv_usage: float  # share of the blocks
    queries: int
    hits: int


Decision = Choose | Routed | Done | Died | Replicas
EVENTS: dict[str, type[Any]] = {
    "choose": Choose,
    "routed": Routed,
    "done": Done,
    "died": Died,
    "replicas": Replicas,
}
_ORDER = list(EVENTS.values())


def event_order(event: Decision) -> tuple[float, int]:
    """In time; of one time, a choice before what came of it."""
    return event.t, _ORDER.index(type(event))
