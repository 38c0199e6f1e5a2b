"""How fast recorded logs are parsed on one core: MB/s over every log below DIR.

    .venv/bin/python benchmarks/parse_logs.py DIR [--passes 7] [--json]

Each pass reads and parses every log once, in a shuffled order (page cache warm, harness/analyse/logs.py alone: no
process start). Printed: the median pass, the slowest and the fastest. MB = 10⁶ bytes; processor seconds, so that other
load on the machine does not count.
"""

import argparse
import json
import random
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.analyse.logs import parse_log  # noqa: E402
from harness.record.log_pieces import log_pieces  # noqa: E402


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Speed of parsing recorded logs.")
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--passes", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a line of a table")
    options = parser.parse_args()
    logs = sorted(path for path in options.folder.rglob("*.txt") if path.is_file())
    if not logs:
        print(f"error: {options.folder}: no .txt log in it or below", file=sys.stderr)
        return 2
    megabytes = sum(path.stat().st_size for path in logs) / 1e6
    shuffle, rates = random.Random(0).shuffle, []
    for _ in range(options.passes + 1):
        shuffle(logs)
        begun = time.process_time()
        for path in logs:
            parse_log(log_pieces(path))
        rates.append(megabytes / (time.process_time() - begun))
    rates = sorted(rates[1:])  # the first pass fills the page cache
    median = statistics.median(rates)
    if options.json:
        print(json.dumps({"logs": len(logs), "mb": megabytes, "mb_per_s": median, "passes": rates}))
    else:
        print(f"| {len(logs)} logs, {megabytes:.1f} MB | {median:.0f} MB/s | {rates[0]:.0f} to {rates[-1]:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
