"""A server of the anatomy study, simulated step by step: what is planted is known.

Clients send in batches; each request goes through the API server, the engine core's input thread, steps of engine core
and worker in lock-step, and back.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

US = 1_000

PIDS = {"api": 100, "engine": 200, "worker": 300}


COSTS = {
    "http": 300, "tokenise": 150, "input": 100, "to_engine": 50, "engine_input": 80, "schedule": 60, "rpc": 20,
    "prepare": 200, "forward": 900, "logits": 150, "sample": 120, "reply": 30, "update": 40, "engine_output": 30,
    "from_engine": 40, "detokenise": 60, "stream_out": 70, "event_loop": 30, "hop": 30,
}  # fmt: skip  # microseconds


@dataclass(frozen=True)
class Wanted:
    """``costs`` replace some of ``COSTS``; ``sampled``: 20 ms of detail each 100 ms, else the whole window."""

    case: str = "anatomy-twin-01234567"
    repeat: int = 1
    concurrencies: tuple[int, ...] = (1, 4)
    batches: int = 3
    tokens: int = 6
    costs: Mapping[str, int] = field(default_factory=dict)
    sampled: bool = False
    twin: bool = True
    device: str = "cpu"
    workers: int = 1
    failed: bool = False
    cut_wait: bool = False  # the worker's first wait has no CPU of its own


@dataclass
class Truth:
    """What one level holds: CPU ns by role and stage, instants of each request, spin, and calls traced."""

    cpu: dict[str, defaultdict[str, float]] = field(default_factory=lambda: {role: defaultdict(float) for role in PIDS})
    requests: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    last: dict[str, int] = field(default_factory=dict)
    steps: int = 0


@dataclass
class Call:
    """A call to be traced."""

    stage: str
    begin: int
    end: int
    told: Any = None
    cpu: int | None = None  # of its own time; None: all of that
    inner: Sequence["Call"] = ()
    other: bool = False  # on another thread than the main one

    @property
    def own_wall(self) -> int:
        return self.end - self.begin - sum(call.end - call.begin for call in self.inner)

    @property
    def own_cpu(self) -> int:
        return self.own_wall if self.cpu is None else self.cpu


def simulate(wanted: Wanted, level: str, concurrency: int, begin: int) -> tuple[dict[str, list[Call]], Truth, int]:
    cost = {name: us * US for name, us in {**COSTS, **wanted.costs}.items()}
    calls: dict[str, list[Call]] = {role: [] for role in PIDS}
    truth = Truth()
    now, idle_from, wait_from = begin, begin - 5_000 * US, begin - 5_000 * US
    for batch in range(wanted.batches):
        ids = [f"{level}-{batch * concurrency + at}" for at in range(concurrency)]
        api = now + cost["hop"]
        for request in ids:
            api = _arrive(request, now, api, cost, calls, truth)
        at, waiting, left = min(truth.requests[each]["at_engine"] for each in ids), list(ids), {}
        calls["engine"].append(Call("idle", idle_from, at, cpu=0))
        while waiting or left:
            new = [each for each in waiting if truth.requests[each]["at_engine"] <= at]
            if not new and not left:
                at = min(truth.requests[each]["at_engine"] for each in waiting)
                continue
            waiting = [each for each in waiting if each not in new]
            step = _step(at, wait_from, new, [*left, *new], cost, calls, truth)
            at, wait_from = step
            for each in new:
                truth.requests[each]["scheduled"], truth.requests[each]["first"] = _last_step(calls)
                left[each] = wanted.tokens
            left = {each: tokens - 1 for each, tokens in left.items()}
            done = [each for each, tokens in left.items() if not tokens]
            api = _answer(at, api, new, [*left], done, cost, calls, truth)
            left = {each: tokens for each, tokens in left.items() if tokens}
        idle_from = at
        now = max(truth.last[each] for each in ids) + cost["hop"]
    calls["engine"].append(Call("idle", idle_from, now + 5_000 * US, cpu=0))
    return calls, truth, now


def _arrive(
    request: str, sent: int, at: int, cost: Mapping[str, int], calls: dict[str, list[Call]], truth: Truth
) -> int:
    """HTTP, a pool thread's tokenising, the engine's request; returns when the API server's main thread is free."""
    known = truth.requests[request]
    known["sent"], known["http"] = sent, at
    parsed = at + cost["http"]
    calls["api"].append(Call("http", at, parsed, {"request": request}))
    tokenised = parsed + cost["tokenise"]
    calls["api"].append(Call("tokenise", parsed, tokenised, other=True))
    made = tokenised + cost["input"]
    gone = made + cost["to_engine"]
    inner = [
        Call("input", tokenised, made, {"request": f"cmpl-{request}-0-0123abcd"}),
        Call("to_engine", made, gone),
    ]
    calls["api"].append(Call("http", tokenised, gone + 10 * US, inner=inner))
    known["made"] = made
    received = gone + cost["hop"]
    known["at_engine"] = received + cost["engine_input"]
    told = {"request": f"cmpl-{request}-0"}
    calls["engine"].append(Call("engine_input", received, known["at_engine"], told, other=True))
    return gone + 10 * US


