"""The simulated twin of the runs: the same routers over replicas without a model, under the same load.

``own``: the router decides itself, with another seed each time (loads of the repeats in turn). ``followed``: each real
run's decisions are followed, so that only the replicas can differ. ``mooncake``: Mooncake's trace over more replicas.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.prefix_routing.study import Case
from harness.analyse.routing_join import join, replica_numbers
from harness.analyse.routing_series_simulated import FOLLOWED, MOONCAKE, OWN
from harness.analyse.routing_simulated import rows_of, step_time_of
from harness.commands.routing.collect import runs_of
from harness.commands.routing.load import MadeLoad
from harness.commands.routing.runs import Deployed, Planned
from harness.measure.simulate import SimulationJob, simulate
from harness.progress import say
from harness.record.replay import StepTime
from harness.record.routing_records import Served
from harness.record.routing_run import RoutingRun
from harness.record.routing_tables import COLD, OK
from harness.record.simulated import SimulationParameters
from harness.record.tables import Cell

_LIMIT_S = 3600.0


@dataclass(frozen=True)
class _Wanted:
    source: str
    repeat: int  # of ``followed`` the real run's, else the seed's
    job: SimulationJob


def simulated_rows(runs: Planned) -> list[tuple[Cell, ...]]:
    """Rows of simulated.csv; what is not stored is simulated.

    Raises:
        HarnessError, MeasurementFailed: as ``simulate``.
    """
    on = runs.on
    with tempfile.TemporaryDirectory(prefix="routing-twin-") as folder:
        wanted = [*_of_the_load(runs, Path(folder)), *_of_mooncake(on)]
        say(f"{len(wanted)} simulated runs; what is stored is not made again …")
        found = simulate([each.job for each in wanted], on.engine, on.workspace.runs, str(on.node["id"]), _LIMIT_S)
    both = zip(wanted, found, strict=True)
    return [row for each, run in both for row in rows_of(on.asked.label, each.source, each.repeat, run)]


def _of_the_load(runs: Planned, folder: Path) -> Iterator[_Wanted]:
    on, loads = runs.on, runs.loads
    if not on.asked.setting.engine.enable_chunked_prefill:
        say("the load is not simulated: the model-free scheduler is written for chunked prefill")
        return
    real = {case.strategy: [run for run in runs_of(runs, case) if run.facts.status == OK] for case in on.asked.cases}
    step_time = step_time_of([record for each in real.values() for run in each for record in _cold(run)])
    for case in on.asked.cases:
        for seed in range(1, on.asked.figure.simulated.seeds + 1):
            load = loads[(seed - 1) % len(loads) + 1]
            yield _Wanted(OWN, seed, _job(case, load, seed, step_time))
        for run in real[case.strategy]:
            repeat = run.facts.run
            decisions = followed_decisions(run)
            if decisions is None:
                say(f"{case.strategy}, repeat {repeat}: not followed, a request reached no replica")
                continue
            path = folder / f"{case.strategy}-{repeat}.json"
            path.write_text(json.dumps(decisions), encoding="utf-8")
            yield _Wanted(FOLLOWED, repeat, _job(case, loads[repeat], 0, step_time, path))


def _job(case: Case, load: MadeLoad, seed: int, step_time: StepTime, decisions: Path | None = None) -> SimulationJob:
    setting, engine = case.setting, case.setting.engine
    room = load.facts["trace"]["max_tokens"] * load.facts["prompts"] // engine.block_size  # for everything
    parameters = SimulationParameters(
        strategy=case.strategy,
        replicas=setting.replicas,
        num_blocks=engine.num_blocks if engine.num_blocks is not None else room + 2 * load.facts["prompts"] + 2,
        router=dict(case.parameters),
        seed=seed,
        block_size=engine.block_size,
        prefix_caching=engine.enable_prefix_caching,
        max_num_seqs=engine.max_num_seqs,
        max_num_batched_tokens=engine.max_num_batched_tokens,
        max_ongoing_requests=setting.max_ongoing_requests,
        max_concurrency=setting.load.max_concurrency,
        step_time=step_time,
    )
    return SimulationJob(load.tokens, parameters, load.load, decisions)


def _of_mooncake(on: Deployed) -> Iterator[_Wanted]:
    trace, declared = on.asked.trace, on.asked.figure.simulated.mooncake
    if trace is None:
        return
    for case in on.asked.cases:
        for replicas in declared.replicas:
            for seed in range(1, declared.seeds + 1):
                parameters = SimulationParameters(
                    strategy=case.strategy,
                    replicas=replicas,
                    num_blocks=declared.num_blocks,
                    router=dict(case.parameters),
                    seed=seed,
                    block_size=declared.block_size,
                    max_num_seqs=declared.max_num_seqs,
                )
                yield _Wanted(MOONCAKE, seed, SimulationJob(trace, parameters))


def _cold(run: RoutingRun) -> list[Served]:
    """What engines say of the cold load's requests: check queries are slow, and warm ones find everything."""
    return [record for record in run.served if record.request.startswith(f"{COLD}-")]


def followed_decisions(run: RoutingRun) -> dict[int, int] | None:
    """Request of the cold phase → replica's number; None: one reached no replica."""
    numbers = replica_numbers(run)
    found: dict[int, int] = {}
    for joined in join(run):
        if joined.client.phase == COLD:
            number = numbers.get(joined.replica) if joined.replica is not None else None
            if number is None or number >= len(run.facts.replicas):
                return None
            found[joined.client.request] = number
    return found
