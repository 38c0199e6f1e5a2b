"""What proving a start's state costs: evicting, warming and looking at 2 GB of weights, and all else that is looked at.

    .venv/bin/python benchmarks/state_proof.py [--bytes 2147483648] [--rounds 5] [--libraries DIR] [--caches DIR]

Wanted: eviction and proof of 2 GB in at most 1 s, proof overhead of a run at most 0.2 s. The rounds are interleaved:
cold, look, warm, look. ``--libraries``: an engine's environment; ``--caches``: a sandbox that a warm-up start left.
The last line of stdout is one JSON document; seconds are minimum, median, maximum.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.measure.libraries import environment_files
from harness.state.clocks import ClockWatch
from harness.state.files import look, make_cold, make_warm
from harness.state.hold import held
from harness.state.interference import Watch
from harness.state.sandbox import Sandbox
from harness.state.shared_memory import inventory

BLOCK = 64 << 20


def timed(action: Callable[[], Any], into: list[float]) -> Any:
    """Do it; its seconds go into the list."""
    began = time.monotonic()
    result = action()
    into.append(time.monotonic() - began)
    return result


def watch() -> None:
    """Everything else that is looked at around a run."""
    watching, clock = Watch(), ClockWatch()
    inventory()
    watching.stop(0.0)
    clock.jump_s()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=2 << 30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path.cwd())
    parser.add_argument("--libraries", type=Path)
    parser.add_argument("--caches", type=Path, help="caches/<case>/<session>")
    asked = parser.parse_args()
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        path = Path(name) / "weights.safetensors"
        with path.open("wb") as file:
            for _ in range(-(-asked.bytes // BLOCK)):
                file.write(os.urandom(BLOCK))
            file.flush()
            os.fsync(file.fileno())
        for _ in range(asked.rounds):
            cold = timed(lambda: make_cold([path]), seconds.setdefault("evict and prove", []))
            assert cold.verdict == "evicted", cold.reason
            timed(lambda: look([path]), seconds.setdefault("look, evicted", []))
            warm = timed(lambda: make_warm([path]), seconds.setdefault("read and prove", []))
            assert warm.verdict == "resident", warm.reason
            timed(lambda: look([path]), seconds.setdefault("look, resident", []))
            with ExitStack() as stack:
                timed(partial(stack.enter_context, held([path])), seconds.setdefault("hold", []))
            timed(watch, seconds.setdefault("noise, clock, shared memory", []))
            if asked.libraries:
                files = environment_files((asked.libraries,), bytecode=False)
                timed(partial(look, files), seconds.setdefault("look, shared objects", []))
            if asked.caches:
                timed(Sandbox(asked.caches).contents, seconds.setdefault("inventory of the caches", []))
    result = {what: [round(f(found), 4) for f in (min, median, max)] for what, found in seconds.items()}
    for what, (least, middle, most) in result.items():
        print(f"{what:32} {least:8.4f} {middle:8.4f} {most:8.4f} s")
    print(json.dumps({"bytes": asked.bytes, "rounds": asked.rounds, "seconds": result}))


if __name__ == "__main__":
    main()
