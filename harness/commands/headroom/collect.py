"""What the KV head-room study measured → the figure's slot, and what ``--json`` prints."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.kv_headroom.study import Point
from harness.analyse.headroom_memory import memory_view
from harness.analyse.headroom_metrics import Slo
from harness.analyse.headroom_rows import HeadroomPoint
from harness.analyse.step_time_fit import predicted_seconds
from harness.commands.figure.replays import StudyReplays, stored_replays
from harness.commands.headroom.real import Calibration
from harness.commands.headroom.search import Repeat
from harness.commands.headroom.slot import HeadroomSource, TracedPoint, write_headroom_slot
from harness.commands.headroom.tier import Replayed
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.measure.real_points import WantedPoint
from harness.measure.replay import engine_record
from harness.measure.replay_batch import WantedReplay
from harness.record.event_log import read_events
from harness.record.headroom_tables import (
    FINDINGS,
    FITTED,
    HEADROOM_TABLES,
    HELD_OUT,
    NAIVE,
    NONE,
    PACED,
    REAL,
    RECOMPUTE,
    REPLAYED,
    SECONDS,
    SIM,
    STUDY,
    SWAP,
)
from harness.record.real_point import StepRow
from harness.record.replay import EVENTS
from harness.record.study_slot import read_study_slot
from harness.record.tables import Cell
from harness.spec.headroom import Grid, HeadroomFigure
from harness.workspace import Workspace

_CALIBRATION_ROWS = 2000  # of each part
_TRACED_FACTOR = 6.0  # the point that is traced beside vLLM as it is, or the declared one next to it
Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Searched:
    """What was measured of one model. All points are stored."""

    model: str
    files: ModelFiles
    calibration: Calibration
    repeats: tuple[Repeat, ...]
    points: tuple[Point, ...]
    served: tuple[Replayed, ...]


@dataclass(frozen=True)
class Collected:
    """Everything that the slot is made of."""

    figure: HeadroomFigure
    grid: Grid
    node: dict[str, Any]
    engine: Engine
    trace_memory: bool
    models: tuple[Searched, ...]


def write_collected(slot: Path, collected: Collected, replays: StudyReplays) -> None:
    """Write the slot; with ``trace_memory``, points are replayed once more for their events first.

    Raises:
        HarnessError: a stored point is damaged, or the folder holds another node's slot.
    """
    traced = list(_traced(collected, replays)) if collected.trace_memory else []
    calibration = [row for each in collected.models for row in _calibration(each)]
    source = HeadroomSource(
        node=collected.node,
        engine=engine_record(collected.engine),
        workloads=_workloads(collected),
        step_time={each.model: _step_time(each.calibration) for each in collected.models},
        slo=collected.figure.slo.model_dump(),
        models={
            each.model: {"twin": each.files.twin, "files_sha256": each.files.files_sha256} for each in collected.models
        },
    )
    points = (point for each in collected.models for point in _points(each, collected, replays))
    write_headroom_slot(slot, collected.figure.figure, points, source, calibration, traced)


def headroom_document(collected: Collected, workspace: Workspace) -> dict[str, Any]:
    """What ``--json`` prints: where the slot is, how good the clock is, every finding."""
    figure = collected.figure
    folder = workspace.figure(figure.figure)
    slot = read_study_slot(folder / figure.slots[0], HEADROOM_TABLES, STUDY)
    return {
        "schema_version": 1,
        "figure": figure.figure,
        "slot": str(folder / figure.slots[0]),
        "drawn": [str(folder / f"figure-{figure.figure}.{kind}") for kind in ("pdf", "png")],
        "points": sum(len(each.points) + len(each.served) for each in collected.models),
        "step_time": {each.model: _step_time(each.calibration) for each in collected.models},
        "findings": [dict(zip(FINDINGS.columns, row, strict=True)) for row in slot.tables[FINDINGS.name]],
    }


def _points(searched: Searched, collected: Collected, replays: StudyReplays) -> Iterator[HeadroomPoint]:
    slos = {(each.workload, each.seed): slo_of(each, collected.figure) for each in searched.repeats}
    yield from _replayed(searched.points, SIM, SECONDS, slos, replays)
    for found in searched.served:
        each, facts, policy = found.served, found.served.point.facts, found.served.policy
        slo = slos[found.replay.workload, found.replay.repeat]
        yield HeadroomPoint(
            case=each.wanted.stored.case,
            workload=found.replay.workload,
            repeat=found.replay.repeat,
            model=searched.model,
            tier=REAL,
            search=policy.search,
            parameter=policy.parameter,
            requests=each.point.requests,
            counters=asdict(facts.counters),
            gpu_blocks=facts.parameters.engine.num_blocks - 1,
            block_size=facts.parameters.engine.block_size,
            slo=slo,
            arrivals=each.arrivals,
            occupancy=each.point.occupancy,
        )
        yield from _replayed([found.replay], REPLAYED, each.arrivals, slos, replays)
        yield from _replayed([found.paced] if found.paced else [], PACED, each.arrivals, slos, replays)


def _replayed(
    points: Sequence[Point], tier: str, arrivals: str, slos: dict[tuple[str, int], Slo], replays: StudyReplays
) -> Iterator[HeadroomPoint]:
    wanted = replays.wanted(points)
    for point, stored, replay in zip(points, wanted, stored_replays(wanted), strict=True):
        parameters = point.parameters
        yield HeadroomPoint(
            case=stored.stored.case,
            workload=point.workload,
            repeat=point.repeat,
            model=point.model,
            tier=tier,
            search=point.policy.search,
            parameter=point.policy.parameter,
            requests=replay.requests,
            counters=asdict(replay.facts.counters),
            gpu_blocks=replay.facts.counters.cache_blocks,
            block_size=parameters.block_size,
            mode=SWAP if point.policy.swaps else RECOMPUTE,
            arrivals=arrivals,
            cpu_blocks=parameters.offload["cpu_blocks"] if parameters.offload else 0,
            occupancy=replay.occupancy,
            slo=slos[point.workload, point.repeat],
        )


def slo_of(repeat: Repeat, figure: HeadroomFigure) -> Slo:
    """The declared multiples of what the repeat's mean request takes when it has the engine to itself."""
    prompt = math.ceil(sum(row.prompt_tokens for row in repeat.rows) / len(repeat.rows))
    output = math.ceil(sum(row.output_tokens for row in repeat.rows) / len(repeat.rows))
    one = repeat.common.step_time
    first = one.base_s + one.prefill_token_s * prompt + one.context_token_s * prompt
    further = one.base_s + one.decode_seq_s + one.context_token_s * (prompt + output / 2)
    return Slo(figure.slo.ttft * first, figure.slo.tpot * further)


