"""What the KV head-room figure replays: workloads at the rate their cache can just serve, and policies on each."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.kv_headroom.study import (
    Lengths,
    Point,
    Policy,
    fixed_policies,
    informed_policies,
    swapping_policies,
    with_policy,
)
from harness.analyse.kv_bytes import kv_bytes
from harness.commands.headroom.workloads import place_trace
from harness.record.headroom_tables import ORACLE, PREDICTED
from harness.record.replay import Parameters, Replay, StepTime
from harness.spec.headroom import AnyWorkload, Grid, HeadroomFigure
from harness.spec.models import find_model
from harness.traces.check import TraceFacts, check_trace
from harness.traces.rows import TokenRow
from harness.traces.study_rows import at_rate, with_predictions
from harness.workspace import Workspace

PLAIN = "plain"


@dataclass(frozen=True)
class Repeat:
    """One workload of one seed, for one model; ``common``: how all its points are replayed."""

    workload: str
    seed: int
    model: str
    declared: AnyWorkload
    rows: Sequence[TokenRow]
    common: Parameters

    @property
    def usable_blocks(self) -> int:
        """Blocks that requests can have."""
        assert self.common.num_blocks is not None
        return self.common.num_blocks - 1


@dataclass(frozen=True)
class Capacity:
    """What a repeat's cache serves when all requests are there at once, without head-room."""

    requests_per_s: float
    sequences: float  # in the cache, on average


@dataclass(frozen=True)
class Guesses:
    """What is known of a repeat's output lengths: from other requests of its kind, and a prediction for each."""

    lengths: Lengths
    predicted: Sequence[int]


def repeat_of(
    figure: HeadroomFigure, workload: str, seed: int, model: str, rows: Sequence[TokenRow], step_time: StepTime
) -> Repeat:
    """The workload's requests with the parameters that all its points have."""
    declared = figure.workloads[workload]
    common = Parameters(
        block_size=figure.block_size,
        num_blocks=declared.num_blocks,
        max_num_seqs=figure.max_num_seqs,
        max_num_batched_tokens=figure.max_num_batched_tokens,
        step_time=step_time,
    )
    return Repeat(workload, seed, model, declared, rows, common)


def offline_point(repeat: Repeat, workspace: Workspace) -> Point:
    """All requests at once: what tells the repeat's capacity."""
    path = place_trace(f"{repeat.workload}-{repeat.seed}-offline", at_rate(repeat.rows, math.inf), workspace)
    facts = check_trace(path, repeat.common.block_size)
    return Point(repeat.workload, repeat.seed, repeat.model, Policy("offline", 0.0), path, facts, repeat.common)


def capacity_of(replay: Replay) -> Capacity:
    """What the replay of ``offline_point`` says."""
    seconds = replay.facts.counters.virtual_s
    held = math.fsum(row.finished_s - row.scheduled_s for row in replay.requests)
    return Capacity(len(replay.requests) / seconds, held / seconds)


def points_of(
    repeat: Repeat,
    grid: Grid,
    searches: Sequence[str],
    capacity: Capacity,
    usual_blocks: float,
    guesses: Guesses | None,
    workspace: Workspace,
) -> list[Point]:
    """Every point of the repeat.

    ``usual_blocks``: of the cache, per sequence in it without head-room, over all repeats: they are to have the same
    targets. ``guesses``: None where no search needs them.
    """
    loaded = at_rate(repeat.rows, capacity.requests_per_s * grid.load)
    policies = list(fixed_policies(grid, searches, usual_blocks))
    rows: dict[str, Sequence[TokenRow]] = {PLAIN: loaded}
    if guesses is not None:
        policies += informed_policies(grid, searches, guesses.lengths)
        rows[PREDICTED] = with_predictions(loaded, guesses.predicted)
        rows[ORACLE] = with_predictions(loaded, [row.output_tokens for row in loaded])
    policies += swapping_policies(grid, searches)
    traces = {kind: _placed(repeat, kind, each, workspace) for kind, each in rows.items()}
    return list(_points(repeat, grid, policies, traces))


def _placed(repeat: Repeat, kind: str, rows: Sequence[TokenRow], workspace: Workspace) -> tuple[Path, TraceFacts]:
    path = place_trace(f"{repeat.workload}-{repeat.seed}-{kind}", rows, workspace)
    return path, check_trace(path, repeat.common.block_size)


def _points(
    repeat: Repeat, grid: Grid, policies: Iterable[Policy], traces: Mapping[str, tuple[Path, TraceFacts]]
) -> Iterator[Point]:
    block = kv_bytes(repeat.model, find_model(repeat.model).config, repeat.common.block_size, None)["block_bytes"]
    offload = {
        "cpu_blocks": repeat.usable_blocks * grid.swap.cpu_blocks_per_gpu_block,
        "block_bytes": block,
        "bandwidth_bytes_s": grid.swap.bandwidth_bytes_s,
        "lazy": False,
    }
    for policy in policies:
        path, facts = traces[policy.trace]
        parameters = with_policy(repeat.common, policy, offload)
        yield Point(repeat.workload, repeat.seed, repeat.model, policy, path, facts, parameters)
