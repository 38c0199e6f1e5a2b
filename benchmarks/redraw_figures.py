"""How long it takes to redraw every figure from the paper's recorded data, each by its own process.

    .venv/bin/python benchmarks/redraw_figures.py DIR [--out DIR] [--figures 2,10]

DIR holds the recordings figure-1, figure-2, …, figure-rest. One line per figure (seconds of `python3
figures/figure-N/plot.py --data RECORDING --out OUT`, start of Python included), then their sum. Exits 1 if a figure
fails or writes nothing.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.analyse.recorded import recording_of  # noqa: E402
from harness.workspace import Workspace  # noqa: E402

FIGURES = [str(number) for number in range(1, 18) if number != 16]  # 16 is a drawing without data


def redraw(figure: str, recordings: Path, out: Path) -> tuple[float, str]:
    """Seconds, and what went wrong ("" if nothing)."""
    plot = Workspace().figure(figure) / "plot.py"
    command = [sys.executable, str(plot), "--data", str(recordings / recording_of(figure)), "--out", str(out)]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode:
        return seconds, (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
    missing = [name for name in (f"figure{figure}.pdf", f"figure{figure}.png") if not (out / name).is_file()]
    return seconds, f"wrote no {missing[0]}" if missing else ""


def main() -> int:
    """Redraw and print; returns the exit code."""
    parser = argparse.ArgumentParser(description="Redraw every figure from recorded data.")
    parser.add_argument("recordings", metavar="DIR", type=Path)
    parser.add_argument("--out", metavar="DIR", type=Path, help="where the figures go [default: nowhere]")
    parser.add_argument("--figures", default=",".join(FIGURES), help="a few of them: 2,10")
    options = parser.parse_args()
    total, failed = 0.0, 0
    with tempfile.TemporaryDirectory() as scratch:
        out = options.out or Path(scratch)
        out.mkdir(parents=True, exist_ok=True)
        for figure in options.figures.split(","):
            seconds, problem = redraw(figure, options.recordings, out)
            total, failed = total + seconds, failed + bool(problem)
            print(f"| {figure} | {seconds:.2f} s | {problem or 'ok'} |", flush=True)
    print(f"| all | {total:.1f} s | {failed} failed |")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