def _workloads(collected: Collected) -> dict[str, dict[str, Any]]:
    """Each workload's facts; its SLO, in seconds of its first repeat, by the model whose step times it comes from."""
    found: dict[str, dict[str, Any]] = {}
    for searched in collected.models:
        for repeat in searched.repeats:
            if repeat.seed == collected.grid.seeds[0]:
                facts: dict[str, Any] = {
                    "kind": repeat.declared.kind,
                    "requests": len(repeat.rows),
                    "seeds": list(collected.grid.seeds),
                    "load": collected.grid.load,
                    "num_blocks": repeat.usable_blocks,
                    "slo": {},
                }
                slo = asdict(slo_of(repeat, collected.figure))
                found.setdefault(repeat.workload, facts)["slo"][searched.model] = slo
    return found


def _step_time(calibration: Calibration) -> dict[str, Any]:
    fit = calibration.fit
    errors = {f"held_out_{name}": value for name, value in asdict(fit.held_out).items()}
    return {**asdict(fit.step_time), "outliers": fit.outliers, "r2": fit.fitted.r2, "steps": fit.fitted.steps, **errors}


def _calibration(searched: Searched) -> Iterator[Row]:
    calibration = searched.calibration
    for part, of_part in ((FITTED, calibration.fitted), (HELD_OUT, calibration.held_out)):
        steps = of_part[:: max(1, math.ceil(len(of_part) / _CALIBRATION_ROWS))]
        predicted = predicted_seconds(calibration.step_time, steps)
        for step, seconds in zip(steps, predicted.tolist(), strict=True):
            yield _calibration_row(searched.model, part, step, seconds)


def _calibration_row(model: str, part: str, step: StepRow, predicted_s: float) -> Row:
    computed = (step.prefill_tokens, step.decode_seqs, step.context_tokens)
    return (model, step.step, part, *computed, step.seconds, predicted_s)


def _traced(collected: Collected, replays: StudyReplays) -> Iterator[TracedPoint]:
    """Of each workload's first repeat: vLLM as it is, and one with head-room; and what the real engine served.

    The real engine's workload comes first, simulated and real: not all are drawn.
    """
    for searched in collected.models:
        points = [each for each in searched.points if each.repeat == collected.grid.seeds[0] and not each.policy.swaps]
        workloads = dict.fromkeys(each.workload for each in points)  # no set: same store, same bytes
        names = sorted(workloads, key=lambda name: name != collected.grid.real.workload)
        for name in names:
            chosen = _chosen([each for each in points if each.workload == name])
            wanted = replays.wanted(chosen, events=True)
            replays.make(wanted)
            for point, each, plain in zip(chosen, wanted, replays.wanted(chosen), strict=True):
                yield _view(each, plain.stored.case, SIM, point)
            policies = [point.policy for point in chosen]
            for found in searched.served if name == collected.grid.real.workload else ():
                served = found.served
                if served.traced is not None and served.policy in policies:
                    yield _view(served.traced, served.wanted.stored.case, REAL, found.replay)


def _chosen(points: Sequence[Point]) -> list[Point]:
    """vLLM as it is, and the naive search's point next to ``_TRACED_FACTOR``."""
    factors = [each for each in points if each.policy.search == NAIVE]
    nearest = sorted(factors, key=lambda each: abs(each.policy.parameter - _TRACED_FACTOR))[:1]
    return [each for each in points if each.policy.search == NONE] + nearest


def _view(wanted: WantedReplay | WantedPoint, case: str, tier: str, point: Point) -> TracedPoint:
    view = memory_view(read_events(wanted.stored.run / EVENTS))
    return TracedPoint(case, tier, point.workload, point.policy.search, point.policy.parameter, view)
