"""How much faster is the fast loop than vLLM's own step loop, on the same trace with the same results?

    python benchmarks/replay_loops.py TRACE [--rounds N] [--limit N] [--block-size 16] [--tokens 960000]

Each round replays the trace through the fast loop, the stock loop (both reporting everything) and the stock loop with
nothing reported, in an order that rotates from round to round; seconds are those of the replay, without vLLM's import.
Prints requests per second, peak memory, and ratios of the same round with their median.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.engine.environment import engine_of  # noqa: E402
from harness.engine.study_worker import run_worker  # noqa: E402
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin  # noqa: E402

LOOPS = ("fast", "stock", "plain")
STEP_TIME = {"base_s": 5e-3, "prefill_token_s": 2e-5, "decode_seq_s": 5e-5, "context_token_s": 1e-8}


def replay(loop: str, asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One replay in a process of its own; returns its counters."""
    python = engine_of(load_pin(DEFAULT_CPU_PIN)).python
    request, result = folder / "request.json", folder / "result.json"
    plain = loop == "plain"
    whole = {**asked, "loop": loop, "out": str(folder / "out")}
    request.write_text(json.dumps(whole if plain else {"replays": [whole], "processes": 1}), encoding="utf-8")
    module = "benchmarks.worker_plain_replay" if plain else "experiments.model_free.worker_replay"
    run_worker(python, module, (request, result), {}, f"the {loop} loop", 3600)
    document: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return document if plain else document["replays"][0]


def plain_agrees(found: dict[str, dict[str, Any]]) -> bool:
    """Whether what the plain loop knows is what the others report."""
    return all(found["plain"][name] == found["fast"][name] for name in ("requests", "steps", "virtual_s"))


def main() -> None:
    """Replay in rounds and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--block-size", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=960_000)
    typed = parser.parse_args()
    asked = {
        "trace": str(typed.trace.resolve()),
        "block_size": typed.block_size,
        "num_blocks": typed.tokens // typed.block_size + 1,
        "prefix_caching": True,
        "policy": "lru",
        "watermark": 0.0,
        "headroom": None,
        "offload": None,
        "max_num_seqs": 256,
        "max_num_batched_tokens": 8192,
        "max_model_len": 200_000,
        "scheduler_cls": None,
        "step_time": STEP_TIME,
        "events": False,
        "steps": False,
        "limit": typed.limit,
    }
    rounds: list[dict[str, dict[str, Any]]] = []
    for number in range(typed.rounds):
        order = LOOPS[number % 3 :] + LOOPS[: number % 3]
        found: dict[str, dict[str, Any]] = {}
        for loop in order:
            with tempfile.TemporaryDirectory() as folder:
                found[loop] = replay(loop, asked, Path(folder))
            seconds, requests = found[loop]["wall_s"], found[loop]["requests"]
            peak = found[loop].get("max_rss_bytes")
            memory = f", peak {peak / 1e6:.0f} MB" if peak else ""
            print(f"round {number + 1} {loop:5}: {seconds:7.1f} s, {requests / seconds:6.0f} requests/s{memory}")
        timed = ("wall_s", "max_rss_bytes")
        fast, stock = ({k: v for k, v in found[loop].items() if k not in timed} for loop in ("fast", "stock"))
        print(
            f"  results identical: {fast == stock}; virtual seconds {found['plain']['virtual_s'] == fast['virtual_s']}"
        )
        rounds.append(found)
    for loop in ("stock", "plain"):
        ratios = [each[loop]["wall_s"] / each["fast"]["wall_s"] for each in rounds]
        every = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{loop} ÷ fast: {statistics.median(ratios):.2f} (each round: {every})")


if __name__ == "__main__":
    main()
