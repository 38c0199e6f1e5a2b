"""Points of the KV head-room figure that the real engine serves, and the replays of what it answered."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.kv_headroom.study import (
    Point,
    Policy,
    naive,
    target,
)
from harness.analyse.step_time_fit import at_pace, pace_of
from harness.headroom_real import RealTier, counterpart
from harness.headroom_search import Guesses, Repeat, capacity_of, offline_point
from harness.headroom_workloads import place_trace
from harness.measure.real_points import WantedPoint
from harness.record.headroom_tables import NONE, PROBABILISTIC, SECONDS, STEPS, WATERMARK
from harness.record.real_point import RealParameters, RealPoint
from harness.spec.headroom import Real
from harness.study_replays import StudyReplays, stored_replays
from harness.traces.check import check_trace
from harness.traces.study_rows import at_rate


@dataclass(frozen=True)
class Served:
    """One point in both tiers: what the real engine did, and the replay of it."""

    policy: Policy
    arrivals: str
    wanted: WantedPoint
    point: RealPoint
    replay: Point
    paced: Point | None  # by the clock: the replay with step times at the machine's pace during the point


def serve_points(
    tier: RealTier,
    repeat: Repeat,
    declared: Real,
    guesses: Guesses | None,
    replays: StudyReplays,
    traced: bool,
) -> list[Served]:
    """Every declared policy, with arrivals by engine steps and by the clock; ``traced``: with events.

    ``repeat``: the workload's requests, at the real engine's block size.

    Raises:
        HarnessError, MeasurementFailed: as ``RealTier.serve`` and ``StudyReplays.make``.
    """
    traces = _traces(repeat, declared.load, replays)
    policies = list(_policies(declared, guesses))
    asked = [(policy, arrivals) for arrivals in (STEPS, SECONDS) for policy in policies]
    wanted = []
    for policy, arrivals in asked:
        engine = tier.configured(repeat.declared)
        served = RealParameters(engine, arrivals, policy.headroom, policy.watermark)
        name = f"{repeat.workload}{repeat.seed}_{repeat.model}_{policy.name}_{arrivals}"
        wanted.append(tier.wanted(name, traces[arrivals], served, traced))
    found = []
    for (policy, arrivals), each, point in zip(asked, wanted, tier.serve(wanted), strict=True):
        trace, parameters = counterpart(each, policy, repeat.common.step_time)
        facts = check_trace(trace, parameters.block_size)
        replay = Point(repeat.workload, repeat.seed, repeat.model, policy, trace, facts, parameters)
        paced = _at_its_pace(replay, point) if arrivals == SECONDS else None
        found.append(Served(policy, arrivals, each, point, replay, paced))
    return found


def _at_its_pace(replay: Point, point: RealPoint) -> Point:
    step_time = replay.parameters.step_time
    paced = at_pace(step_time, pace_of(step_time, point.steps))
    return replace(replay, parameters=replace(replay.parameters, step_time=paced))


def _policies(declared: Real, guesses: Guesses | None) -> Iterator[Policy]:
    yield Policy(NONE, 0.0)
    yield from map(naive, declared.factors)
    yield from map(target, declared.targets)
    yield from (Policy(WATERMARK, share, watermark=share) for share in declared.watermarks)
    if guesses is not None:
        for sigmas in declared.sigmas:
            spec = {"policy": "probabilistic", "sigmas": sigmas, "of": "length"}
            yield Policy(PROBABILISTIC, sigmas, spec | {"quantiles": list(guesses.lengths.of_outputs)})


def _traces(repeat: Repeat, load: float, replays: StudyReplays) -> dict[str, Path]:
    """The requests by the clock, at the rate that the cache can just serve, and by the engine steps done by then."""
    offline = replays.wanted([offline_point(repeat, replays.workspace)])
    replays.make(offline)
    (replayed,) = stored_replays(offline)
    by_clock = at_rate(repeat.rows, capacity_of(replayed).requests_per_s * load)
    counters = replayed.facts.counters
    step_s = counters.virtual_s / counters.steps
    by_step = [replace(row, arrival_s=float(math.floor(row.arrival_s / step_s))) for row in by_clock]
    name = f"{repeat.workload}-{repeat.seed}-real"
    placed = {SECONDS: (f"{name}-clock", by_clock), STEPS: (f"{name}-steps", by_step)}
    return {arrivals: place_trace(*each, replays.workspace) for arrivals, each in placed.items()}
