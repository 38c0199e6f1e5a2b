"""A replica's actor dies in the middle of a simulation, under the serving engine's Python: IN.json OUT.json.

IN: {"trace", "died_s", "strategies": {strategy: parameters}}. OUT: {strategy: [[sent_s, number of the replica, number
of the one that died] of each request]}.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from experiments.model_free.worker_step_time import StepTime
from experiments.prefix_routing.worker_replicas import Replicas, ReplicaShape
from experiments.prefix_routing.worker_simulated_load import read_load
from experiments.prefix_routing.worker_simulated_router import RouterMaker
from experiments.prefix_routing.worker_simulation import Simulation

DIES = 1


def simulate(path: Path, died_s: float, strategy: str, parameters: dict[str, Any]) -> list[list[float]]:
    shape = ReplicaShape(4, 500, 8, 256, True, StepTime(0.01, 0.0, 0.0, 0.0))
    trace = shape.trace(path)
    replicas = Replicas(3, shape, trace)
    routers = RouterMaker(replicas, None, 5)
    simulation = Simulation(replicas, None)

    def make_router() -> Any:
        router = routers.make(strategy, parameters, None, 4, simulation.clock.time, simulation.note)
        dead = next(name for name, each in routers.replicas.items() if each.replica.number == DIES)
        simulation.clock.call_at(died_s, router.on_replica_actor_died, dead)
        return router

    simulation.run(read_load(trace, None), make_router)
    return [[each.sent_s, each.replica, DIES] for each in simulation.served]


def main(request_path: str, result_path: str) -> None:
    asked = json.loads(Path(request_path).read_text(encoding="utf-8"))
    found = {
        strategy: simulate(Path(asked["trace"]), asked["died_s"], strategy, parameters)
        for strategy, parameters in asked["strategies"].items()
    }
    Path(result_path).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
