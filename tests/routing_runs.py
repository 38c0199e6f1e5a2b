"""Runs of the routing study as they would be stored, made of nothing but seeds: what every file says agrees exactly."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.record.atomic import write_json
from harness.record.load_output import ClientRecord, ClientSummary
from harness.record.routing_facts import Phase, RoutingFacts, numbered
from harness.record.routing_lines import write_records
from harness.record.routing_records import Choose, Decision, Done, Replicas, Routed, Sample, Served
from harness.record.routing_run import (
    CLIENT_FILE,
    DECISIONS_FILE,
    METRICS_FILE,
    SAMPLES_FILE,
    SERVED_FILE,
    PhaseMetrics,
    RoutingRun,
)

T0 = 1_800_000_000.0
UNREACHED, REACHED, COUNTED = "unreached", "reached", "counted"  # of a request without an answer
_HISTOGRAMS = {
    "time_to_first_token_seconds": lambda s: s.queued_s + s.prefill_s,
    "e2e_request_latency_seconds": lambda s: s.e2e_s,
    "request_queue_time_seconds": lambda s: s.queued_s,
    "request_inference_time_seconds": lambda s: s.inference_s,
    "request_prefill_time_seconds": lambda s: s.prefill_s,
    "request_decode_time_seconds": lambda s: s.decode_s,
}


@dataclass(frozen=True)
class Wanted:
    """``failed`` and ``cancelled``: request → how far it came."""

    strategy: str = "power-of-two"
    repeat: int = 1
    requests: int = 8
    replicas: int = 2
    phases: tuple[str, ...] = ("cold",)
    label: str = "default"
    swaps: bool = False  # neighbours take each other's choices, as with Ray's FIFOMixin
    failed: Mapping[int, str] | None = None
    cancelled: Mapping[int, str] | None = None
    reuse: float = 0.5  # share of a prompt's blocks that are found cached


def make_run(wanted: Wanted | None = None) -> RoutingRun:
    """The run."""
    wanted = wanted or Wanted()
    ids = [f"replica-{number:02}" for number in range(wanted.replicas)]
    chance = random.Random(f"{wanted.strategy} {wanted.repeat}")
    decisions: list[Decision] = [Replicas(T0 - 20, list(ids))]
    served = [_served(f"check-{k}", replica, T0 - 10 + k, 20, 0, 4, 0.1) for k, replica in enumerate(ids)]
    client: list[ClientRecord] = []
    totals = {replica: Counter[str]() for replica in ids}
    for record in served:
        _count(totals[record.replica], record)
    metrics, phases = {}, []
    for at, name in enumerate(wanted.phases):
        begin = T0 + 100 * at
        before = {replica: dict(counter) for replica, counter in totals.items()}
        records = []
        lengths = random.Random(wanted.repeat)  # the same for every strategy and phase
        for request in range(wanted.requests):
            made = _request(wanted, name, request, begin, ids, chance, lengths)
            records.append(made[0])
            decisions += made[1]
            if made[2] is not None:
                _count(totals[made[2].replica], made[2])
                if made[0].status == "ok":
                    served.append(made[2])
        metrics[name] = PhaseMetrics(before, {replica: dict(counter) for replica, counter in totals.items()})
        end = begin + max((record.ended_s for record in records), default=0.0) + 0.5
        phases.append(Phase(name, begin, end, _summary(records, begin).document()))
        client += records
    return RoutingRun(
        _facts(wanted, ids, phases),
        client,
        sorted(_swapped(decisions) if wanted.swaps else decisions, key=lambda event: event.t),
        sorted(served, key=lambda record: record.t),
        _samples(served, ids, phases),
        metrics,
    )


def write_run(run: RoutingRun, folder: Path) -> Path:
    """Store the run in a new folder."""
    folder.mkdir(parents=True)
    run.facts.write(folder)
    write_records(folder / CLIENT_FILE, run.client)
    write_records(folder / DECISIONS_FILE, run.decisions)
    write_records(folder / SERVED_FILE, run.served)
    write_records(folder / SAMPLES_FILE, run.samples)
    write_json(folder / METRICS_FILE, {phase: asdict(told) for phase, told in run.metrics.items()})
    return folder


def _request(
    wanted: Wanted,
    phase: str,
    request: int,
    begin: float,
    ids: list[str],
    chance: random.Random,
    lengths: random.Random,
) -> tuple[ClientRecord, list[Decision], Served | None]:
    name, internal = f"{phase}-{request}", f"internal-{phase}-{request}"
    status, far = "ok", COUNTED
    for kind, of in (("failed", wanted.failed or {}), ("cancelled", wanted.cancelled or {})):
        if request in of:
            status, far = kind, of[request]
    replica = chance.choice(ids)
    blocks, output = lengths.randint(2, 9), lengths.randint(2, 9)
    prompt = 32 * blocks + lengths.randint(1, 31)
    cached = 32 * int(blocks * wanted.reuse)
    planned = request * 0.125
    arrived, waited, queued = begin + planned + 0.0625, 0.015625 * chance.randint(0, 4), 0.03125 * chance.randint(0, 4)
    record = _served(name, replica, 0.0, prompt, cached, output, queued)
    ttft = waited + queued + record.prefill_s + 0.0078125
    e2e = ttft + record.decode_s
    finished = arrived + waited + record.e2e_s
    queues = {each: chance.randint(0, 5) for each in ids}
    rule, ranks = f"{wanted.strategy} rule", [list(ids)]
    events: list[Decision] = [
        Choose(arrived, name, internal, ranks, rule, dict(queues), cached, prompt, "tokens", 0.002)
    ]
    if far != UNREACHED:
        events.append(Routed(arrived + waited, name, internal, replica, waited, dict(queues)))
        events.append(Done(finished, internal, replica))
    is_ok = status == "ok"
    client = ClientRecord(
        request=request,
        request_id=name,
        conversation=request // 2,
        piece=request % 2,
        status=status,
        http_status=200 if is_ok else None,
        error="connection closed" if status == "failed" else None,
        planned_s=planned,
        sent_s=planned + 0.03125,
        ended_s=planned + 0.03125 + e2e,
        sent_at=begin + planned + 0.03125,
        prompt_tokens=prompt if is_ok else None,
        output_tokens=output if is_ok else 0,
        cached_tokens=cached if is_ok else None,
        ttft_s=ttft if is_ok else None,
        e2e_s=e2e if is_ok else None,
        itl_s=[record.decode_s / (output - 1)] * (output - 1) if is_ok else [],
        phase=phase,
    )
    return client, events, _ended(record, finished) if far == COUNTED else None


def _served(request: str, replica: str, t: float, prompt: int, cached: int, output: int, queued: float) -> Served:
    prefill, decode = (prompt - cached) * 2**-10, (output - 1) * 2**-5
    inference = prefill + decode
    times = (queued, prefill, decode, inference, queued + inference)
    return Served(replica, request, t, prompt, output, cached, *times, 0)


def _ended(record: Served, t: float) -> Served:
    return replace(record, t=t)


def _count(counter: Counter[str], record: Served) -> None:
    counter["vllm:prompt_tokens_total"] += record.prompt_tokens
    counter["vllm:generation_tokens_total"] += record.output_tokens
    counter["vllm:request_success_total"] += 1
    counter["vllm:prefix_cache_queries_total"] += record.prompt_tokens
    counter["vllm:prefix_cache_hits_total"] += record.cached_tokens
    counter["vllm:num_preemptions_total"] += record.preemptions
    for name, seconds in _HISTOGRAMS.items():
        counter[f"vllm:{name}_sum"] += seconds(record)
        counter[f"vllm:{name}_count"] += 1


def _swapped(decisions: list[Decision]) -> list[Decision]:
    """Requests that were routed at their arrivals' pace, but each by the choice of its neighbour."""
    chosen = [event for event in decisions if isinstance(event, Choose)]
    other = {one.request: two for one, two in zip(chosen[::2], chosen[1::2], strict=False)}
    other |= {two.request: one for one, two in zip(chosen[::2], chosen[1::2], strict=False)}
    return [
        replace(event, request=other[event.request].request, internal=other[event.request].internal)
        if isinstance(event, Choose) and event.request in other
        else event
        for event in decisions
    ]


