"""What client, router and engines wrote of each request of a routing run, one record a line.

    client.jsonl     ``ClientRecord``, in the order of phases and of the load
    decisions.jsonl  ``Choose``, ``Routed``, ``Done``, ``Died``, ``Replicas``: told apart by ``event``
    served.jsonl     ``Served``: a request that an engine finished
    samples.jsonl    ``Sample``: an engine's load and cache, at most every 0.1 s

``t`` is wall-clock seconds; all but the client's lines are sorted by it. Reading and writing: ``routing_lines.py``.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """What the client saw of a request; ``*_s`` but ``ttft_s``, ``e2e_s`` and ``itl_s`` since the phase began.

    ``prompt_tokens`` and ``cached_tokens`` are the answer's usage, None if it had none. ``itl_s``: seconds between
    chunks.
    """

    phase: str
    request: int
    request_id: str  # the x-request-id that was sent
    conversation: int
    piece: int
    status: str  # ok, failed, cancelled
    http_status: int | None
    error: str | None
    planned_s: float
    sent_s: float
    ended_s: float
    sent_at: float  # wall clock
    prompt_tokens: int | None
    output_tokens: int
    cached_tokens: int | None
    ttft_s: float | None
    e2e_s: float | None
    itl_s: list[float]


@dataclass(frozen=True, slots=True)
class Choose:
    """The strategy ranked replicas. ``queues``: requests that the router knew at each replica, None: it did not."""

    t: float
    request: str
    internal: str
    ranks: list[list[str]]
    reason: str
    queues: dict[str, int | None]
    matched: int | None  # of ``of``, in ``unit``
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
