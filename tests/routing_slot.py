"""A made-up slot of the routing figure: effects that are planted for each strategy, to be found again.

Prefix and exact find more cached than power-of-two, session most but unevenly, round-robin and random less.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from harness.record.routing_tables import ROUTING_TABLES, STRATEGIES, STUDY
from harness.record.study_slot import write_study_slot
from harness.record.tables import Cell

NODE: dict[str, Any] = {
    "id": "node-0123456789ab", "cpu_model": "CPU", "cpus": [0, 1], "memory_bytes": 8 << 30, "gpus": [],
}  # fmt: skip
MODEL = "qwen2.5-0.5b-instruct"
REPLICAS, PROMPT, OUTPUT = 2, 800, 12
# Hit rate (cold), imbalance, seconds in the router and in the queue.
EFFECTS = {
    "power-of-two": (0.42, 1.02, 0.010, 0.30),
    "prefix": (0.71, 1.12, 0.012, 0.16),
    "exact": (0.74, 1.10, 0.015, 0.15),
    "session": (0.73, 1.35, 0.008, 0.45),
    "round-robin": (0.41, 1.00, 0.008, 0.31),
    "random": (0.40, 1.06, 0.008, 0.36),
}
CLASSES = {
    "prefix": ("ray.serve.llm.request_router.PrefixCacheAffinityRouter",
               {"imbalanced_threshold": 10, "match_rate_threshold": 0.1, "do_eviction": False}),
}  # fmt: skip

Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Made:
    """What a slot is to hold."""

    labels: Sequence[str] = ("two-replicas", "no-chunked-prefill")
    strategies: Sequence[str] = STRATEGIES
    repeats: int = 3
    warm: bool = True
    simulated: bool = True
    failing: bool = True  # some requests of prefix, and the last run of random
    hits: bool = True
    requests: int = 60

    @property
    def phases(self) -> Sequence[str]:
        """In their order."""
        return ("cold", "warm") if self.warm else ("cold",)

    def fails(self, strategy: str, repeat: int) -> bool:
        """Whether the run fails as a whole."""
        return self.failing and strategy == "random" and repeat == self.repeats and self.repeats > 1

    def runs(self) -> Iterator[tuple[str, str, str, int]]:
        """Case, label, strategy, repeat."""
        for label in self.labels:
            for strategy in self.strategies:
                for repeat in range(1, self.repeats + 1):
                    yield f"{strategy}-{label}", label, strategy, repeat


def made_slot(folder: Path, made: Made | None = None) -> Path:
    """Write such a slot; returns its folder."""
    made = made or Made()
    rows: dict[str, list[Row]] = {table.name: [] for table in ROUTING_TABLES}
    for case, label, strategy, repeat in made.runs():
        failed = made.fails(strategy, repeat)
        said = ("failed", "load", "the engine of replica 1 ended with exit code 137") if failed else ("ok", "-", "-")
        rows["runs.csv"].append((case, label, strategy, repeat, *said))
        if not failed:
            for phase in made.phases:
                _phase(rows, made, (case, label, strategy, repeat, phase))
    if made.simulated:
        rows["simulated.csv"] += _simulated(made)
    rows["findings.csv"] += _findings(made)
    tables = [(table, rows[table.name]) for table in ROUTING_TABLES]
    write_study_slot(folder, tables, _manifest(made, folder.name))
    return folder


def _phase(rows: dict[str, list[Row]], made: Made, run: tuple[str, str, str, int, str]) -> None:
    case, label, strategy, repeat, phase = run
    noise = Random(" ".join(map(str, run)))
    rate, imbalance, router, queue = EFFECTS[strategy]
    rate = (min(0.97, rate * (1.3 if phase == "warm" else 1) + noise.gauss(0, 0.01))) if made.hits else 0.0
    computed = made.requests * PROMPT * (1 - rate)
    queue *= noise.lognormvariate(0, 0.08)
    imbalance = max(1.0, imbalance + noise.gauss(0, 0.01))
    prefill, rest = 0.1 + 0.4 * (1 - rate), 0.05
    totals = []
    for number in range(made.requests):
        sent = 0.25 * number
        failed = made.failing and strategy == "prefix" and number % 29 == 7
        ttft = (router + queue + prefill + rest) * noise.lognormvariate(-0.08, 0.4)
        status = "failed" if failed else "ok"
        key = (case, repeat, phase, number)
        rows["requests.csv"].append(
            (*key, number // 3, number % 3, status, PROMPT, OUTPUT, sent, sent, sent + ttft + 0.4)
        )
        if not failed:
            totals.append(ttft)
            rows["latencies.csv"].append((*key, "ttft", ttft))
            rows["latencies.csv"].append((*key, "tpot", 0.03 * noise.lognormvariate(0, 0.3)))
    mean = math.fsum(totals) / len(totals)
    values: list[tuple[str, str, float, str]] = [
        ("client", "ttft_mean_s", mean, "s"),
        ("client", "tpot_mean_s", 0.03 * noise.lognormvariate(0, 0.05), "s"),
        ("client", "completed", float(len(totals)), "requests"),
        ("server", "hit_rate", rate, "share"),
        ("server", "imbalance", imbalance, "ratio"),
        ("server", "prefill_tokens_computed", computed, "tokens"),
        ("server", "router_wait_mean_s", router, "s"),
        ("server", "queue_mean_s", queue, "s"),
        ("server", "prefill_mean_s", prefill, "s"),
        ("server", "rest_mean_s", rest, "s"),
    ]
    whole = (case, label, strategy, repeat, phase)
    rows["metrics.csv"] += [(*whole, side, "all", *rest_of) for side, *rest_of in values]
    for replica in range(REPLICAS):
        rows["metrics.csv"].append((*whole, "server", str(replica), "hit_rate", rate, "share"))
        queries = 0
        for tick in range(80):
            load = max(0, round((4 + 3 * math.sin(tick / 9 + replica)) * imbalance ** (1 - 2 * replica)))
            queries += noise.randrange(100, 900)
            so_far = int(queries * rate * min(1.0, tick / 40))
            rows["series.csv"].append(
                (case, repeat, phase, replica, 0.2 * tick, min(load, 6), max(0, load - 6), 0.4, queries, so_far)
            )


def _simulated(made: Made) -> Iterator[Row]:
    noise = Random(5)
    for label in made.labels:
        for strategy in made.strategies:
            rate, imbalance, *_ = EFFECTS[strategy]
            rate *= made.hits
            for repeat in range(1, 6):
                own = max(0.0, rate + noise.gauss(0, 0.01)) if made.hits else 0.0
                yield label, "own", strategy, REPLICAS, repeat, "hit_rate", own, "share"
            for repeat in range(1, made.repeats + 1):
                yield label, "followed", strategy, REPLICAS, repeat, "hit_rate", rate, "share"
            for replicas in (1, 2, 4, 8, 16, 32, 64):
                for repeat in (1, 2):
                    spread = 1 if strategy in ("prefix", "exact", "session") else replicas**-0.3
                    found = {"hit_rate": rate * spread, "imbalance": 1 + (imbalance - 1) * replicas**0.5}
                    for metric, value in found.items():
                        unit = "share" if metric == "hit_rate" else "ratio"
                        yield label, "mooncake", strategy, replicas, repeat, metric, value, unit


def _findings(made: Made) -> Iterator[Row]:
    """Planted: the hit rate of prefix is higher, that of random is not decided; TTFT likewise."""
    baseline = EFFECTS["power-of-two"]
    for label in made.labels:
        for phase in made.phases:
            for strategy in made.strategies:
                if strategy == "power-of-two" or "power-of-two" not in made.strategies:
                    continue
                for metric, base, mean in (
                    ("hit_rate", baseline[0] * made.hits, EFFECTS[strategy][0] * made.hits),
                    ("ttft_mean_s", 0.5 + baseline[3], 0.5 + EFFECTS[strategy][3]),
                ):
                    said = {"baseline mean": base, "mean": mean, "n": float(made.repeats)}
                    if made.repeats > 1:
                        said["half width of the difference"] = 0.08
                    for statistic, value in said.items():
                        yield label, phase, strategy, "power-of-two", metric, statistic, value


def _manifest(made: Made, slot: str) -> dict[str, Any]:
    parameters = {
        "num_servers": REPLICAS, "num_prompts": made.requests, "max_concurrency": 40, "request_rate": "inf",
        "min_output_len": 5, "max_output_len": 20, "enable_prefix_caching": True, "with_warmup": made.warm, "seed": 0,
    }  # fmt: skip
    routers = {}
    for strategy in made.strategies:
        name, settings = CLASSES.get(strategy, (f"experiments.prefix_routing.worker_routers.{strategy}", {}))
        routers[strategy] = {"class": name, "parameters": settings}
    return {
        "figure": "routing",
        "slot": slot,
        "study": STUDY,
        "node": NODE,
        "cases": [{"case": case} for case in dict.fromkeys(case for case, *_ in made.runs())],
        "engine": {"pin": "ray-2.60-vllm-0.32.0-cpu", "version": "0.32.0"},
        "models": {MODEL: {"twin": True}},
        "labels": {label: {"parameters": parameters, "routers": routers} for label in made.labels},
        "runs": [
            {"case": case, "repeat": repeat, "strategy": strategy, "label": label, "client_cpu_share": 0.12,
             "send_error_p99_s": 0.0031 + 0.0001 * repeat}
            for case, label, strategy, repeat in made.runs()
        ],
    }  # fmt: skip
