"""Made-up points and a slot of the head-room figure: effects that are planted, so that what finds them can be tested.

naive, target   preemptions fall with the parameter; targets below 2.6 never bind
probabilistic   few preemptions on "original", as many as the best factor on "dialogues"
oracle          almost no preemption, at the throughput of none
"""

import math
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

from harness.analyse.headroom_memory import memory_view
from harness.analyse.headroom_metrics import Slo
from harness.analyse.headroom_rows import HeadroomPoint
from harness.commands.headroom.slot import HeadroomSource, TracedPoint, write_headroom_slot
from harness.record.headroom_tables import FITTED, HELD_OUT, REAL, RECOMPUTE, REPLAYED, SECONDS, SIM, STEPS, SWAP
from harness.record.replay_rows import OccupancyRow, RequestRow
from tests.replay_toy import Toy, ToyRequest

MODEL = "opt-125m"
WORKLOADS = {"dialogues": 60, "mooncake": 25, "original": 150}  # preemptions of 300 requests, as vLLM is
FACTORS = tuple(round(0.2 * k, 1) for k in range(61))
TARGETS = tuple(round(1.8 + 0.2 * k, 1) for k in range(29))
BINDS_FROM = 2.6
NODE: dict[str, Any] = {
    "id": "node-0123456789ab", "cpu_model": "CPU", "cpus": [0, 1], "memory_bytes": 8 << 30, "gpus": [],
}  # fmt: skip
SLO = Slo(ttft_s=2.0, tpot_s=0.2)


def requests_of(makespan: float, wait: float, count: int = 30) -> list[RequestRow]:
    """Requests that arrive evenly; the last one finishes at the end of the makespan."""
    tail = makespan / 6
    rows = []
    for number in range(count):
        arrival = (makespan - tail) * number / (count - 1)
        rows.append(
            RequestRow(
                request_id=f"r{number}",
                session_id=None,
                turn=None,
                arrival_s=arrival,
                scheduled_s=arrival + wait * 0.8,
                first_token_s=arrival + wait * (1 + number % 4),
                finished_s=arrival + tail,
                prompt_tokens=4000,
                output_tokens=300,
                prompt_blocks=125,
                hit_tokens=0,
                hit_blocks=0,
                within_session_hit_blocks=0,
                allocated_blocks=160,
                preemptions=0,
            )
        )
    return rows


def effect(workload: str, search: str, parameter: float) -> tuple[float, float]:
    """Share of the preemptions of none that remain, and throughput ÷ that of none."""
    if search == "none" or (search == "target" and parameter < BINDS_FROM):
        return 1.0, 1.0
    if search in ("naive", "target"):
        size = parameter if search == "naive" else 2 * (parameter - BINDS_FROM)
        return math.exp(-0.6 * size), 1 + 0.006 * min(size, 2) - 0.004 * max(0.0, size - 3)
    if search == "watermark":
        return math.exp(-20 * parameter), 1 - 0.1 * parameter
    if search == "oracle":
        return 0.02, 1.0
    strength = {"original": 4.0, "dialogues": 2.2, "mooncake": 1.0}[workload]
    return math.exp(-strength * (0.5 + parameter) / 1.5), 1.0


def settings(every: int) -> Iterator[tuple[str, float]]:
    """Searches and parameters; ``every`` third, say, of the two sweeps."""
    yield "none", 0.0
    yield from (("naive", each) for each in FACTORS[::every])
    yield from (("target", each) for each in TARGETS[::every])
    yield from (("watermark", each) for each in (0.01, 0.02, 0.05, 0.1))
    yield from ((search, each) for search in ("probabilistic", "predicted", "oracle") for each in (0.0, 0.5, 1.0, 2.0))


def made_point(
    workload: str, repeat: int, search: str, parameter: float, mode: str = RECOMPUTE, tier: str = SIM,
    arrivals: str = SECONDS,
) -> HeadroomPoint:  # fmt: skip
    """A point with its planted effect, and noise that is the same for the same point."""
    left, faster = effect(workload, search, parameter)
    policy = (search, parameter) if (left, faster) != (1.0, 1.0) else ("none", 0.0)  # what never binds changes nothing
    noise = Random(f"{workload} {repeat} {mode} {policy}")
    of_seed = Random(f"{workload} {repeat}")
    base = WORKLOADS[workload] * (1 + 0.1 * of_seed.random())
    preemptions = round(base * left * (1 + 0.05 * (noise.random() - 0.5)))
    speed = faster * (1 + 0.001 * (noise.random() - 0.5)) * (0.97 if mode == SWAP else 1.0)
    if tier == REAL and arrivals == SECONDS:
        speed *= 0.97 + 0.04 * Random(f"{workload} {search} {parameter}").random()
    makespan = 3600 / WORKLOADS[workload] / speed * (1 + 0.05 * of_seed.random())
    moved = 6 * preemptions if mode == SWAP else 0
    counters = {
        "preemptions": preemptions,
        "preempted_blocks": 6 * preemptions,
        "recomputed_tokens": 0 if mode == SWAP else 96 * preemptions,
        "blocks_swapped_out": moved,
        "blocks_swapped_in": moved,
        "swap_outs": moved // 6,
        "swap_ins": moved // 6,
    }
    return HeadroomPoint(
        case=f"{workload}-{repeat}-{search}-{parameter:g}-{mode}-{tier}-{arrivals}",
        workload=workload,
        repeat=repeat,
        model=MODEL,
        tier=tier,
        search=search,
        parameter=parameter,
        requests=requests_of(makespan, 0.1 + preemptions / 300),
        counters=counters,
        gpu_blocks=256,
        block_size=16,
        slo=SLO,
        mode=mode,
        arrivals=arrivals,
        cpu_blocks=512 if mode == SWAP else 0,
        occupancy=[OccupancyRow(0.0, makespan, 200.0, 255, 0.0, 0)],
    )