def _step(
    at: int,
    wait_from: int,
    new: Sequence[str],
    running: Sequence[str],
    cost: Mapping[str, int],
    calls: dict[str, list[Call]],
    truth: Truth,
) -> tuple[int, int]:
    """One engine step; returns its end, and since when the worker waits."""
    named = [f"cmpl-{each}-0" for each in new]
    told = {"step": truth.steps, "new": named, "tokens": len(running) + 7 * len(new), "requests": len(running),
            "prefill": 8 * len(new)}  # fmt: skip
    scheduled = at + cost["schedule"]
    sent = scheduled + cost["rpc"]
    worker = sent + cost["hop"]
    calls["worker"].append(Call("worker_wait", wait_from, worker, cpu=(worker - wait_from) // 2))
    inner, cursor = [], worker
    for stage in ("prepare", "forward", "logits", "sample", "reply"):
        inner.append(Call(stage, cursor, cursor + cost[stage]))
        cursor += cost[stage] + 5 * US
    calls["worker"].append(Call("worker_loop", worker, cursor, inner=inner))
    answered = cursor + cost["hop"]
    updated = answered + cost["update"]
    parts = [
        Call("schedule", at, scheduled, told),
        Call("rpc", scheduled, sent),
        Call("engine_wait", sent, answered),
        Call("update", answered, updated, {"step": truth.steps, "first": named, "finished": []}),
    ]
    calls["engine"].append(Call("engine_loop", at, updated + 15 * US, inner=parts))
    truth.steps += 1
    return updated + 15 * US, cursor


def _last_step(calls: Mapping[str, Sequence[Call]]) -> tuple[int, int]:
    step = next(call for call in reversed(calls["engine"]) if call.stage == "engine_loop")
    return step.begin, step.inner[-1].end


def _answer(
    at: int,
    api: int,
    new: Sequence[str],
    running: Sequence[str],
    done: Sequence[str],
    cost: Mapping[str, int],
    calls: dict[str, list[Call]],
    truth: Truth,
) -> int:
    """A step's outputs go to the clients; returns when the API server's main thread is free."""
    out = at + cost["engine_output"]
    calls["engine"].append(Call("engine_output", at, out, other=True))
    begin = max(api, out + cost["hop"])
    decoded = begin + cost["from_engine"]
    processed = decoded + cost["detokenise"]
    told = {"first": [f"cmpl-{each}-0" for each in new], "finished": [f"cmpl-{each}-0" for each in done]}
    calls["api"] += [Call("from_engine", begin, decoded), Call("detokenise", decoded, processed, told)]
    cursor = processed
    for request in running:
        calls["api"].append(Call("stream_out", cursor, cursor + cost["stream_out"]))
        cursor += cost["stream_out"]
        if request in new:
            truth.requests[request] |= {"out_begin": decoded, "out_end": processed, "client": cursor}
        truth.last[request] = cursor
    truth.cpu["api"]["event_loop"] += cost["event_loop"]
    return cursor + cost["event_loop"]
