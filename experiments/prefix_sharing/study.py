"""The prefix-sharing study: which traces are replayed through vLLM's block manager, with which parameters."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments.model_free.sources import REPLAYING, sources_sha256
from harness.record.replay import Parameters
from harness.record.sharing_tables import SINGLE
from harness.spec.sharing import Dialogues, Mooncake
from harness.traces.check import TraceFacts

STUDY = "prefix_sharing"


@dataclass(frozen=True)
class Workload:
    """One trace that is replayed; ``seed``: of its dialogues' generator or arrivals, None where nothing is random."""

    kind: str  # SINGLE, MULTI or MOONCAKE of harness/record/sharing_tables.py
    seed: int | None
    trace: Path
    facts: TraceFacts
    described: dict[str, Any]  # its workload.json; empty: it has none

    @property
    def name(self) -> str:
        """Kind and seed, for people and for names of cases."""
        return self.kind if self.seed is None else f"{self.kind}-seed{self.seed}"


@dataclass(frozen=True)
class Point:
    """One replay of the grid."""

    workload: Workload
    parameters: Parameters

    @property
    def trace(self) -> Path:
        """What is replayed."""
        return self.workload.trace

    @property
    def facts(self) -> TraceFacts:
        """Of the trace."""
        return self.workload.facts

    @property
    def cache_blocks(self) -> int | None:
        """Blocks that requests can have: vLLM's null block is not one of them. None: as many as it takes."""
        blocks = self.parameters.num_blocks
        return None if blocks is None else blocks - 1

    @property
    def name(self) -> str:
        """Readable part of the case's name."""
        size = "inf" if self.cache_blocks is None else self.cache_blocks
        policy = self.parameters.policy if self.parameters.prefix_caching else "nocache"
        first = [] if self.parameters.limit is None else [f"first{self.parameters.limit}"]
        return "_".join([self.workload.name, *first, f"b{self.parameters.block_size}", f"c{size}", policy])

    def definition(self, engine: dict[str, Any]) -> dict[str, Any]:
        """Everything that decides what the replay gives; ``engine``: pin, version, lock and patches."""
        return {
            "study": STUDY,
            "trace": {"sha256": self.workload.facts.sha256, "format": self.workload.facts.format},
            "parameters": asdict(self.parameters),
            "engine": engine,
            "workers_sha256": workers_sha256(),
        }


def points(workload: Workload, declared: Dialogues | Mooncake, common: Parameters) -> list[Point]:
    """The workload's replays, each once; ``common``: parameters that do not vary (the step-time model).

    An unlimited cache with and without prefix caching, every declared block size at an unlimited cache, and every
    policy at every cache size. Single turns share too little for policies to differ: they get vLLM's own alone.
    """
    base = replace(common, block_size=declared.block_size)
    if isinstance(declared, Mooncake):
        base = replace(base, limit=declared.limit)
        sizes = [size for size in declared.cache_blocks if size >= _longest(workload, base)]
    else:
        sizes = list(_powers(workload, base, declared.size_step))
    found = [base, replace(base, prefix_caching=False)]
    if isinstance(declared, Dialogues):
        found += [replace(base, block_size=size) for size in declared.block_sizes]
    policies = declared.policies[:1] if workload.kind == SINGLE else declared.policies
    found += [replace(base, policy=policy, num_blocks=size + 1) for size in sizes for policy in policies]
    return [Point(workload, parameters) for parameters in dict.fromkeys(found)]


def _powers(workload: Workload, base: Parameters, step: int) -> Iterator[int]:
    """Cache sizes: powers of two from the longest request's to the last that the whole trace does not fit into."""
    size = 1 << (_longest(workload, base) - 1).bit_length()
    while size < workload.facts.total_blocks:
        yield size
        size *= step


def _longest(workload: Workload, base: Parameters) -> int:
    """Blocks that the longest request takes at its end: a cache of fewer could not serve it."""
    return -(-workload.facts.max_tokens // base.block_size)


def workers_sha256() -> str:
    """Identity of the code that replays: every worker of the model-free engine."""
    return sources_sha256(REPLAYING)
