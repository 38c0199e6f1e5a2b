"""A made-up slot of the routing figure, of made-up runs: what is planted is how much each strategy finds cached."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from harness.commands.routing.slot import RoutingSource, write_routing_slot
from harness.record.routing_run import RoutingRun
from harness.record.routing_tables import STRATEGIES
from harness.record.tables import Cell
from tests.routing_runs import COUNTED, REACHED, Wanted, make_run

REUSE = {"power-of-two": 0.4, "prefix": 0.8, "exact": 0.85, "session": 0.8, "round-robin": 0.4, "random": 0.38}
SIMULATED = {"power-of-two": 0.29, "prefix": 0.67, "exact": 0.68, "session": 0.67, "round-robin": 0.29, "random": 0.2}
MODEL = {"name": "qwen2.5-0.5b-instruct", "twin": True, "files_sha256": "cd" * 32}
REPLICAS = 2
ROUTERS = {
    "prefix": ("ray.serve.llm.request_router.PrefixCacheAffinityRouter",
               {"imbalanced_threshold": 10, "match_rate_threshold": 0.1, "eviction_target_chars": None}),
}  # fmt: skip
REASON = "the engine of replica 1 ended with exit code 137"


@dataclass(frozen=True)
class Made:
    """What a slot is to hold."""

    labels: Sequence[str] = ("two-replicas", "no-chunked-prefill")
    strategies: Sequence[str] = STRATEGIES
    repeats: int = 3
    warm: bool = True
    simulated: bool = True
    failing: bool = True  # two requests of every prefix phase; the last run of random as a whole
    hits: bool = True
    requests: int = 30

    def runs(self) -> Iterator[RoutingRun]:
        """By label, strategy and repeat."""
        for label in self.labels:
            for strategy in self.strategies:
                for repeat in range(1, self.repeats + 1):
                    yield self._run(label, strategy, repeat)

    def _run(self, label: str, strategy: str, repeat: int) -> RoutingRun:
        ends_badly = self.failing and strategy == "prefix"
        run = make_run(
            Wanted(
                strategy,
                repeat,
                self.requests,
                REPLICAS,
                ("cold", "warm") if self.warm else ("cold",),
                label,
                failed={3: REACHED, 7: COUNTED} if ends_badly else None,
                reuse=REUSE[strategy] * self.hits,
            )
        )
        name, settings = ROUTERS.get(strategy, (f"experiments.prefix_routing.worker_routers.{strategy}", {}))
        facts = replace(run.facts, router={"class": name, "parameters": settings}, model=MODEL)
        if self.failing and strategy == "random" and repeat == self.repeats > 1:
            facts = replace(facts, status="failed", failed_in="load", reason=REASON)
        return replace(run, facts=facts)


def made_slot(folder: Path, made: Made | None = None) -> Path:
    """Write such a slot; returns its folder."""
    made = made or Made()
    node = {"id": "node-0123456789ab", "cpu_model": "CPU", "cpus": [0, 1], "memory_bytes": 8 << 30, "gpus": []}
    engine = {"pin": "ray-2.60-vllm-0.32.0-cpu", "version": "0.32.0", "lock_sha256": "ab" * 32}
    source = RoutingSource(node, engine, MODEL)
    simulated = list(simulated_rows(made)) if made.simulated else []
    write_routing_slot(folder, "routing", made.runs(), source, simulated)
    return folder


def simulated_rows(made: Made) -> Iterator[tuple[Cell, ...]]:
    """Rows of simulated.csv: near the real hit rates, but for random's."""
    noise = Random(5)
    for label in made.labels:
        for strategy in made.strategies:
            rate = SIMULATED[strategy] * made.hits
            for repeat in range(1, 6):
                own = max(0.0, rate + noise.gauss(0, 0.01)) * made.hits
                yield label, "own", strategy, REPLICAS, repeat, "hit_rate", own, "share"
            for repeat in range(1, made.repeats + 1):
                yield label, "followed", strategy, REPLICAS, repeat, "hit_rate", rate, "share"
            for replicas in (1, 2, 4, 8, 16, 32, 64):
                for repeat in (1, 2):
                    left = 1.0 if strategy in ("prefix", "exact", "session") else replicas**-0.3
                    yield label, "mooncake", strategy, replicas, repeat, "hit_rate", rate * left, "share"
                    uneven = 1 + 0.1 * replicas ** REUSE[strategy]
                    yield label, "mooncake", strategy, replicas, repeat, "imbalance", uneven, "ratio"
