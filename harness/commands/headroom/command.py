"""``run_figure.sh headroom``: set up → time the engine → make traces → serve and replay what is missing → plot."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from experiments.kv_headroom.study import Point
from harness.commands.figure.command import set_up
from harness.commands.figure.replays import StudyReplays, stored_replays
from harness.commands.figure.studies import StudyCall
from harness.commands.figure.study_steps import draw_and_print
from harness.commands.headroom.asked import Asked, asked_of
from harness.commands.headroom.collect import Collected, Searched, headroom_document, write_collected
from harness.commands.headroom.lengths import learn
from harness.commands.headroom.plan import print_headroom_plan
from harness.commands.headroom.real import RealTier, calibrated, calibration_steps
from harness.commands.headroom.search import Guesses, Repeat, capacity_of, offline_point, points_of, repeat_of
from harness.commands.headroom.tier import Served, replays_of, serve_points
from harness.commands.headroom.workloads import rows_of
from harness.door import json_errors
from harness.engine.environment import Engine
from harness.engine.model_store import ensure_model
from harness.measure.conditions import check_writable, measuring
from harness.progress import say
from harness.record.headroom_tables import ORACLE, PREDICTED, PROBABILISTIC, SECONDS, STUDY
from harness.spec.headroom import Grid
from harness.state.machine import this_node
from harness.traces.rows import TokenRow
from harness.workspace import Workspace

_BATCH = 120  # replays of one worker

RowsBySeed = Mapping[int, Sequence[TokenRow]]


def run_headroom(call: StudyCall, workspace: Workspace) -> None:
    """Do everything for the figure, or say what would be done.

    Raises:
        HarnessError: wrong use or impossible here; MeasurementFailed: a worker failed (what it finished is stored).
    """
    with json_errors(call.as_json):
        asked = asked_of(call, workspace)
        if call.dry_run:
            print_headroom_plan(asked, call.as_json)
            return
        with measuring(workspace.root, f"figure {call.figure}"):
            collected = _measure(asked, workspace)
        draw_and_print(call, lambda: headroom_document(collected, workspace), workspace)


def _measure(asked: Asked, workspace: Workspace) -> Collected:
    figure, grid = asked.figure, asked.grid
    slot = workspace.figure(figure.figure) / figure.slots[0]
    check_writable([workspace.runs, workspace.caches, slot.parent])
    node = this_node(workspace.runs)
    engine = set_up(asked.pin, workspace)
    cores = len(os.sched_getaffinity(0))
    replays = StudyReplays(STUDY, engine, str(node["id"]), figure.timeout_s, workspace, _BATCH, at_once=cores)
    rows = {name: _rows(asked, name, workspace) for name in asked.workloads}
    guesses = {name: _guesses(asked, rows[name], engine, workspace) for name in asked.workloads}
    searched = [_search(asked, model, rows, guesses, replays) for model in figure.models]
    collected = Collected(figure, grid, node, engine, asked.trace_memory, tuple(searched))
    write_collected(slot, collected, replays)
    return collected


def _rows(asked: Asked, workload: str, workspace: Workspace) -> RowsBySeed:
    """The requests of every repeat, and of the unseen one, which of a trace is what came before."""
    declared, requests = asked.figure.workloads[workload], asked.grid.requests
    seeds = (asked.unseen_seed, *asked.grid.seeds)
    return rows_of(declared, seeds, requests, say, workspace, data=asked.data, trace=asked.trace)


def _guesses(asked: Asked, rows: RowsBySeed, engine: Engine, workspace: Workspace) -> Mapping[int, Guesses]:
    """By seed; empty where no search asks for them."""
    if not {PROBABILISTIC, PREDICTED, ORACLE} & set(asked.searches):
        return {}
    lengths = {seed: [row.output_tokens for row in found] for seed, found in rows.items()}
    seeds = asked.grid.seeds
    return dict(
        zip(seeds, learn(lengths[asked.unseen_seed], [lengths[seed] for seed in seeds], engine, workspace), strict=True)
    )


def _search(
    asked: Asked,
    model: str,
    rows: Mapping[str, RowsBySeed],
    guesses: Mapping[str, Mapping[int, Guesses]],
    replays: StudyReplays,
) -> Searched:
    """Everything of one model: step times, real points, then the search with those step times."""
    figure, grid, workspace = asked.figure, asked.grid, replays.workspace
    files = ensure_model(model, lambda: replays.engine.python, workspace.models, announce=say)
    tier = RealTier(figure, files, replays.engine, replays.node, asked.threads, workspace)
    of_real = figure.workloads[grid.real.workload]
    say(f"timing engine steps of {model} …")
    before = calibration_steps(tier, of_real, 0)
    served: list[Served] = []
    if grid.real.workload in asked.workloads:
        say(f"serving points with {model} on the real engine …")
        seed = grid.seeds[0]
        requests, roughly = rows[grid.real.workload][seed], calibrated(before, before).step_time
        first = repeat_of(figure, grid.real.workload, seed, model, requests, roughly)
        known = guesses[first.workload].get(seed)
        real = _at_real_size(first, tier, grid)
        served = serve_points(tier, real, grid.real, known, replays, asked.trace_memory)
        say(f"timing engine steps of {model} again …")
    after = calibration_steps(tier, of_real, 1)  # what changed meanwhile is in the fit
    seen = [step for each in served if each.arrivals == SECONDS for step in each.point.steps]
    calibration = calibrated([*before, *after], seen) if seen else calibrated(before, after)
    repeats = [
        repeat_of(figure, name, seed, model, rows[name][seed], calibration.step_time)
        for name in asked.workloads
        for seed in grid.seeds
    ]
    points = _points(asked, repeats, guesses, replays)
    replays.make(replays.wanted(points))
    replayed = []
    if served:
        real = _at_real_size(next(each for each in repeats if each.workload == grid.real.workload), tier, grid)
        replayed = replays_of(served, real)
        replays.make(replays.wanted([point for each in replayed for point in (each.replay, each.paced) if point]))
    return Searched(model, files, calibration, tuple(repeats), tuple(points), tuple(replayed))


def _points(
    asked: Asked,
    repeats: Sequence[Repeat],
    guesses: Mapping[str, Mapping[int, Guesses]],
    replays: StudyReplays,
) -> list[Point]:
    """Every point of the search, once the repeats' capacities are known."""
    offline = replays.wanted([offline_point(each, replays.workspace) for each in repeats])
    replays.make(offline)
    capacities = list(map(capacity_of, stored_replays(offline)))
    found: list[Point] = []
    for repeat, capacity in zip(repeats, capacities, strict=True):
        same = [other for each, other in zip(repeats, capacities, strict=True) if each.workload == repeat.workload]
        usual_blocks = repeat.usable_blocks / fmean(each.sequences for each in same)
        known = guesses[repeat.workload].get(repeat.seed)
        found += points_of(repeat, asked.grid, asked.searches, capacity, usual_blocks, known, replays.workspace)
    return found


def _at_real_size(repeat: Repeat, tier: RealTier, grid: Grid) -> Repeat:
    """The first requests of a repeat, in a cache of as many tokens in the real engine's blocks."""
    engine = tier.configured(repeat.declared)
    common = replace(repeat.common, block_size=engine.block_size, num_blocks=engine.num_blocks)
    return replace(repeat, rows=repeat.rows[: grid.real.requests], common=common)