def _samples(served: list[Served], ids: list[str], phases: list[Phase]) -> list[Sample]:
    """Four a second."""
    found = []
    for phase in phases:
        for step in range(int((phase.end_at - phase.begin_at) * 4) + 1):
            t = phase.begin_at + step / 4
            for replica in ids:
                own = [record for record in served if record.replica == replica]
                running = sum(record.t - record.inference_s <= t < record.t for record in own)
                waiting = sum(record.t - record.e2e_s <= t < record.t - record.inference_s for record in own)
                done = [record for record in own if record.t <= t]
                tokens = (sum(r.prompt_tokens for r in done), sum(r.cached_tokens for r in done))
                found.append(Sample(replica, t, running, waiting, min(1.0, running / 8), *tokens))
    return found


def _summary(records: list[ClientRecord], begin: float) -> ClientSummary:
    counts = Counter(record.status for record in records)
    return ClientSummary(
        begin_at=begin,
        wall_s=max((record.ended_s for record in records), default=0.0),
        cpu_s=0.125,
        send_error_s={"median": 0.001, "p99": 0.002, "max": 0.004},
        held_back=0,
        requests=len(records),
        completed=counts["ok"],
        failed=counts["failed"],
        cancelled=counts["cancelled"],
        parameters={"request_rate": 8.0},
    )


def _facts(wanted: Wanted, ids: list[str], phases: list[Phase]) -> RoutingFacts:
    return RoutingFacts(
        case=f"{wanted.strategy}-{wanted.label}-0123abcd",
        run=wanted.repeat,
        strategy=wanted.strategy,
        label=wanted.label,
        status="ok",
        failed_in=None,
        reason=None,
        started_at="2026-11-29T10:00:00+00:00",
        router={"class": "ray.serve.SomeRouter", "parameters": {"imbalanced_threshold": "inf"}},
        parameters={
            "replicas": wanted.replicas,
            "max_ongoing_requests": 20,
            "with_warmup": len(phases) > 1,
            "load": {"num_prompts": wanted.requests, "min_output_tokens": 2, "seed": wanted.repeat - 1},
            "engine": {"block_size": 32, "enable_prefix_caching": True},
        },
        engine={"pin": "ray-2.60-vllm-0.32.0-cpu", "version": "0.32.0", "lock_sha256": "ab" * 32},
        model={"name": "qwen2.5-0.5b", "twin": True, "files_sha256": "cd" * 32},
        node={"id": "node-0123456789ab", "cpu_model": "Example CPU", "gpus": []},
        harness={"version": "0.7.0", "commit": None, "dirty": False},
        replicas=numbered(ids),
        phases=phases,
    )
