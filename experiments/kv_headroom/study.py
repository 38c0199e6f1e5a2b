"""The KV head-room study: which head-room policies are searched on a workload, with which parameters."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments.model_free.sources import REPLAYING, sources_sha256
from harness.record.headroom_tables import NAIVE, NONE, ORACLE, PREDICTED, PROBABILISTIC, STUDY, TARGET, WATERMARK
from harness.record.replay import Parameters
from harness.spec.headroom import Grid
from harness.traces.check import TraceFacts

SEARCHES = {
    "naive": (NAIVE,),
    "target": (TARGET,),
    "all": (NAIVE, TARGET, WATERMARK, PROBABILISTIC, PREDICTED, ORACLE),
}
SERVING = (*REPLAYING, "kv_headroom/worker_live_pool.py", "kv_headroom/worker_real_*.py")
LEARNING = ("kv_headroom/worker_sequence_*.py",)


@dataclass(frozen=True)
class Policy:
    """One point of a search: how much is kept free. ``lengths``: which trace has the predictions that it uses."""

    search: str
    parameter: float
    headroom: dict[str, Any] | None = None
    watermark: float = 0.0
    swaps: bool = False

    @property
    def name(self) -> str:
        """For people and for names of cases."""
        return f"{self.search}{self.parameter:g}" + ("-swap" if self.swaps else "")

    @property
    def trace(self) -> str:
        """Which of the workload's traces it is replayed with: plain, or one whose rows carry predictions."""
        return self.search if self.search in (PREDICTED, ORACLE) else "plain"


@dataclass(frozen=True)
class Lengths:
    """What a probabilistic policy knows of output lengths: quantiles (tokens) of lengths, and of prediction errors."""

    of_outputs: tuple[int, ...]
    of_errors: tuple[int, ...]


@dataclass(frozen=True)
class Point:
    """One replay: a policy on one repeat of a workload."""

    workload: str
    repeat: int
    model: str
    policy: Policy
    trace: Path
    facts: TraceFacts
    parameters: Parameters

    @property
    def name(self) -> str:
        """Readable part of the case's name."""
        return f"{self.workload}{self.repeat}_{self.model}_{self.policy.name}"

    def definition(self, engine: dict[str, Any]) -> dict[str, Any]:
        """Everything that decides what the replay gives; ``engine``: pin, version, lock and patches."""
        return {
            "study": STUDY,
            "trace": {"sha256": self.facts.sha256, "format": self.facts.format},
            "parameters": asdict(self.parameters),
            "engine": engine,
            "workers_sha256": sources_sha256(REPLAYING),
        }


def fixed_policies(grid: Grid, searches: Sequence[str], usual_blocks: float, targets: bool = True) -> Iterator[Policy]:
    """Policies that know nothing of lengths, vLLM as it is first.

    ``usual_blocks``: of the cache, per sequence in it, without head-room: around it lie targets that bind.
    """
    yield Policy(NONE, 0.0)
    if NAIVE in searches:
        for factor in grid.factors.values():
            yield naive(factor)
    if TARGET in searches and targets:
        fitting = [round(max(1.0, usual_blocks * each), 2) for each in grid.fitting_targets]
        for blocks in dict.fromkeys([*grid.targets.values(), *fitting]):
            yield target(blocks)
    if WATERMARK in searches:
        for share in grid.watermarks:
            yield Policy(WATERMARK, share, watermark=share)


def informed_policies(grid: Grid, searches: Sequence[str], lengths: Lengths) -> Iterator[Policy]:
    """Policies that know how long outputs are: as a distribution, by prediction, or exactly."""
    known = {
        PROBABILISTIC: ("length", lengths.of_outputs, grid.sigmas),
        PREDICTED: ("residual", lengths.of_errors, grid.sigmas),
        ORACLE: ("residual", (0,), (0.0,)),  # nothing deviates
    }
    for search, (of, quantiles, all_sigmas) in known.items():
        if search in searches:
            for sigmas in all_sigmas:
                yield foreseeing(search, sigmas, of, quantiles)


def swapping_policies(grid: Grid, searches: Sequence[str]) -> Iterator[Policy]:
    """A few policies again, with preempted sequences' blocks kept in host memory."""
    yield Policy(NONE, 0.0, swaps=True)
    if NAIVE in searches:
        for factor in grid.swap.factors:
            yield replace(naive(factor), swaps=True)


def naive(factor: float) -> Policy:
    """ceil(n / 16 · o) blocks stay free."""
    return Policy(NAIVE, factor, {"policy": "naive", "factor": factor})


def target(blocks: float) -> Policy:
    """So many blocks for each sequence, on average."""
    return Policy(TARGET, blocks, {"policy": "target", "blocks_per_sequence": blocks})


def foreseeing(search: str, sigmas: float, of: str, quantiles: Sequence[int]) -> Policy:
    """Room for what is expected of the sequences; parameters: ``harness/record/headroom_spec.py``."""
    spec = {"policy": "probabilistic", "sigmas": sigmas, "of": of, "quantiles": list(quantiles)}
    return Policy(search, sigmas, spec)


def with_policy(common: Parameters, policy: Policy, offload: Mapping[str, Any]) -> Parameters:
    """How the point is replayed. Only vLLM's own loop has the offload connector."""
    found = replace(common, headroom=policy.headroom, watermark=policy.watermark)
    return replace(found, offload=dict(offload), loop="stock") if policy.swaps else found
