"""How long does the simulated twin take? Every strategy over many replicas and a whole trace.

    python benchmarks/routing_simulation.py TRACE [--replicas 64] [--block-size 512] [--blocks 4000] [--limit N]

``--limit``: requests of a replica at the router. Prints seconds without the engine's start, requests per second, and
what came of it: hit rate, imbalance, mean TTFT of the made-up default step time.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.engine.environment import engine_of  # noqa: E402
from harness.measure.simulate import SimulationJob, simulate  # noqa: E402
from harness.record.routing_tables import STRATEGIES  # noqa: E402
from harness.record.simulated import SimulationParameters  # noqa: E402
from harness.spec.pin import load_pin  # noqa: E402
from harness.spec.routing import load_routing  # noqa: E402
from harness.workspace import Workspace  # noqa: E402

LIMIT_S = 3600.0


def main() -> None:
    """Simulate each strategy once and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--replicas", type=int, default=64)
    parser.add_argument("--block-size", type=int, default=512)
    parser.add_argument("--blocks", type=int, default=4000)
    parser.add_argument("--limit", type=int)
    typed = parser.parse_args()
    figure = load_routing("routing", Workspace())
    jobs = [
        SimulationJob(
            typed.trace,
            SimulationParameters(
                strategy=strategy,
                replicas=typed.replicas,
                num_blocks=typed.blocks,
                router=dict(figure.strategies[strategy]),
                block_size=typed.block_size,
                max_ongoing_requests=typed.limit,
            ),
        )
        for strategy in STRATEGIES
    ]
    with tempfile.TemporaryDirectory() as store:
        for run in simulate(jobs, engine_of(load_pin(figure.engines["cpu"])), Path(store), "benchmark", LIMIT_S):
            name, result, requests = run.facts.parameters.strategy, run.facts.result, len(run.requests)
            print(
                f"{name:13}: {result.wall_s:6.1f} s, {requests / result.wall_s:5.0f} requests/s; "
                f"hit rate {100 * result.hit_rate:5.2f} %, imbalance {result.imbalance:5.2f},"
                f" mean TTFT {result.ttft_mean_s:.3f} virtual s"
            )


if __name__ == "__main__":
    main()