def made_points(repeats: int = 3, every: int = 1, real: bool = True) -> Iterator[HeadroomPoint]:
    """Both modes of all searches; of the first repeat some are real, too, by step and by the clock."""
    for workload in WORKLOADS:
        for search, parameter in settings(every):
            for mode in (RECOMPUTE, SWAP):
                for repeat in range(repeats):
                    yield made_point(workload, repeat, search, parameter, mode)
            if real and (search, parameter) in (("none", 0), ("naive", 6), ("target", 4.8), ("probabilistic", 1)):
                for tier, arrivals in product((REPLAYED, REAL), (SECONDS, STEPS)):
                    yield made_point(workload, 0, search, parameter, tier=tier, arrivals=arrivals)


def made_calibration(steps: int = 200) -> list[tuple[Any, ...]]:
    """Engine steps and what a step-time model says of them."""
    random = Random(0)
    rows = []
    for step in range(steps):
        prefill = random.choice([0, 0, 0, 64, 512])
        decode, context = random.randrange(1, 32), random.randrange(100, 20_000)
        predicted = 0.02 + prefill * 4e-4 + decode * 2e-3 + context * 1e-6
        part = HELD_OUT if step % 4 == 0 else FITTED
        rows.append(
            (MODEL, step, part, prefill, decode, context, predicted * random.lognormvariate(0, 0.08), predicted)
        )
    return rows


def made_toy(spare: int = 0, count: int = 60) -> Toy:
    """A replay with preemptions; fewer requests at once where blocks are kept spare."""
    random = Random(1)
    arrivals = sorted(random.uniform(0, 150) for _ in range(count))
    requests = [
        ToyRequest(f"r{number}", None, arrival, tuple(random.randrange(50) for _ in range(random.randrange(8, 40))),
                   tuple(range(random.randrange(4, 40))))
        for number, arrival in enumerate(arrivals)
    ]  # fmt: skip
    return Toy(requests, blocks=40, size=4, chunk=16, at_once=8 - spare).replay()


def made_traces() -> list[TracedPoint]:
    """Simulated and real, without and with head-room."""
    found = []
    for search, parameter, spare, tier in (("none", 0.0, 0, SIM), ("naive", 6.0, 5, SIM), ("none", 0.0, 0, REAL)):
        case = f"original-0-{search}-{parameter:g}-{RECOMPUTE}-{tier}-{SECONDS}"
        view = memory_view(enumerate(made_toy(spare).events, start=1))
        found.append(TracedPoint(case, tier, "original", search, parameter, view))
    return found


def made_slot(folder: Path, repeats: int = 3, every: int = 3, real: bool = True, traced: bool = True) -> Path:
    """Write such a slot; returns its folder."""
    workloads = {
        name: {"kind": "generated", "requests": 300, "seeds": repeats, "load": 0.9, "num_blocks": 257}
        for name in WORKLOADS
    }
    step_time = {
        MODEL: {
            "base_s": 0.02, "prefill_token_s": 4e-4, "decode_seq_s": 2e-3, "context_token_s": 1e-6,
            "r2": 0.97, "steps": 900, "held_out_steps": 12_345, "held_out_median_abs_pct_error": 5.3,
            "held_out_total_pct_error": -2.25,
        }
    }  # fmt: skip
    engine = {"pin": "vllm-0.32.0-cpu", "version": "0.32.0", "lock_sha256": "a" * 64}
    source = HeadroomSource(NODE, engine, workloads, step_time, {"ttft": 20.0, "tpot": 4.0}, {MODEL: {"twin": True}})
    calibration = made_calibration() if real else []
    write_headroom_slot(
        folder, "headroom", made_points(repeats, every, real), source, calibration, made_traces() if traced else []
    )
    return folder
