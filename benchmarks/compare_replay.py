"""How often ``compare`` is wrong, and what it finds: many comparisons replayed from stored starts, no engine started.

    .venv/bin/python benchmarks/compare_replay.py [--trials 2000] [--starts 5]

For each stored session (tests/analyse/cold_starts.json) and each form: how often two equal sets of starts are said to
differ (in the total, in any phase, in either), and, with 0.5 s planted into B's tokenizer_init, how often that phase is
found, how often it is also the first one named, and how often the total is called slower.
"""

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from harness.analyse.compare import Comparison, compare  # noqa: E402
from harness.analyse.contrast import FASTER, SLOWER  # noqa: E402
from tests.analyse.replay import SESSIONS, replay, slower, stored  # noqa: E402

LEAF, PLANTED_S = "tokenizer_init", 0.5


def flagged(comparison: Comparison) -> list[str]:
    """Phases said to differ, largest difference first."""
    return [name for name, line in comparison.parts.items() if line.verdict in (SLOWER, FASTER)]


def rates(session: str, paired: bool, smooth: bool, trials: int, n: int) -> list[float]:
    """Shares of the trials: false total, false phases, either; phase found, named first, total found."""
    starts, counts = stored(session), [0] * 6
    for seed in range(trials):
        rng = random.Random(seed)
        a, b = (replay(starts, n, rng, paired, smooth) for _ in "ab")
        same, planted = compare(a, b), compare(a, slower(b, LEAF, PLANTED_S))
        total, phases = same.ready.verdict in (SLOWER, FASTER), bool(flagged(same))
        found = planted.phases[LEAF].verdict == SLOWER
        seen = (total, phases, total or phases, found, flagged(planted)[:1] == [LEAF], planted.ready.verdict == SLOWER)
        counts = [count + hit for count, hit in zip(counts, seen, strict=True)]
    return [count / trials for count in counts]


def main() -> None:
    """Print one line per session, form and way of resampling."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args()
    columns = ("session", "form", "drawn", "false total %", "phases %", "either %", "found %", "first %", "total %")
    table = Table(*columns, box=None)
    for session in SESSIONS:
        for paired in (False, True):
            for smooth in (True, False):
                found = rates(session, paired, smooth, options.trials, options.starts)
                form, drawn = "paired" if paired else "unpaired", "smoothed" if smooth else "whole runs"
                table.add_row(session, form, drawn, *(f"{100 * rate:.1f}" for rate in found))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
