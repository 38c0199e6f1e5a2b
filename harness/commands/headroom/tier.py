"""Points of the KV head-room figure that the real engine serves, and the replays of what it answered."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.kv_headroom.study import Point, Policy, foreseeing, naive, target
from harness.analyse.step_time_fit import at_pace, pace_of
from harness.commands.figure.replays import StudyReplays, stored_replays
from harness.commands.headroom.real import RealTier, counterpart
from harness.commands.headroom.search import Guesses, Repeat, capacity_of, offline_point
from harness.commands.headroom.workloads import place_trace
from harness.measure.real_points import WantedPoint
from harness.record.headroom_tables import NAIVE, NONE, PROBABILISTIC, SECONDS, STEPS, WATERMARK
from harness.record.real_point import RealParameters, RealPoint, StepRow
from harness.spec.headroom import Real
from harness.traces.check import check_trace
from harness.traces.study_rows import at_rate


@dataclass(frozen=True)
class Served:
    """One point on the real engine. ``traced``: the same once more with its event log, whose time is not used."""

    policy: Policy
    arrivals: str
    wanted: WantedPoint
    point: RealPoint
    traced: WantedPoint | None


@dataclass(frozen=True)
class Replayed:
    """What the replays of a served point are.

    ``paced``: by the clock, with step times scaled by how long the *other* points' steps took; None if there are none.
    """

    served: Served
    replay: Point
    paced: Point | None


def serve_points(
    tier: RealTier, repeat: Repeat, declared: Real, guesses: Guesses | None, replays: StudyReplays, traced: bool
) -> list[Served]:
    """Every declared policy, with arrivals by engine steps and by the clock; ``traced``: some with events, too.

    ``repeat``: the workload's requests, at the real engine's block size, on step times that need not be exact yet.

    Raises:
        HarnessError, MeasurementFailed: as ``RealTier.serve`` and ``StudyReplays.make``.
    """
    traces = _traces(repeat, declared.load, replays)
    asked = [(policy, arrivals) for arrivals in (STEPS, SECONDS) for policy in _policies(declared, guesses)]
    wanted = [_wanted(tier, repeat, policy, arrivals, traces[arrivals], events=False) for policy, arrivals in asked]
    points = tier.serve(wanted)
    with_events: dict[str, WantedPoint] = {}
    for policy, arrivals in asked if traced else []:
        if arrivals == SECONDS and policy.search in (NONE, NAIVE):
            with_events[policy.name] = _wanted(tier, repeat, policy, arrivals, traces[arrivals], events=True)
    tier.serve(list(with_events.values()))
    return [
        Served(policy, arrivals, each, point, with_events.get(policy.name) if arrivals == SECONDS else None)
        for (policy, arrivals), each, point in zip(asked, wanted, points, strict=True)
    ]


def replays_of(served: Sequence[Served], repeat: Repeat) -> list[Replayed]:
    """What each point answered, replayed; ``repeat`` has the step times that were fitted in the end."""
    found = []
    for each in served:
        trace, parameters = counterpart(each.wanted, each.policy, repeat.common.step_time)
        facts = check_trace(trace, parameters.block_size)
        replay = Point(repeat.workload, repeat.seed, repeat.model, each.policy, trace, facts, parameters)
        by_clock = [other for other in served if other.arrivals == SECONDS and other is not each]
        others = [step for other in by_clock for step in other.point.steps]
        paced = _at_pace_of(others, replay) if each.arrivals == SECONDS and others else None
        found.append(Replayed(each, replay, paced))
    return found


def _wanted(tier: RealTier, repeat: Repeat, policy: Policy, arrivals: str, trace: Path, events: bool) -> WantedPoint:
    parameters = RealParameters(tier.configured(repeat.declared), arrivals, policy.headroom, policy.watermark)
    name = f"{repeat.workload}{repeat.seed}_{repeat.model}_{policy.name}_{arrivals}"
    return tier.wanted(name, trace, parameters, events)


def _at_pace_of(steps: Sequence[StepRow], replay: Point) -> Point:
    step_time = replay.parameters.step_time
    paced = at_pace(step_time, pace_of(step_time, steps))
    return replace(replay, parameters=replace(replay.parameters, step_time=paced))


def _policies(declared: Real, guesses: Guesses | None) -> Iterator[Policy]:
    yield Policy(NONE, 0.0)
    yield from map(naive, declared.factors)
    yield from map(target, declared.targets)
    yield from (Policy(WATERMARK, share, watermark=share) for share in declared.watermarks)
    if guesses is not None:
        for sigmas in declared.sigmas:
            yield foreseeing(PROBABILISTIC, sigmas, "length", guesses.lengths.of_outputs)


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
